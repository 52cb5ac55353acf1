"""A seeded selection of the fault drill: the quick cases, as many as fit into two minutes."""

import pytest

from drill.case import CASES
from drill.catalogue import NOT_EXECUTED, TITLES
from drill.run import choose, load_cases, run_cases

SEED = 20260302
SECONDS = 100.0
ALWAYS = ("01", "40", "22")
"""Kills, duplicates, lost replies: each breaks something else."""


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_whatever_breaks() -> None:
    drawn = [one for one in choose(long=False, seed=SEED, only=[]) if one not in ALWAYS]
    results = run_cases([*ALWAYS, *drawn], seed=SEED, long=False, seconds=SECONDS)
    broken = {
        result.case_id: result.outcome.all_faults
        for result in results
        if result.outcome is not None and not result.passed
    }
    assert not broken
    assert sum(result.outcome is not None for result in results) >= len(ALWAYS)


def test_every_case_has_a_title_and_an_execution_or_a_reason() -> None:
    load_cases()
    assert CASES.keys() | NOT_EXECUTED.keys() == TITLES.keys()
    assert not CASES.keys() & NOT_EXECUTED.keys()
