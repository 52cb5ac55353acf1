"""`scripts/fault-drill`: runs the catalogue and writes the report."""

import argparse
import sys
import time
from pathlib import Path

from drill.catalogue import TITLES
from drill.report import write_report
from drill.run import SHORT_SECONDS, Result, choose, run_beside, run_cases


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fault-drill", description=__doc__)
    parser.add_argument("--long", action="store_true", help="all cases, many rounds: for releases")
    parser.add_argument("--short", action="store_true", help="a seeded selection (default)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", nargs="+", default=[], metavar="ID", choices=TITLES)
    parser.add_argument("--report", type=Path, help="default: docs/fault-report.md of a long drill")
    parser.add_argument("--jobs", type=int, default=1, help="cases at once; most of them wait")
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    begin = time.monotonic()
    results = _run(chosen)
    report = chosen.report
    if report is None and chosen.long and not chosen.case:
        report = Path(__file__).parents[2] / "docs" / "fault-report.md"
    if report is not None:
        arguments = f"{'--long ' if chosen.long else ''}--seed {chosen.seed}"
        write_report(
            report,
            results,
            seed=chosen.seed,
            long=chosen.long,
            arguments=arguments,
            seconds=time.monotonic() - begin,
        )
        print(f"Report: {report}")
    return 0 if all(result.passed for result in results if result.outcome) else 1


def _run(chosen: argparse.Namespace) -> list[Result]:
    case_ids = choose(long=chosen.long, seed=chosen.seed, only=chosen.case)
    if chosen.jobs > 1:
        return run_beside(case_ids, seed=chosen.seed, long=chosen.long, jobs=chosen.jobs, tell=_say)
    is_whole = chosen.long or chosen.case
    return run_cases(
        case_ids,
        seed=chosen.seed,
        long=chosen.long,
        seconds=float("inf") if is_whole else SHORT_SECONDS,
        tell=_say,
        results_file=chosen.results,
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
