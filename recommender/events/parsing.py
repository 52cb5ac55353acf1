"""Browser JSON → events, or rejections with reasons. Pure.

One faulty element never costs its neighbours: each becomes an `Event` or a `Rejection`.
"""

import datetime as dt
import functools
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from recommender.errors import InvalidInputError
from recommender.events.identity import (
    derived_event_id,
    event_id_of_day,
    partition_days,
    pseudonym,
)
from recommender.events.link_events import LINK_FIELDS, MAX_TOKEN, link_events
from recommender.events.plain_form import (
    MAX_ID,
    MAX_ITEMS,
    MAX_QUANTITY,
    TEXT_LIMITS,
    PlainEvent,
    PlainShared,
    read_plain,
    read_plain_shared,
)
from recommender.events.sender_clock import happened_at, read_instant
from recommender.events.vocabulary import (
    EVENT_NAMES,
    RawEvent,
    Shared,
    item_id_of,
    normalise,
    unpack,
)
from recommender.records import Event, EventItem, EventType, Rejection, Shop, Source
from recommender.shops.money import parse_minor

MAX_BATCH = 500
_NO_TEXTS = dict.fromkeys(TEXT_LIMITS, "")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CACHED_PRICE_LENGTH = 16
# Only these must name an item of the catalogue: a wrong id here would train on nothing.
_CATALOGUE_TYPES = {
    EventType.VIEW_ITEM,
    EventType.ADD_TO_CART,
    EventType.REMOVE_FROM_CART,
    EventType.SELECT_ITEM,
}


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """What became of each element of a request body, in its order.

    Attributes:
        links: Events that the accepted elements imply: keys by which orders find their visitor.
        sent_ids: The sender's own id of an event, by the id under which it is stored, where they
            differ.
    """

    outcomes: tuple[Event | Rejection, ...]
    links: tuple[Event, ...] = ()
    sent_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def events(self) -> tuple[Event, ...]:
        """Return everything that is to be stored."""
        accepted = tuple(outcome for outcome in self.outcomes if isinstance(outcome, Event))
        return accepted + self.links


Assign = Callable[[str], tuple[str, int]]
"""A visitor's own id → arm and stratum."""


def no_arm(_: str) -> tuple[str, int]:
    """Tell of no arm: the sender is not part of an experiment."""
    return "", 0


class _RejectedError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(slots=True)
class _Context:
    """What the events of one batch share, and what was found out for one of them already."""

    shop: Shop
    received_at: dt.datetime
    knows_item: Callable[[str], bool]
    bot: str
    assign: Assign
    shared: Shared
    plain: PlainShared | None
    day_of: Callable[[str], dt.date]
    clock: dt.datetime | None
    visitors: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    links: dict[str, Event] = field(default_factory=dict)
    sent_ids: dict[str, str] = field(default_factory=dict)

    def visitor(self, visitor_id: str) -> tuple[str, str, int]:
        """Return pseudonym, arm and stratum."""
        known = self.visitors.get(visitor_id)
        if known is None:
            arm, stratum = self.assign(visitor_id) if visitor_id else ("", 0)
            known = pseudonym(self.shop.visitor_key, visitor_id), arm, stratum
            self.visitors[visitor_id] = known
        return known

    def sent_at(self, told: object) -> dt.datetime | None:
        """Return the sender's clock, None when it cannot be read: that is worth no event."""
        return self.clock if told is self.shared.sent_at else _read_clock(told)

    def event_id(self, given: str, told_at: dt.datetime) -> str:
        """Return the id that the sender gave, as a UUID."""
        if _UUID.fullmatch(given):
            return given
        try:
            event_id = str(uuid.UUID(given))
        except ValueError:
            event_id = event_id_of_day(given, told_at, self.received_at, self.shop.shop_id)
        self.sent_ids[event_id] = given
        return event_id

    def event(
        self,
        kind: EventType,
        event_id: str,
        occurred_at: dt.datetime,
        items: tuple[EventItem, ...],
        told: PlainEvent,
    ) -> Event:
        """Return the fact that a sender told, of a pseudonym."""
        shared = self.plain or PlainShared()
        visitor, arm, stratum = self.visitor(
            shared.visitor_id if told.visitor_id is None else told.visitor_id
        )
        return Event(
            self.shop.shop_id,
            event_id,
            kind,
            visitor,
            occurred_at,
            self.received_at,
            self.day_of(event_id),
            Source.BROWSER,
            items,
            told.placement,
            arm,
            stratum,
            told.slate_id,
            told.order_id,
            told.search_term,
            shared.session if told.session is None else told.session,
            told.page,
            self.bot,
        )


def _read_clock(told: object) -> dt.datetime | None:
    if not isinstance(told, str | int):
        return None
    try:
        return read_instant(told)
    except ValueError:
        return None


