"""`scripts/prove-uplift`: runs the subjects and writes the report."""

import argparse
import importlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from proof.report import write_report
from proof.section import Scale, Section

SUBJECTS = ("false_alarms", "coverage", "policies", "traps", "oracle", "asos", "service")
REPORT = Path(__file__).parents[2] / "docs" / "uplift-proof.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/prove-uplift", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, writes no report")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--data", type=Path, help="folder with the public data sets")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=SUBJECTS)
    parser.add_argument("--jobs", type=int, default=2, help="subjects at once")
    parser.add_argument("--report", type=Path, help="default of a full run: docs/uplift-proof.md")
    chosen = parser.parse_args()
    began = time.monotonic()
    scale = Scale(chosen.seed, quick=chosen.quick, data=chosen.data)
    with ProcessPoolExecutor(chosen.jobs) as pool:
        running = [pool.submit(prove, subject, scale) for subject in chosen.only]
        sections = [_tell(one.result()) for one in running]
    report = chosen.report
    if report is None and not chosen.quick and tuple(chosen.only) == SUBJECTS:
        report = REPORT
    if report is not None:
        arguments = f" --seed {chosen.seed}" + (" --quick" if chosen.quick else "")
        seconds = time.monotonic() - began
        write_report(report, sections, scale, seconds=seconds, arguments=arguments)
        print(f"Report: {report}")
    return 0 if all(check.passed for section in sections for check in section.checks) else 1


def prove(subject: str, scale: Scale) -> Section:
    """Run one subject."""
    section: Section = importlib.import_module(f"proof.{subject}").run(scale)
    return section


def _tell(section: Section) -> Section:
    print(f"\n{section.title}", flush=True)
    for check in section.checks:
        mark = "ok  " if check.passed else "MISS"
        print(f"  {mark} {check.claim}: {check.found} ({check.limit})", flush=True)
    return section


if __name__ == "__main__":
    sys.exit(main())
