"""Events survive the stream exactly, and nothing else is taken for an event."""

import datetime as dt

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from recommender.adapters.event_codec import decode_entry, decode_events, encode_events
from recommender.errors import InvalidInputError
from recommender.records import Event, EventItem, EventType, Source

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_INSTANTS = st.datetimes(timezones=st.just(dt.UTC))
_ITEMS = st.builds(
    EventItem,
    item_id=_TEXT,
    quantity=st.integers(0, 2**31 - 1),
    price_minor=st.none() | st.integers(0, 2**63 - 1),
)
_EVENTS = st.builds(
    Event,
    shop_id=_TEXT,
    event_id=_TEXT,
    type=st.sampled_from(EventType),
    visitor=_TEXT,
    occurred_at=_INSTANTS,
    received_at=_INSTANTS,
    day=st.dates(),
    source=st.sampled_from(Source),
    items=st.lists(_ITEMS, max_size=3).map(tuple),
    placement=_TEXT,
    arm=_TEXT,
    stratum=st.integers(0, 1000),
    slate_id=_TEXT,
    order_id=_TEXT,
    search_term=_TEXT,
    session=_TEXT,
    page=_TEXT,
    bot=_TEXT,
)
_EVENT = Event(
    "shop_a",
    "id-1",
    EventType.ORDER,
    "",
    dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC),
    dt.date(2026, 3, 2),
    Source.SERVER,
    (EventItem("a", 1, 250),),
)


@given(st.lists(_EVENTS, min_size=1, max_size=3))
def test_what_was_encoded_is_decoded(events: list[Event]) -> None:
    assert decode_events(encode_events(events)) == tuple(events)


def test_a_time_of_another_zone_comes_back_as_the_same_instant() -> None:
    paris = dt.timezone(dt.timedelta(hours=1))
    told = dt.datetime(2026, 3, 2, 13, tzinfo=paris)
    (event,) = decode_events(encode_events([_changed(occurred_at=told)]))
    assert event.occurred_at == told
    assert event.occurred_at.tzinfo is dt.UTC


@given(st.binary(max_size=60))
def test_bytes_of_somebody_else_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode_events(raw)


@given(st.data())
def test_a_cut_entry_is_refused(data: st.DataObject) -> None:
    raw = encode_events([_EVENT])
    end = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(InvalidInputError):
        decode_events(raw[:end])


def test_what_waits_in_the_stream_is_the_same_to_every_release() -> None:
    entry = (
        b'{"v":1,"events":[{"shop_id":"shop_a","event_id":"id-1","type":"order","visitor":"",'
        b'"occurred_at":"2026-03-02T12:00:00Z","received_at":"2026-03-02T12:00:00Z",'
        b'"day":"2026-03-02","source":"server",'
        b'"items":[{"item_id":"a","quantity":1,"price_minor":250}],"placement":"","arm":"",'
        b'"stratum":0,"slate_id":"","order_id":"","search_term":"","session":"","page":"","bot":""}]}'
    )
    assert encode_events([_EVENT]) == entry
    assert decode_events(entry) == (_EVENT,)


def test_an_entry_of_the_first_release_is_read() -> None:
    body = orjson.loads(encode_events([_EVENT]))
    del body["events"][0]["bot"]
    assert decode_events(orjson.dumps(body)) == (_EVENT,)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(sorted(orjson.loads(encode_events([_EVENT]))["events"][0])), _JSON)
def test_whatever_one_field_holds_the_other_events_are_read(name: str, value: object) -> None:
    body = orjson.loads(encode_events([_EVENT, _EVENT, _EVENT]))
    body["events"][1][name] = value
    events, refused = decode_entry(orjson.dumps(body))
    assert len(events) + len(refused) == 3
    assert events[0] == events[-1] == _EVENT
    for one in refused:
        # What is kept can be read as an entry, once this release is repaired.
        told = orjson.loads(orjson.dumps(body))["events"][1]
        assert orjson.loads(one.payload) == {"v": 1, "events": [told]}


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_an_instant_outside_the_calendar_costs_only_its_event(instant: str) -> None:
    body = orjson.loads(encode_events([_EVENT, _EVENT]))
    body["events"][0]["occurred_at"] = instant
    events, (refused,) = decode_entry(orjson.dumps(body))
    assert events == (_EVENT,)
    assert (refused.shop_id, refused.event_id, refused.code) == ("shop_a", "id-1", "damaged-event")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("v",), 2),
        (("events", 0, "type"), "dance"),
        (("events", 0, "shop_id"), 7),
        (("events", 0, "stratum"), True),
        (("events", 0, "stratum"), 1.0),
        (("events", 0, "day"), "2026-02-30"),
        (("events", 0, "occurred_at"), "2026-03-02T12:00:00"),
        (("events", 0, "items", 0, "price_minor"), 2.5),
        (("events", 0, "items", 0, "price_minor"), "250"),
        (("events", 0, "news"), ""),
        (("events", 0, "items", 0, "news"), ""),
    ],
)
def test_another_form_is_refused(path: tuple[str | int, ...], value: object) -> None:
    body = orjson.loads(encode_events([_EVENT]))
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(InvalidInputError) as caught:
        decode_events(orjson.dumps(body))
    assert caught.value.code == ("damaged-event" if "events" in path else "damaged-entry")


@pytest.mark.parametrize(
    "changes",
    [
        {"page": "lone \ud800 surrogate"},
        {"received_at": dt.datetime(2026, 3, 2)},
    ],
)
def test_what_has_no_exact_form_is_refused_before_it_is_stored(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        encode_events([_changed(**changes)])


def _changed(**changes: object) -> Event:
    return replace(_EVENT, **changes)
