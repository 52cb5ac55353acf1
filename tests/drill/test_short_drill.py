"""Quick cases of the fault drill, the same on every machine, in parts that can run side by side."""

import pytest

from drill.case import CASES
from drill.catalogue import NOT_EXECUTED, TITLES
from drill.run import load_cases, run_cases

SEED = 20260302
PARTS = (
    # Kills, duplicates, lost replies: each breaks something else.
    ("01", "40", "22"),
    ("52", "28", "45", "25", "47", "44", "46"),
    ("33", "59", "54"),
)


@pytest.mark.slow
@pytest.mark.parametrize("case_ids", PARTS, ids=" ".join)
def test_nothing_is_lost_or_doubled_whatever_breaks(case_ids: tuple[str, ...]) -> None:
    load_cases()
    results = run_cases(case_ids, seed=SEED, long=False)
    broken = {
        result.case_id: result.outcome.all_faults
        for result in results
        if result.outcome is not None and not result.passed
    }
    assert not broken
    assert [result.case_id for result in results if result.outcome is not None] == [*case_ids]


def test_every_case_has_a_title_and_an_execution_or_a_reason() -> None:
    load_cases()
    assert CASES.keys() | NOT_EXECUTED.keys() == TITLES.keys()
    assert not CASES.keys() & NOT_EXECUTED.keys()
