"""Writes the proof: the claims first, then each subject with its figures."""

import datetime as dt
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from proof.section import Scale, Section

_HEAD = """\
# Proof of the uplift and of the bill

Written by `scripts/prove-uplift{arguments}`; do not edit. {when}, seed {seed}, {minutes:.0f}
minutes on {machine}. {summary}

Order values are real: Online Retail II (Chen, Sain & Guo 2012, CC BY 4.0; the second year is in
this package) and, where its folder is given, Complete Journey (84.51°, CC0). Visitors, arms and
effects are simulated, so that the truth is known.
"""


def write_report(
    path: Path, sections: Sequence[Section], scale: Scale, *, seconds: float, arguments: str
) -> None:
    """Write the report of a run."""
    checks = [check for section in sections for check in section.checks]
    missed = [check for check in checks if not check.passed]
    head = _HEAD.format(
        arguments=arguments,
        when=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        seed=scale.seed,
        minutes=seconds / 60,
        machine=f"{platform.system()}, Python {sys.version.split()[0]}",
        summary=f"**{len(checks) - len(missed)} of {len(checks)} claims hold"
        + (f"; missed: {'; '.join(check.claim for check in missed)}.**" if missed else ".**"),
    )
    parts = [head, "## Claims\n", _claims(sections)]
    for section in sections:
        parts += [f"## {section.title}\n", "\n\n".join(section.text) + "\n"]
    path.write_text("\n".join(parts))


def _claims(sections: Sequence[Section]) -> str:
    lines = ["| claim | found | limit | |", "|---|---|---|---|"]
    lines += [
        f"| {check.claim} | {check.found} | {check.limit} | "
        f"{'holds' if check.passed else '**missed**'} |"
        for section in sections
        for check in section.checks
    ]
    return "\n".join(lines) + "\n"
