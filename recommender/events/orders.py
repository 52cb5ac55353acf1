"""The shop's own word about money: signed orders and refunds → facts, or one clear error. Pure."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping

from recommender.errors import InvalidInputError
from recommender.events.identity import derived_event_id, pseudonym
from recommender.events.link_keys import CART, CHECKOUT, EMAIL, email_sha256, link_key
from recommender.events.order_marks import MAX_MARKS, order_marks
from recommender.events.plain_form import MAX_QUANTITY
from recommender.records import (
    Event,
    EventItem,
    EventType,
    OrderFact,
    OrderKind,
    Shop,
    Source,
)
from recommender.shops.exclusions import MARK_KINDS, plain_mark

MAX_ORDER_ITEMS = 1_000
MAX_NET_MINOR = 10**12
MAX_REVISION = 2**53
MAX_IGNORED = 50
_MAX_NAME = 60
_AHEAD = dt.timedelta(hours=1)
_READ = {
    "cancelled_at",
    "cart_token",
    "checkout_id",
    "currency",
    "customer_id",
    "email",
    "email_sha256",
    "items",
    "marks",
    "net_minor",
    "order_id",
    "order_number",
    "placed_at",
    "refund_id",
    "refunded_at",
    "revision",
    "status",
    "test",
    "visitor_id",
}
_READ_OF_ITEM = {"item_id", "price_minor", "quantity"}


def parse_order(document: object, *, shop: Shop, received_at: dt.datetime) -> OrderFact:
    """Read an order, as told first, edited (higher `revision`) or cancelled.

    Fields: `order_id`, `placed_at`, `currency`, `net_minor`, `items`, `revision`; to find the
    visitor `visitor_id`, `cart_token`, `checkout_id`, `email` or `email_sha256`, `order_number`;
    for the shop's exclusions `customer_id`, `marks` (texts `kind:value`) and `test`.
    A cancelled one (`status`) has `cancelled_at` and needs no amount.

    Raises:
        InvalidInputError: Names the first field that breaks a rule.
    """
    body = _object(document)
    order_id = _id(body, "order_id")
    status = body.get("status", "placed")
    if status == "cancelled":
        body = {"currency": shop.currency, "net_minor": 0, "revision": 1, **body}
        what = (OrderKind.CANCEL, order_id, "cancelled_at")
    elif status == "placed":
        what = (OrderKind.ORDER, order_id, "placed_at")
    else:
        raise InvalidInputError("status is placed or cancelled", code="bad-status")
    return _fact(body, order_id, what, shop, received_at)


def parse_refund(document: object, *, shop: Shop, received_at: dt.datetime) -> OrderFact:
    """Read a refund: `refund_id`, `order_id`, `refunded_at`, `currency`, `net_minor`, `revision`.

    Raises:
        InvalidInputError: Names the first field that breaks a rule.
    """
    body = _object(document)
    what = (OrderKind.REFUND, _id(body, "refund_id"), "refunded_at")
    return _fact(body, _id(body, "order_id"), what, shop, received_at)


def ignored_fields(document: object) -> list[str]:
    """Return the names in an order or refund that are not read, `MAX_IGNORED` at most."""
    body = _object(document)
    ignored = [name for name in body if name not in _READ]
    items = body.get("items")
    for item in items if isinstance(items, list) else []:
        ignored += [f"items.{name}" for name in _object(item) if name not in _READ_OF_ITEM]
    return [name[:_MAX_NAME] for name in dict.fromkeys(ignored)][:MAX_IGNORED]


def order_event(fact: OrderFact, source: Source) -> Event:
    """Return the event that tells training and reports of an order, the same for every resend."""
    event_id = derived_event_id(fact.placed_at, fact.shop_id, "order", fact.fact_id)
    return Event(
        shop_id=fact.shop_id,
        event_id=event_id,
        type=EventType.ORDER,
        visitor=fact.visitor,
        occurred_at=fact.placed_at,
        received_at=fact.received_at,
        # An order is resent for days with the same id: its day must not depend on the receipt.
        day=fact.placed_at.date(),
        source=source,
        items=fact.items,
        order_id=fact.order_id,
    )


def _fact(
    body: Mapping[str, object],
    order_id: str,
    what: tuple[OrderKind, str, str],
    shop: Shop,
    received_at: dt.datetime,
) -> OrderFact:
    kind, fact_id, time_field = what
    if body.get("currency") != shop.currency:
        raise InvalidInputError(
            f"currency must be the shop's, {shop.currency}", code="wrong-currency"
        )
    email = _text(body, "email_sha256", 64) or email_sha256(_text(body, "email", 320))
    return OrderFact(
        shop_id=shop.shop_id,
        kind=kind,
        fact_id=fact_id,
        order_id=order_id,
        net_minor=_minor(body, "net_minor", MAX_NET_MINOR),
        currency=shop.currency,
        placed_at=_instant(body, time_field, received_at),
        received_at=received_at,
        visitor=pseudonym(shop.visitor_key, _text(body, "visitor_id", 100)),
        body_hash=_hash(body),
        items=_items(body.get("items", [])),
        revision=_whole(body, "revision", 0, MAX_REVISION),
        order_number=_text(body, "order_number", 120),
        cart_key=link_key(shop.visitor_key, CART, _text(body, "cart_token", 200)),
        checkout_key=link_key(shop.visitor_key, CHECKOUT, _text(body, "checkout_id", 200)),
        email_key=link_key(shop.visitor_key, EMAIL, email),
        marks=order_marks(
            shop.visitor_key,
            _marks(body.get("marks", [])),
            customer_id=_customer(body),
            is_test=_truth(body, "test"),
        ),
    )


def _object(document: object) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise InvalidInputError("The body must be a JSON object", code="wrong-type")
    return document


def _hash(body: Mapping[str, object]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _id(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 120 or "\x00" in value:
        raise InvalidInputError(
            f"{name} must be a text of 1 to 120 characters", code=f"bad-{name.replace('_', '-')}"
        )
    return value


def _text(body: Mapping[str, object], name: str, limit: int) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str) or len(value) > limit or "\x00" in value:
        raise InvalidInputError(f"{name} must be a text of at most {limit} characters")
    return value


def _marks(raw: object) -> list[str]:
    if not isinstance(raw, list) or len(raw) > MAX_MARKS:
        raise InvalidInputError(f"marks must be a list of at most {MAX_MARKS}", code="wrong-type")
    wrong = [mark for mark in raw if not isinstance(mark, str) or not plain_mark(mark)]
    if wrong:
        raise InvalidInputError(
            f"a mark is kind:value, with the kind {', '.join(MARK_KINDS)}", code="bad-mark"
        )
    return raw


def _customer(body: Mapping[str, object]) -> str:
    told = body.get("customer_id")
    if isinstance(told, int) and not isinstance(told, bool):
        return str(told)[:100]
    return _text(body, "customer_id", 100)


def _truth(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} is true or false", code="wrong-type")
    return value


def _minor(body: Mapping[str, object], name: str, limit: int) -> int:
    if body.get(name) is None:
        raise InvalidInputError(f"{name} must be a whole number of minor units", code="wrong-type")
    return _whole(body, name, 0, limit)


def _whole(body: Mapping[str, object], name: str, default: int, limit: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{name} must be a whole number", code="wrong-type")
    if not 0 <= value <= limit:
        of_amount = "negative-price" if value < 0 else "amount-too-large"
        code = "bad-revision" if name == "revision" else of_amount
        raise InvalidInputError(f"{name} must lie between 0 and {limit}", code=code)
    return value


def _instant(body: Mapping[str, object], name: str, received_at: dt.datetime) -> dt.datetime:
    value = body.get(name)
    if not isinstance(value, str):
        raise InvalidInputError(f"{name} must be an ISO 8601 time", code="bad-time")
    try:
        told = dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInputError(f"{name} must be an ISO 8601 time", code="bad-time") from error
    if told.tzinfo is None:
        raise InvalidInputError(f"{name} must say its time zone", code="bad-time")
    if told > received_at + _AHEAD:
        raise InvalidInputError(f"{name} lies in the future", code="bad-time")
    return told.astimezone(dt.UTC)


def _items(raw: object) -> tuple[EventItem, ...]:
    if not isinstance(raw, list) or len(raw) > MAX_ORDER_ITEMS:
        raise InvalidInputError(
            f"items must be a list of at most {MAX_ORDER_ITEMS}", code="wrong-type"
        )
    return tuple(_item(element) for element in raw)


def _item(raw: object) -> EventItem:
    body = _object(raw)
    item_id = body.get("item_id")
    if not isinstance(item_id, str) or not 1 <= len(item_id) <= 100:
        raise InvalidInputError("item_id must be a text of 1 to 100 characters", code="bad-item-id")
    quantity = body.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise InvalidInputError("quantity must be a whole number", code="bad-quantity")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInputError(
            f"quantity must lie between 1 and {MAX_QUANTITY}", code="bad-quantity"
        )
    price = None if body.get("price_minor") is None else _minor(body, "price_minor", MAX_NET_MINOR)
    return EventItem(item_id, quantity, price)
