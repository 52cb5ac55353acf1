"""Events survive the stream exactly, and nothing else is taken for an event."""

import datetime as dt

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.adapters.event_codec import decode_events, encode_events
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
    assert caught.value.code == "damaged-entry"


@pytest.mark.parametrize(
    "changes",
    [
        {"page": "lone \ud800 surrogate"},
        {"stratum": 2**70},
        {"received_at": dt.datetime(2026, 3, 2)},
    ],
)
def test_what_has_no_exact_form_is_refused_before_it_is_stored(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        encode_events([_changed(**changes)])


def _changed(**changes: object) -> Event:
    import dataclasses

    return dataclasses.replace(_EVENT, **changes)  # type: ignore[arg-type]
