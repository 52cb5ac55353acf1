"""Every subject of the proof, with small numbers: its claims hold, and it can tell when not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proof import false_alarms, oracle, traps
from proof.__main__ import SUBJECTS, prove
from proof.report import write_report
from proof.section import Scale, Section

SEED = 20261122
QUICK = Scale(SEED, quick=True, data=Path("nowhere"))
SLOW = ("service",)


@pytest.mark.parametrize("subject", [name for name in SUBJECTS if name not in SLOW])
def test_claims_hold(subject: str) -> None:
    section = prove(subject, QUICK)
    missed = [check for check in section.checks if not check.passed]
    assert missed == []
    assert section.checks or "Left out" in section.text[0]


@pytest.mark.slow
def test_the_whole_service_recovers_a_planted_effect() -> None:
    section = prove("service", QUICK)
    assert [check for check in section.checks if not check.passed] == []
    assert len(section.checks) == 4


def test_the_usual_figures_of_the_traps() -> None:
    """The figures that the literature warns of; ours are checked with the claims."""
    text = "\n".join(traps.run(QUICK).text)
    # (0.5 × 1.2 + 0.9 × 2)/1.4 against (0.5 × 1.2 + 0.1 × 2)/0.6
    assert "+28.6%" in text
    # (0.72 × 1 + 0.2 × 0.81 × 2)/(0.72 + 0.162) against (0.08 + 0.2 × 0.01 × 2)/(0.08 + 0.002)
    assert "+15.5%" in text
    assert "revenue per visitor 0.00" in text


def test_a_rule_that_bills_noise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = false_alarms.estimates
    monkeypatch.setattr(
        false_alarms, "estimates", lambda looks, **more: _certain(honest(looks, **more))
    )
    missed = [check for check in false_alarms.run(QUICK).checks if not check.passed]
    assert len(missed) == 2


def _certain(found: Any) -> Any:
    return replace(found, sequence=found.sequence * 0.3)


def test_the_report_puts_missed_claims_first(tmp_path: Path) -> None:
    section = Section("A subject")
    section.say("Words.")
    section.at_most("a share", 0.2, 0.1)
    path = tmp_path / "report.md"
    write_report(path, [section, oracle.run(QUICK)], QUICK, seconds=60, arguments=" --quick")
    text = path.read_text()
    assert "3 of 4 claims hold; missed: a share." in text
    assert text.index("| a share | 20.00% | at most 10.0% | **missed** |") < text.index("Words.")
