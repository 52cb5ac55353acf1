"""Browser JSON → events, or rejections with reasons. Pure.

One faulty element never costs its neighbours: each becomes an `Event` or a `Rejection`.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recommender.errors import InvalidInputError
from recommender.events.identity import (
    AHEAD_LIMIT,
    LATE_LIMIT,
    derived_event_id,
    partition_day,
    pseudonym,
)
from recommender.events.vocabulary import EVENT_NAMES, RawEvent, item_field, normalise, unpack
from recommender.records import Event, EventItem, EventType, Rejection, Shop, Source
from recommender.shops.money import parse_minor

MAX_BATCH = 500
MAX_ITEMS = 200
MAX_QUANTITY = 100_000
MAX_ID = 100
_TEXT_LIMITS = {"session": 64, "order_id": 120, "search_term": 200, "placement": 40, "page": 500}
# Only these must name an item of the catalogue: a wrong id here would train on nothing.
_CATALOGUE_TYPES = {
    EventType.VIEW_ITEM,
    EventType.ADD_TO_CART,
    EventType.REMOVE_FROM_CART,
    EventType.SELECT_ITEM,
}


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """What became of each element of a request body, in its order."""

    outcomes: tuple[Event | Rejection, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Event))


class _RejectedError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Context:
    shop: Shop
    received_at: dt.datetime
    knows_item: Callable[[str], bool]


def parse_events(
    document: object,
    *,
    shop: Shop,
    received_at: dt.datetime,
    knows_item: Callable[[str], bool],
) -> ParsedBatch:
    """Turn a decoded request body into events and rejections.

    Args:
        document: Decoded JSON in any of the accepted forms.
        shop: The shop of the request's key; nothing in the body can change it.
        received_at: Time of acknowledgement, the truth for billing.
        knows_item: Tells whether the shop's catalogue has an item.

    Raises:
        InvalidInputError: The body as a whole is no batch of events, or has too many.
    """
    unpacked = unpack(document)
    if unpacked is None:
        raise InvalidInputError(
            "The body must be an event, a list of events, or an object with 'events'",
            code="not-a-batch",
        )
    elements, shared = unpacked
    if not 1 <= len(elements) <= MAX_BATCH:
        raise InvalidInputError(
            f"A batch has 1 to {MAX_BATCH} events, this one {len(elements)}", code="batch-size"
        )
    context = _Context(shop, received_at, knows_item)
    return ParsedBatch(
        tuple(_parse_one(index, element, shared, context) for index, element in enumerate(elements))
    )


def _parse_one(
    index: int, element: object, shared: Mapping[str, object], context: _Context
) -> Event | Rejection:
    raw = normalise(element, shared)
    if raw is None:
        return Rejection(index, "wrong-type", "An event must be a JSON object")
    event_id = raw.fields.get("event_id")
    try:
        return _to_event(raw, context)
    except _RejectedError as error:
        readable = event_id if isinstance(event_id, str) and len(event_id) <= MAX_ID else ""
        return Rejection(index, error.code, str(error), readable)


def _to_event(raw: RawEvent, context: _Context) -> Event:
    kind = _kind(raw.name)
    occurred_at = _occurred_at(raw.fields.get("occurred_at"), context.received_at)
    texts = {name: _text(raw.fields, name, limit) for name, limit in _TEXT_LIMITS.items()}
    visitor_id = _text(raw.fields, "visitor_id", MAX_ID)
    items = _parse_items(raw, context)
    _check_completeness(kind, items, texts, context)
    event_id = _event_id(raw, occurred_at, context.shop.shop_id)
    return Event(
        shop_id=context.shop.shop_id,
        event_id=event_id,
        type=kind,
        visitor=pseudonym(context.shop.visitor_key, visitor_id),
        occurred_at=occurred_at,
        received_at=context.received_at,
        day=partition_day(event_id, context.received_at),
        source=Source.BROWSER,
        items=items,
        slate_id=_text(raw.fields, "slate_id", MAX_ID),
        session=texts["session"],
        order_id=texts["order_id"],
        search_term=texts["search_term"],
        placement=texts["placement"],
        page=texts["page"],
    )


def _kind(name: object) -> EventType:
    if not isinstance(name, str):
        raise _RejectedError("missing-type", "The event has no name")
    kind = EVENT_NAMES.get(name) or EVENT_NAMES.get(name.strip().lower())
    if kind is None:
        raise _RejectedError("unknown-type", f"Events named {name[:60]!r} are not known")
    return kind


def _check_completeness(
    kind: EventType, items: tuple[EventItem, ...], texts: Mapping[str, str], context: _Context
) -> None:
    if kind is EventType.PURCHASE and not texts["order_id"]:
        raise _RejectedError("missing-order", "A purchase names its order (transaction_id)")
    if kind not in _CATALOGUE_TYPES:
        return
    if not items:
        raise _RejectedError("missing-item", f"{kind.value} names at least one item")
    for item in items:
        if not context.knows_item(item.item_id):
            raise _RejectedError(
                "unknown-item", f"Item {item.item_id!r} is not in the shop's catalogue"
            )


def _event_id(raw: RawEvent, occurred_at: dt.datetime, shop_id: str) -> str:
    given = raw.fields.get("event_id")
    if given is None:
        # Without an id a resend is recognised only when it repeats time and content.
        return derived_event_id(
            occurred_at, shop_id, repr(raw.name), repr(raw.fields), repr(raw.items)
        )
    if not isinstance(given, str) or not 1 <= len(given) <= MAX_ID:
        raise _RejectedError("bad-id", f"event_id is a text of at most {MAX_ID} characters")
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return derived_event_id(occurred_at, shop_id, given)


def _occurred_at(value: object, received_at: dt.datetime) -> dt.datetime:
    """Read the sender's clock and clamp it: never ahead of us, never older than the limit."""
    if value is None:
        return received_at
    told = _instant(value)
    if told > received_at + AHEAD_LIMIT:
        return received_at
    return max(min(told, received_at), received_at - LATE_LIMIT)


