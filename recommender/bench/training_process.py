"""`recommender train` in a process of its own, watched from outside. Linux only.

Must not know what is learned.
"""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from recommender.config import Settings
from recommender.errors import UnavailableError

_TRAIN = (sys.executable, "-m", "recommender", "train")
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Training:
    """One run of the command.

    Attributes:
        seconds: From its start to its end, the interpreter's own start included.
        peak_mb: Most memory it held at a time, in MB of 2²⁰ bytes.
        report: What it printed about the shop.
    """

    seconds: float
    peak_mb: float
    report: dict[str, Any]


class TrainingProcess:
    """Trains one shop, as an operator's command would, beside the caller.

    Args:
        settings: Where the shop lives.
        shop_id: The shop.
        in_background: Whether it gives way to everything else, as it does under the scheduler.
    """

    def __init__(self, settings: Settings, shop_id: str, *, in_background: bool = False) -> None:
        self._started = time.perf_counter()
        self._seconds = 0.0
        self._peak_kb = 0
        self._process = subprocess.Popen(
            [*_TRAIN, "--shop", shop_id, "--json", *(["--background"] if in_background else [])],
            env=settings.child_environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    @property
    def is_running(self) -> bool:
        """Tell whether the command still runs."""
        return self._watcher.is_alive()

    def finish(self) -> Training:
        """Wait for the end.

        Raises:
            UnavailableError: The command failed, or published nothing.
        """
        printed, said = self._process.communicate()
        self._watcher.join()
        if self._process.returncode:
            last = (said.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise UnavailableError(f"The training failed: {last[:300]}", code="training-failed")
        (report,) = orjson.loads(printed)["shops"]
        if not report["published"]:
            raise UnavailableError(
                f"The training published nothing: {report['reason']}", code="training-failed"
            )
        return Training(self._seconds, self._peak_kb / 1024, report)

    def _watch(self) -> None:
        # The kernel's own figure for ended children counts the parent's memory before `exec`.
        while self._process.poll() is None:
            self._peak_kb = max(self._peak_kb, _high_water_kb(self._process.pid))
            time.sleep(_LOOK_SECONDS)
        self._seconds = time.perf_counter() - self._started


def _high_water_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, behind = status.partition("VmHWM:")
    return int(behind.split()[0]) if behind else 0
