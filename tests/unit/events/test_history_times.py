import datetime as dt
import zoneinfo
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.events.history_times import to_utc


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2010-12-01 08:26:00", utc(2010, 12, 1, 8, 26)),
        ("2010-07-01 08:26:00", utc(2010, 7, 1, 7, 26)),
        ("2010-07-01T08:26:00", utc(2010, 7, 1, 7, 26)),
        (" 2010-07-01 08:26 ", utc(2010, 7, 1, 7, 26)),
        ("2010-07-01", utc(2010, 6, 30, 23, 0)),
        ("2010-07-01T08:26:00.123Z", utc(2010, 7, 1, 8, 26)),
        ("2010-07-01 08:26:00 +0100", utc(2010, 7, 1, 7, 26)),
        ("2010-07-01T08:26:00-05:30", utc(2010, 7, 1, 13, 56)),
        ("2010-02-30 00:00:00", None),
        ("01/07/2010 08:26", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_texts_are_the_shops_time_unless_they_name_a_zone(
    text: str | None, expected: dt.datetime | None
) -> None:
    assert to_utc(pa.array([text], pa.string()), "Europe/London").to_pylist() == [expected]


def test_the_first_of_a_repeated_hour_is_meant() -> None:
    column = pa.array(["2010-10-31 01:30:00", "2010-10-31 02:30:00"])
    assert to_utc(column, "Europe/London").to_pylist() == [
        utc(2010, 10, 31, 0, 30),
        utc(2010, 10, 31, 2, 30),
    ]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([dt.datetime(2010, 7, 1, 8), None]), [utc(2010, 7, 1, 7), None]),
        (pa.array([dt.date(2010, 7, 1)]), [utc(2010, 6, 30, 23)]),
        (pa.array([utc(2010, 7, 1, 8)], pa.timestamp("ms", "UTC")), [utc(2010, 7, 1, 8)]),
        (pa.array([0], pa.timestamp("us", "Asia/Tokyo")), [utc(1970, 1, 1)]),
        (pa.array([], pa.string()), []),
    ],
)
def test_columns_of_times(column: Any, expected: list[dt.datetime | None]) -> None:
    assert to_utc(column, "Europe/London").to_pylist() == expected


@given(
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2037, 1, 1)),
    st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_local_times_agree_with_the_zone_database(wall: dt.datetime, timezone: str) -> None:
    expected = wall.replace(tzinfo=zoneinfo.ZoneInfo(timezone)).astimezone(dt.UTC)
    assert to_utc(pa.array([wall]), timezone).to_pylist() == [expected]
