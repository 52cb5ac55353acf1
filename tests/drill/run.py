"""Runs cases one after the other; a case that breaks is a failed case, never a failed drill."""

import importlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from drill.case import CASES, Drill, NotExecutedError, Outcome, Standing
from drill.catalogue import NOT_EXECUTED, TITLES
from drill.checker import Verdict

MODULES = ("crash", "disks", "slow", "overload", "data", "border", "money", "operations", "nodes")
SHORT_SECONDS = 150.0


@dataclass(slots=True)
class Result:
    """One line of the report; `outcome` is None when the case was not executed."""

    case_id: str
    seconds: float
    outcome: Outcome | None
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is not None and not self.outcome.all_faults


def load_cases() -> None:
    for name in MODULES:
        importlib.import_module(f"drill.cases_{name}")


def choose(*, long: bool, seed: int, only: Sequence[str]) -> list[str]:
    """Return the cases to run, in order; a short drill draws from the short ones."""
    load_cases()
    if only:
        return list(only)
    if long:
        return sorted(CASES)
    short = sorted(case_id for case_id, found in CASES.items() if found.short)
    random.Random(seed).shuffle(short)
    return short


def run_cases(
    case_ids: Sequence[str],
    *,
    seed: int,
    long: bool,
    seconds: float = float("inf"),
    tell: Callable[[str], None] = lambda _text: None,
    results_file: Path | None = None,
) -> list[Result]:
    """Run cases until all are done or the time is over; return a result for each begun one.

    Args:
        results_file: Written after every case, so that nothing is lost when the drill itself ends.
    """
    begin = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory(prefix="rcd-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as somebody else
        standing = Standing(Path(folder))
        try:
            for case_id in case_ids:
                if time.monotonic() - begin > seconds:
                    break
                chance = random.Random(f"{seed}-{case_id}")
                drill = Drill(Path(folder), seed, long, chance, standing)
                results.append(_run(case_id, drill))
                tell(_line(results[-1]))
                if results_file is not None:
                    write_results(results_file, results)
        finally:
            standing.close()
    return results


def run_beside(
    case_ids: Sequence[str],
    *,
    seed: int,
    long: bool,
    jobs: int,
    tell: Callable[[str], None] = lambda _text: None,
) -> list[Result]:
    """Run cases in several processes at once, which mostly wait; return all results."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="rcd-jobs-") as folder:
        runs = []
        for job in range(jobs):
            file = Path(folder) / f"{job}.json"
            words = ["--seed", str(seed), "--results", str(file), "--case", *case_ids[job::jobs]]
            argv = [sys.executable, "-m", "drill", *(["--long"] if long else []), *words]
            runs.append((file, subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)))
        readers = [
            threading.Thread(target=lambda run=run: [tell(line.rstrip()) for line in run.stdout])
            for _, run in runs
        ]
        for reader in readers:
            reader.start()
        for (file, run), reader in zip(runs, readers, strict=True):
            reader.join()
            run.wait()
            results += read_results(file) if file.exists() else []
    return results


def write_results(file: Path, results: Sequence[Result]) -> None:
    file.write_text(json.dumps([asdict(result) for result in results]))


def read_results(file: Path) -> list[Result]:
    results = []
    for told in json.loads(file.read_text()):
        if told["outcome"] is not None:
            books = Verdict(**told["outcome"].pop("books"))
            told["outcome"] = Outcome(**told["outcome"], books=books)
        results.append(Result(**told))
    return results


def _run(case_id: str, drill: Drill) -> Result:
    if case_id not in CASES:
        return Result(case_id, 0.0, None, NOT_EXECUTED.get(case_id, "the drill has no such case"))
    begin = time.monotonic()
    try:
        outcome = CASES[case_id].work(drill)
    except NotExecutedError as error:
        return Result(case_id, time.monotonic() - begin, None, str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        outcome = Outcome(faults=[f"{type(error).__name__}: {error}"])
    return Result(case_id, time.monotonic() - begin, outcome)


def _line(result: Result) -> str:
    title = TITLES[result.case_id]
    if result.outcome is None:
        return f"{result.case_id}  not executed  {title}: {result.reason}"
    books = result.outcome.books
    verdict = "pass" if result.passed else "FAIL " + "; ".join(result.outcome.all_faults)
    notes = "; ".join(result.outcome.notes)
    return (
        f"{result.case_id}  {result.seconds:5.1f} s  rounds {result.outcome.rounds}  "
        f"acknowledged {books.acknowledged}  lost {books.lost}  doubled {books.doubled}  "
        f"{title}: {verdict}{'  (' + notes + ')' if notes else ''}"
    )
