"""Versions of what counts in neither arm: which one governs a day."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.shops.exclusions import (
    Exclusions,
    RulesVersion,
    Timeline,
    before_any,
    content_sha256,
    plain_mark,
    rules_as_json,
    rules_from_json,
)

FIRST = dt.date(2027, 3, 1)
NOW = dt.datetime(2027, 2, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def timeline(*days: int) -> Timeline:
    """Return versions that govern from these days after `FIRST` on."""
    stated = (
        Exclusions(RulesVersion(number, FIRST + day * DAY, NOW, "a" * 64))
        for number, day in enumerate(days, start=1)
    )
    return Timeline((before_any(), *stated))


def by_definition(versions: Timeline, day: dt.date) -> int:
    return next(
        one.told.version
        for one in reversed(versions.versions)
        if one.told.governs_from is None or one.told.governs_from <= day
    )


days = st.lists(st.integers(0, 20), max_size=5).map(sorted)


@given(days, st.integers(-3, 25))
def test_the_last_version_that_began_governs_a_day(starts: list[int], day: int) -> None:
    versions, on = timeline(*starts), FIRST + day * DAY
    [found] = versions.governing(on, on)
    assert found.version == by_definition(versions, on)
    [stretch] = [
        one for one in versions.stretches() if (one.first or on) <= on and (one.last or on) >= on
    ]
    assert stretch.rules.told == found


@given(days, st.integers(-3, 25), st.integers(0, 25))
def test_a_span_names_each_version_that_governs_a_day_of_it(
    starts: list[int], first: int, length: int
) -> None:
    versions = timeline(*starts)
    span = [FIRST + (first + number) * DAY for number in range(length + 1)]
    named = [told.version for told in versions.governing(span[0], span[-1])]
    assert named == sorted({by_definition(versions, day) for day in span})


def test_a_version_replaced_before_it_began_governs_nothing() -> None:
    assert [one.rules.told.version for one in timeline(3, 3).stretches()] == [0, 2]


@pytest.mark.parametrize(
    ("told", "mark"),
    [
        (" Tag: Whole Sale ", "tag:whole sale"),
        ("discount:TEAM20", "discount:team20"),
        ("source:a:b", "source:a:b"),
        ("colour:red", ""),
        ("tag:", ""),
        ("tag", ""),
        ("tag:a\nb", ""),
        ("tag:" + "x" * 101, ""),
    ],
)
def test_a_mark_is_a_known_kind_and_a_value(told: str, mark: str) -> None:
    assert plain_mark(told) == mark


def test_the_hash_tells_lists_apart_and_not_their_order() -> None:
    assert content_sha256(["a", "b"], ["tag:c"]) == content_sha256(["b", "a"], ["tag:c"])
    others = {content_sha256(["a"], []), content_sha256([], ["a"]), content_sha256([], [])}
    assert len(others) == 3


@pytest.mark.parametrize("told", [before_any().told, timeline(4).newest.told])
def test_what_a_statement_says_of_a_version_is_read_back(told: RulesVersion) -> None:
    assert rules_from_json(rules_as_json(told)) == told