def _instant(value: object) -> dt.datetime:
    try:
        if isinstance(value, str) and not value.isdigit():
            told = dt.datetime.fromisoformat(value)
            return told if told.tzinfo else told.replace(tzinfo=dt.UTC)
        if isinstance(value, int | str) and not isinstance(value, bool):
            number = int(value)
            # Seconds, milliseconds or microseconds: told apart by their size since 1973.
            scale = 1 if number < 10**11 else 10**3 if number < 10**14 else 10**6
            return dt.datetime.fromtimestamp(number / scale, tz=dt.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _RejectedError("bad-time", "occurred_at is not a time we can read") from error
    raise _RejectedError("bad-time", "occurred_at is an ISO 8601 text or a Unix time")


def _text(fields: Mapping[str, object], name: str, limit: int) -> str:
    value = fields.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _RejectedError("wrong-type", f"{name} must be a text")
    if len(value) > limit or "\x00" in value or not _encodable(value):
        raise _RejectedError("bad-text", f"{name} has at most {limit} characters of valid Unicode")
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_items(raw: RawEvent, context: _Context) -> tuple[EventItem, ...]:
    if not isinstance(raw.items, list | tuple):
        raise _RejectedError("wrong-type", "items must be a list")
    if len(raw.items) > MAX_ITEMS:
        raise _RejectedError("too-many-items", f"An event has at most {MAX_ITEMS} items")
    currency = raw.fields.get("currency", context.shop.currency)
    in_shop_currency = currency == context.shop.currency
    return tuple(_parse_item(item, context.shop.currency, in_shop_currency) for item in raw.items)


def _parse_item(raw: object, currency: str, in_shop_currency: bool) -> EventItem:
    if not isinstance(raw, dict):
        raise _RejectedError("wrong-type", "An item must be a JSON object")
    item_id = item_field(raw, "item_id")
    if item_id is None:
        raise _RejectedError("missing-item", "An item needs item_id")
    item_id = _text({"item_id": item_id}, "item_id", MAX_ID)
    if not item_id:
        raise _RejectedError("missing-item", "item_id must not be empty")
    price = item_field(raw, "price")
    # A price in another currency is no fact about this shop's prices; the event still counts.
    price_minor = _price_minor(price, currency) if in_shop_currency else None
    return EventItem(item_id, _quantity(item_field(raw, "quantity")), price_minor)


def _quantity(value: object) -> int:
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RejectedError("wrong-type", "quantity must be a whole number")
    if not 1 <= value <= MAX_QUANTITY:
        raise _RejectedError("bad-quantity", f"quantity must lie between 1 and {MAX_QUANTITY}")
    return value


def _price_minor(value: object, currency: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _RejectedError("wrong-type", "price must be a number or a decimal text")
    try:
        price_minor = parse_minor(value, currency)
    except InvalidInputError as error:
        if error.code == "too-many-decimals":
            # A browser's computed price (2.3333) is no exact fact; the event still counts.
            return None
        raise _RejectedError("bad-price", str(error)) from error
    if price_minor < 0:
        raise _RejectedError("negative-price", "price must not be negative")
    return price_minor