def parse_events(
    document: object,
    *,
    shop: Shop,
    received_at: dt.datetime,
    knows_item: Callable[[str], bool],
    bot: str = "",
    assign: Assign = no_arm,
) -> ParsedBatch:
    """Turn a decoded request body into events and rejections.

    Args:
        document: Decoded JSON in any of the accepted forms.
        shop: The shop of the request's key; nothing in the body can change it.
        received_at: Time of acknowledgement, the truth for billing.
        knows_item: Tells whether the shop's catalogue has an item.
        bot: What `events.bots` says of the sender.
        assign: Tells the arm that a visitor would be in, whether or not recommendations are met:
            from the stored pseudonym nobody could compute it any more.

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
    context = _Context(
        shop,
        received_at,
        knows_item,
        bot,
        assign,
        shared,
        read_plain_shared(document, shared.fields),
        partition_days(received_at),
        _read_clock(shared.sent_at),
    )
    plain = read_plain(elements) if context.plain else [None] * len(elements)
    outcomes = tuple(
        [
            _parse_one(index, element, one, context)
            for index, (element, one) in enumerate(zip(elements, plain, strict=True))
        ]
    )
    return ParsedBatch(outcomes, tuple(context.links.values()), context.sent_ids)


def _parse_one(
    index: int, element: object, plain: PlainEvent | None, context: _Context
) -> Event | Rejection:
    try:
        if plain:
            return _plain_event(plain, context)
        raw = normalise(element, context.shared)
        if raw is None:
            return Rejection(index, "wrong-type", "An event must be a JSON object")
        return _to_event(raw, context)
    except _RejectedError as error:
        return Rejection(index, error.code, str(error), _readable_id(element, context.shared))


def _readable_id(element: object, shared: Shared) -> str:
    raw = normalise(element, shared)
    event_id = raw and raw.fields.get("event_id")
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_ID else ""


def _plain_event(plain: PlainEvent, context: _Context) -> Event:
    kind = _kind(plain.type)
    told_at = _told_at(plain.occurred_at, context.received_at)
    items = _plain_items(plain, context.shop.currency)
    _check_completeness(kind, items, plain.order_id, context)
    event_id = context.event_id(plain.event_id, told_at)
    occurred_at = happened_at(told_at, context.clock, context.received_at)
    return context.event(kind, event_id, occurred_at, items, plain)


def _plain_items(plain: PlainEvent, currency: str) -> tuple[EventItem, ...]:
    if plain.currency is None or plain.currency == currency:
        return tuple(
            [
                EventItem(item.item_id, item.quantity, _price_minor(item.price, currency))
                for item in plain.items
            ]
        )
    return tuple([EventItem(item.item_id, item.quantity) for item in plain.items])


def _to_event(raw: RawEvent, context: _Context) -> Event:
    kind = _kind(raw.name)
    told_at = _told_at(raw.fields.get("occurred_at"), context.received_at)
    texts = _texts(raw.fields)
    items = _parse_items(raw, context)
    _check_completeness(kind, items, texts["order_id"], context)
    event_id = _event_id(raw, told_at, context)
    occurred_at = happened_at(told_at, context.sent_at(raw.sent_at), context.received_at)
    told = PlainEvent(kind, event_id, items=(), **texts)
    event = context.event(kind, event_id, occurred_at, items, told)
    if not LINK_FIELDS.keys().isdisjoint(raw.fields):
        tokens = {name: _text(raw.fields.get(name, ""), name, MAX_TOKEN) for name in LINK_FIELDS}
        for link in link_events(event, tokens, context.shop.visitor_key):
            context.links[link.event_id] = link
    return event


def _texts(fields: Mapping[str, object]) -> dict[str, str]:
    texts = _NO_TEXTS.copy()
    for name, value in fields.items():
        limit = TEXT_LIMITS.get(name)
        if limit is not None:
            texts[name] = _text(value, name, limit)
    return texts


def _kind(name: object) -> EventType:
    if not isinstance(name, str):
        raise _RejectedError("missing-type", "The event has no name")
    kind = EVENT_NAMES.get(name) or EVENT_NAMES.get(name.strip().lower())
    if kind is None:
        raise _RejectedError("unknown-type", f"Events named {name[:60]!r} are not known")
    return kind


def _check_completeness(
    kind: EventType, items: tuple[EventItem, ...], order_id: str, context: _Context
) -> None:
    if kind is EventType.PURCHASE and not order_id:
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


def _event_id(raw: RawEvent, told_at: dt.datetime, context: _Context) -> str:
    given = raw.fields.get("event_id")
    if given is None:
        # Without an id a resend is recognised only when it repeats time and content.
        told = repr(raw.name), repr(sorted(raw.fields.items())), repr(raw.items)
        return derived_event_id(told_at, context.shop.shop_id, *told)
    if not isinstance(given, str) or not 1 <= len(given) <= MAX_ID:
        raise _RejectedError("bad-id", f"event_id is a text of at most {MAX_ID} characters")
    return context.event_id(given, told_at)


def _told_at(value: object, received_at: dt.datetime) -> dt.datetime:
    if value is None:
        return received_at
    try:
        return read_instant(value)
    except ValueError as error:
        raise _RejectedError(
            "bad-time", "occurred_at is an ISO 8601 text or a Unix time that we can read"
        ) from error


def _text(value: object, name: str, limit: int) -> str:
    if type(value) is str and len(value) <= limit and value.isascii() and "\x00" not in value:
        return value
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
    return tuple([_parse_item(item, context.shop.currency, in_shop_currency) for item in raw.items])


def _parse_item(raw: object, currency: str, in_shop_currency: bool) -> EventItem:
    if not isinstance(raw, dict):
        raise _RejectedError("wrong-type", "An item must be a JSON object")
    item_id = item_id_of(raw)
    if item_id is None:
        raise _RejectedError("missing-item", "An item needs item_id")
    item_id = _text(item_id, "item_id", MAX_ID)
    if not item_id:
        raise _RejectedError("missing-item", "item_id must not be empty")
    # A price in another currency is no fact about this shop's prices; the event still counts.
    price_minor = _price_minor(raw.get("price"), currency) if in_shop_currency else None
    return EventItem(item_id, _quantity(raw.get("quantity")), price_minor)


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
    if type(value) is str:
        read = _cached_price if len(value) <= _CACHED_PRICE_LENGTH else _read_price
        return read(value, currency)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _RejectedError("wrong-type", "price must be a number or a decimal text")
    return _cached_price(value, currency)


def _read_price(value: object, currency: str) -> int | None:
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


# A shop has few prices, and exact decimals are slow to read.
_cached_price = functools.lru_cache(maxsize=4096, typed=True)(_read_price)
