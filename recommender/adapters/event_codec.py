"""Events as bytes of a stream entry, and back.

One JSON object with a version, so that a reader of another release refuses what it does not
understand instead of guessing. Must not know the stream.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from recommender.errors import InvalidInputError
from recommender.ports import RefusedEvent
from recommender.records import ADDED_FIELDS, Event, EventItem, EventType, Source

VERSION = 1

_FIELDS = frozenset(Event.__struct_fields__)
_ITEM_FIELDS = frozenset(EventItem.__struct_fields__)
_TEXTS = (
    "shop_id",
    "event_id",
    "visitor",
    "placement",
    "arm",
    "slate_id",
    "order_id",
    "search_term",
    "session",
    "page",
    "bot",
)
# What waits in the stream while a new release starts lacks the fields that came with it.
_ADDED = dict.fromkeys(ADDED_FIELDS, "")

_encode = msgspec.json.Encoder().encode


def encode_events(events: Sequence[Event]) -> bytes:
    """Return the bytes that hold `events`.

    Raises:
        InvalidInputError: A value has no exact form as JSON, or a time no time zone.
    """
    for event in events:
        if event.occurred_at.tzinfo is None or event.received_at.tzinfo is None:
            raise InvalidInputError("an event's time has no time zone", code="event-unstorable")
    try:
        return _encode({"v": VERSION, "events": events})
    except (UnicodeEncodeError, OverflowError, TypeError) as error:
        raise InvalidInputError(
            f"an event cannot be stored: {error}", code="event-unstorable"
        ) from error


def decode_events(raw: bytes) -> tuple[Event, ...]:
    """Return the events in `raw`, exactly as they were encoded.

    Raises:
        InvalidInputError: The bytes are not what `encode_events` makes.
    """
    events, refused = decode_entry(raw)
    if refused:
        raise InvalidInputError(refused[0].detail, code=refused[0].code)
    return events


def decode_entry(raw: bytes) -> tuple[tuple[Event, ...], tuple[RefusedEvent, ...]]:
    """Return the readable events in `raw`, and what is wrong with the others.

    Raises:
        InvalidInputError: Nothing of it can be read.
    """
    try:
        body = orjson.loads(raw)
        if not isinstance(body, dict) or body.get("v") != VERSION:
            raise ValueError(f"not a version {VERSION} entry")
        told = body["events"]
        if not isinstance(told, list):
            raise TypeError("events are no list")
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"unreadable entry: {error}", code="damaged-entry") from error
    events, refused = [], []
    for one in told:
        try:
            events.append(_event(one))
        except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError) as error:
            refused.append(_refused(one, str(error)))
    return tuple(events), tuple(refused)


def _refused(told: Any, detail: str) -> RefusedEvent:
    named = told if isinstance(told, dict) else {}
    shop_id, event_id = named.get("shop_id"), named.get("event_id")
    return RefusedEvent(
        shop_id if isinstance(shop_id, str) else "",
        event_id if isinstance(event_id, str) else "",
        "damaged-event",
        f"unreadable event: {detail}",
        orjson.dumps({"v": VERSION, "events": [told]}),
    )


def _event(told: Mapping[str, Any]) -> Event:
    told = {**_ADDED, **told}
    if told.keys() != _FIELDS:
        raise ValueError(f"fields differ: {sorted(told.keys() ^ _FIELDS)}")
    return Event(
        type=EventType(told["type"]),
        source=Source(told["source"]),
        occurred_at=_instant(told["occurred_at"]),
        received_at=_instant(told["received_at"]),
        day=dt.date.fromisoformat(told["day"]),
        items=tuple(_item(item) for item in told["items"]),
        stratum=_whole(told["stratum"]),
        **{name: _text(told[name]) for name in _TEXTS},
    )


def _item(told: Mapping[str, Any]) -> EventItem:
    if told.keys() != _ITEM_FIELDS:
        raise ValueError(f"item fields differ: {sorted(told.keys() ^ _ITEM_FIELDS)}")
    price = told["price_minor"]
    return EventItem(
        item_id=_text(told["item_id"]),
        quantity=_whole(told["quantity"]),
        price_minor=None if price is None else _whole(price),
    )


def _instant(value: str) -> dt.datetime:
    instant = dt.datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError(f"time without zone: {value}")
    return instant.astimezone(dt.UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.50}")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"not a whole number: {value!r:.50}")
    return value
