"""Named places at which a process can be told to die, as a power cut would end it.

Every gap between two steps that must agree has a name here, so that a test can walk them all. Off
unless `RECOMMENDER_CRASH_AT` names one; then `crash_point` compares two strings and no more.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

CRASH_POINTS = (
    "ingest-read",
    "ingest-rejected",
    "ingest-committed",
    "ingest-synced",
    "ingest-trimmed",
    "compact-merged",
    "compact-noted",
    "seal-rewritten",
    "seal-counted",
    "retention-noted",
    "retention-dropped",
    "replay-stored",
    "spool-written",
    "spool-replayed",
    "order-recorded",
    "settle-measured",
    "settle-stated",
    "settle-numbered",
    "settle-posted",
)
"""What was just done when the process dies."""


@dataclass(slots=True)
class _Charge:
    """Where this process is to die, after how many passings, and the file that says it did."""

    name: str = ""
    passings_left: int = 0
    marker: Path = Path()


_charge = _Charge()


def parse_crash_point(text: str) -> tuple[str, int]:
    """Read `name` or `name:N`, where N is the passing at which to die.

    Raises:
        ValueError: No such point, or N is not a whole number above 0.
    """
    name, _, count = text.partition(":")
    passings = int(count or "1")
    if name not in CRASH_POINTS or passings < 1:
        raise ValueError(text)
    return name, passings


def arm_crash_point(text: str, home: Path) -> None:
    """Let this process die at the point that `text` names; an empty text names none.

    Under one home it happens once: a supervisor that starts the process again, under the same
    setting, is not answered with another death.
    """
    _charge.name, _charge.passings_left = parse_crash_point(text) if text else ("", 0)
    _charge.marker = home / "run" / f"crashed-at-{_charge.name}"


def crash_point(name: str) -> None:
    """Die here with SIGKILL if this is the chosen point and its turn has come."""
    if name == _charge.name:
        _pass()


def _pass() -> None:
    _charge.passings_left -= 1
    if _charge.passings_left:
        return
    _charge.marker.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _charge.marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
