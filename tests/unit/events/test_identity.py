"""Ids, pseudonyms and partitions."""

import datetime as dt
import uuid

import uuid_utils
from hypothesis import given
from hypothesis import strategies as st

from recommender.events.identity import (
    AHEAD_LIMIT,
    LATE_LIMIT,
    derived_event_id,
    partition_day,
    pseudonym,
)

instants = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC))


@given(instants, st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_is_a_version_7_uuid_of_its_instant(
    occurred_at: dt.datetime, parts: list[str]
) -> None:
    event_id = derived_event_id(occurred_at, *parts)
    assert uuid.UUID(event_id).version == 7
    assert uuid.UUID(event_id).variant == uuid.RFC_4122
    assert event_id == derived_event_id(occurred_at, *parts)
    # It begins with 48 bits of milliseconds.
    assert 0 <= occurred_at.timestamp() * 1000 - (uuid.UUID(event_id).int >> 80) < 1


def test_parts_do_not_run_together() -> None:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert derived_event_id(at, "ab", "c") != derived_event_id(at, "a", "bc")


@given(
    st.timedeltas(-LATE_LIMIT + dt.timedelta(seconds=1), AHEAD_LIMIT - dt.timedelta(seconds=1)),
    st.timedeltas(dt.timedelta(0), dt.timedelta(days=6)),
)
def test_every_resend_within_the_limit_meets_in_one_partition(
    skew: dt.timedelta, delay: dt.timedelta
) -> None:
    received_at = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
    event_id = derived_event_id(received_at + skew, "x")
    first = partition_day(event_id, received_at)
    # The id knows only milliseconds.
    if skew - delay >= -LATE_LIMIT + dt.timedelta(milliseconds=1):
        assert partition_day(event_id, received_at + delay) == first


def test_an_implausible_id_falls_to_the_day_of_receipt() -> None:
    received_at = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
    for event_id in (
        str(uuid.uuid4()),
        derived_event_id(received_at - dt.timedelta(days=8), "x"),
        derived_event_id(received_at + dt.timedelta(days=1), "x"),
    ):
        assert partition_day(event_id, received_at) == dt.date(2026, 3, 2)
    assert partition_day(str(uuid_utils.uuid7()), dt.datetime.now(dt.UTC)) is not None


@given(st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=50))
def test_a_pseudonym_needs_the_key(key: bytes, visitor_id: str) -> None:
    other_key = bytes([key[0] ^ 1]) + key[1:]
    assert pseudonym(key, visitor_id) == pseudonym(key, visitor_id)
    assert pseudonym(key, visitor_id) != pseudonym(other_key, visitor_id)
    assert len(pseudonym(key, visitor_id)) == 32


def test_no_visitor_has_no_pseudonym() -> None:
    assert pseudonym(b"k" * 32, "") == ""
