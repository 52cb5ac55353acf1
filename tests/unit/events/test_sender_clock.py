"""When an event happened, whatever the sender's clock shows."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st
from test_vocabulary import EVENT_ID, NOW, parse_one

from recommender.events.identity import LATE_LIMIT
from recommender.events.sender_clock import happened_at
from recommender.records import Event

RECEIVED_AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def test_a_clock_that_is_years_wrong_still_tells_an_age() -> None:
    # By a clock that stands in 2019 the event happened ten minutes before it was sent.
    told_at = dt.datetime(2019, 1, 1, 0, 0, tzinfo=dt.UTC)
    assert happened_at(told_at, told_at + 10 * MINUTE, RECEIVED_AT) == RECEIVED_AT - 10 * MINUTE


def test_an_event_sent_before_it_happened_happened_now() -> None:
    assert happened_at(RECEIVED_AT, RECEIVED_AT - MINUTE, RECEIVED_AT) == RECEIVED_AT


@given(
    age=st.timedeltas(dt.timedelta(0), LATE_LIMIT),
    skew=st.timedeltas(dt.timedelta(days=-9_000), dt.timedelta(days=9_000)),
    way=st.timedeltas(dt.timedelta(0), dt.timedelta(seconds=30)),
)
def test_no_skew_changes_the_age(age: dt.timedelta, skew: dt.timedelta, way: dt.timedelta) -> None:
    happened = RECEIVED_AT - way - age
    sent = RECEIVED_AT - way
    assert happened_at(happened + skew, sent + skew, RECEIVED_AT) == RECEIVED_AT - age


instants = st.datetimes(timezones=st.just(dt.UTC))


@given(instants, st.none() | instants)
def test_nothing_happens_after_its_receipt_nor_long_before(
    told_at: dt.datetime, sent_at: dt.datetime | None
) -> None:
    assert RECEIVED_AT - LATE_LIMIT <= happened_at(told_at, sent_at, RECEIVED_AT) <= RECEIVED_AT


def corrected(document: object) -> dt.datetime:
    event = parse_one(document)
    assert isinstance(event, Event)
    return event.occurred_at


def test_a_batch_tells_when_it_was_sent_in_each_language() -> None:
    told = {"event_id": EVENT_ID, "type": "page_view", "occurred_at": "2020-05-05T10:00:00Z"}
    ours = {"sent_at": "2020-05-05T10:02:00Z", "events": [told]}
    assert corrected(ours) == NOW - 2 * MINUTE
    segment = {
        "type": "track",
        "event": "Cart Viewed",
        "properties": {},
        "timestamp": "2020-05-05T10:00:00Z",
        "sentAt": "2020-05-05T10:05:00Z",
    }
    assert corrected(segment) == NOW - 5 * MINUTE
    assert corrected({"batch": [segment]}) == NOW - 5 * MINUTE


def test_an_unreadable_sent_at_costs_no_event() -> None:
    told = {"event_id": EVENT_ID, "type": "page_view", "occurred_at": "2026-03-02T08:59:00Z"}
    for sent_at in ("yesterday", [], {}, True, 1e300, ""):
        assert corrected({"sent_at": sent_at, "events": [told]}) == NOW - MINUTE


def test_a_resend_without_id_is_the_same_event() -> None:
    told = {"type": "page_view", "occurred_at": "2020-05-05T10:00:00Z", "page": "/"}
    first, again = (
        parse_one({"sent_at": f"2020-05-05T10:0{minute}:00Z", "events": [told]})
        for minute in (1, 7)
    )
    assert isinstance(first, Event)
    assert isinstance(again, Event)
    assert first.event_id == again.event_id
