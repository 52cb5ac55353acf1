"""Days of a shop, for one instant and for many at once."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.uplift.days import Calendar, day_start, local_day, microseconds, window

FIRST, LAST = dt.date(2026, 12, 20), dt.date(2027, 12, 31)
# Clocks change at night, at midnight (Santiago), by half an hour (Lord Howe), or never.
ZONES = (
    "Europe/Paris",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
)
instants = st.datetimes(
    dt.datetime(2026, 12, 22), dt.datetime(2027, 12, 30), timezones=st.just(dt.UTC)
)


@given(st.sampled_from(ZONES), st.lists(instants, max_size=20))
def test_many_instants_fall_on_the_days_each_of_them_does(zone: str, at: list[dt.datetime]) -> None:
    calendar = Calendar(FIRST, LAST, zone)
    places = calendar.number(np.array([microseconds(one) for one in at], np.int64))
    assert [calendar.days[place] for place in places] == [local_day(one, zone) for one in at]


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_begins_where_the_one_before_ends(zone: str) -> None:
    calendar = Calendar(FIRST, LAST, zone)
    for day in calendar.days[:-1]:
        start_us, end_us = calendar.bounds_us(day)
        assert start_us == microseconds(day_start(day, zone)) < end_us
        assert end_us == calendar.bounds_us(day + dt.timedelta(days=1))[0]
        edges = np.array([start_us - 1, start_us, end_us - 1, end_us], np.int64)
        place = calendar.days.index(day)
        assert calendar.number(edges).tolist() == [place - 1, place, place, place + 1]


def test_days_of_both_clock_changes_have_23_and_25_hours() -> None:
    calendar = Calendar(FIRST, LAST, "Europe/Paris")
    hours = {
        (end_us - start_us) // 3_600_000_000: day
        for day in (dt.date(2027, 3, 28), dt.date(2027, 10, 31))
        for start_us, end_us in [calendar.bounds_us(day)]
    }
    assert hours == {23: dt.date(2027, 3, 28), 25: dt.date(2027, 10, 31)}


def test_before_and_after_the_calendar_there_are_no_days() -> None:
    calendar = Calendar(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
    march = window(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
    edges = [microseconds(march.start) - 1, microseconds(march.end) - 1, microseconds(march.end)]
    assert calendar.number(np.array(edges, np.int64)).tolist() == [-1, 30, 31]
    # From the end of February at UTC+1 to the end of March at UTC+2.
    assert march.end - march.start == dt.timedelta(days=31) - dt.timedelta(hours=1)
