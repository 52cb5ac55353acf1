"""Versions that cannot have governed, and counts that cannot be, are named."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from invoice_world import RULES, facts
from recommender.billing.rule_faults import rule_faults
from recommender.shops.exclusions import before_any
from recommender.uplift.removed import Removed

GOOD = facts()
NEXT = replace(
    RULES,
    version=2,
    governs_from=dt.date(2027, 1, 9),
    stated_at=dt.datetime(2027, 1, 8, 22, 59, tzinfo=dt.UTC),
)
BEFORE = before_any().told
PROGRAM = Removed("program", 1, "control", 1)


def test_rules_stated_the_day_before_have_no_fault() -> None:
    assert list(rule_faults(replace(GOOD, rules=(BEFORE, RULES, NEXT)))) == []
    assert list(rule_faults(replace(GOOD, rules=(BEFORE,)))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # One minute later it is the day itself in Paris.
        (
            {"rules": (BEFORE, replace(NEXT, stated_at=NEXT.stated_at + dt.timedelta(minutes=1)))},
            "not before 2027-01-09",
        ),
        ({"rules": (RULES,)}, "no version governs the days before 2027-01-04"),
        ({"rules": (BEFORE, NEXT, RULES)}, "version 1 of the exclusions does not follow 2"),
        ({"rules": (BEFORE, replace(NEXT, governs_from=None))}, "names no day"),
        ({"rules": (replace(BEFORE, sha256="0" * 64),)}, "not what holds for all shops"),
        ({"removed": (replace(PROGRAM, reason="friend"),)}, "friend of control"),
        ({"removed": (replace(PROGRAM, arm="both"),)}, "program of both"),
        ({"removed": (replace(PROGRAM, orders=-1),)}, "below 0"),
        ({"removed": (PROGRAM, replace(PROGRAM, orders=3))}, "twice"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], words: str) -> None:
    assert words in "; ".join(rule_faults(replace(GOOD, **change)))
