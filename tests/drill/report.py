"""Writes the fault report: what was done, what was found, and what was not tried."""

import datetime as dt
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from drill.catalogue import NOT_EXECUTED, TITLES
from drill.run import Result

_COLUMNS = (
    *("case", "what was injected", "rounds", "sent", "acknowledged"),
    *("lost", "doubled", "unanswered", "recovery s", "verdict"),
)
_HEAD = """\
# Fault report

Written by `scripts/fault-drill{arguments}`; do not edit. Every case breaks a really running
service on purpose while clients send (and retry as the widget does), each noting what it sent and
what it was told in a journal of its own, synced line by line. Afterwards the journal is compared
with what the service stored:

- **lost**: acknowledged, but neither stored nor rejected with a reason;
- **doubled**: stored more than once, or both stored and rejected;
- **unanswered**: stored although no answer came; allowed at most once each, and the widget's
  retry with the same id is recognised;
- **recovery**: longest time from the fault to the next acknowledged request that began after it.

{summary}

{machine}
"""


def write_report(
    path: Path, results: Sequence[Result], *, seed: int, long: bool, arguments: str, seconds: float
) -> None:
    """Write the report of a drill."""
    by_id = {result.case_id: result for result in results}
    executed = [result for result in results if result.outcome is not None]
    text = _HEAD.format(
        arguments=f" {arguments}" if arguments else "",
        summary=_summary(executed, seed, long, seconds),
        machine=_machine(),
    )
    text += "\n## Executed\n\n" + _table(executed)
    text += "\n## Not executed\n\n| case | what | why |\n|---|---|---|\n"
    for case_id, title in TITLES.items():
        result = by_id.get(case_id)
        if result is None or result.outcome is None:
            reason = result.reason if result else NOT_EXECUTED.get(case_id, "not part of this run")
            text += f"| {case_id} | {title} | {reason} |\n"
    path.write_text(text)


def _summary(executed: Sequence[Result], seed: int, long: bool, seconds: float) -> str:
    books = [result.outcome.books for result in executed if result.outcome]
    kills = sum(
        result.outcome.rounds
        for result in executed
        if result.outcome and "kill -9" in result.outcome.injected
    )
    failed = [result.case_id for result in executed if not result.passed]
    of_catalogue = [result for result in executed if result.case_id.isdigit()]
    n_catalogue = sum(case_id.isdigit() for case_id in TITLES)
    return (
        f"{'Long' if long else 'Short'} drill of {dt.datetime.now(dt.UTC):%Y-%m-%d}, "
        f"seed {seed}, {seconds / 60:.0f} minutes: "
        f"**{len(of_catalogue)} of {n_catalogue} cases executed, "
        f"{sum(one.acknowledged for one in books):,} events and orders acknowledged, "
        f"{sum(one.lost for one in books)} lost, {sum(one.doubled for one in books)} doubled**, "
        f"{kills} rounds of `kill -9`. "
        + (f"Failed: {', '.join(failed)}." if failed else "All executed cases passed.")
    )


def _machine() -> str:
    release, _, _ = platform.release().partition("-")
    return (
        f"Machine: {platform.system()} {release}, Python {sys.version.split()[0]}. "
        "`SIGKILL` leaves what the kernel holds: nothing here proves survival of a power cut "
        "(`docs/decisions/0003` says how commits are synced)."
    )


def _table(executed: Sequence[Result]) -> str:
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"{'|---' * len(_COLUMNS)}|",
    ]
    for result in executed:
        outcome = result.outcome
        assert outcome is not None
        books, recovery = outcome.books, outcome.recovery_seconds
        verdict = "pass" if result.passed else "**fail**: " + "; ".join(outcome.all_faults)
        notes = f"<br>{'; '.join(outcome.notes)}" if outcome.notes else ""
        by = "" if outcome.executed_by == "drill" else f"<br>by `{outcome.executed_by}`"
        lines.append(
            f"| {result.case_id} {TITLES[result.case_id]} | {outcome.injected}{notes}{by} "
            f"| {outcome.rounds} | {books.sent:,} | {books.acknowledged:,} | {books.lost} "
            f"| {books.doubled} | {books.stored_unanswered} "
            f"| {'' if recovery is None else f'{recovery:.1f}'} | {verdict.replace('|', '/')} |"
        )
    return "\n".join(lines) + "\n"
