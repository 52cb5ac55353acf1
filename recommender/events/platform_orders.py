"""What the readers of all platforms share: exact money, ids, times, keys, and one fact. Pure.

In come values as platforms write them (numbers as texts, dates without a zone, absent as null,
empty or 0); out go the values of an `OrderFact`, or one clear error.
"""

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from recommender.errors import InvalidInputError
from recommender.events.identity import pseudonym
from recommender.events.link_keys import CART, CHECKOUT, EMAIL, email_sha256, link_key
from recommender.events.order_marks import order_marks
from recommender.events.orders import MAX_NET_MINOR, MAX_ORDER_ITEMS
from recommender.events.plain_form import MAX_QUANTITY
from recommender.records import EventItem, OrderFact, OrderKind, Shop
from recommender.shops.money import parse_decimal, round_minor
from recommender.shops.webhooks import ItemField

VISITOR_NAMES = ("recommender_visitor", "_recommender_visitor", "rcm_vid")
"""Under these a shop keeps the visitor's id with the order."""
CART_NAMES = ("recommender_cart", "_recommender_cart")
TEST_NAMES = ("recommender_test", "_recommender_test")
"""A shop marks with these an order of its own people, or one that tries out the checkout."""
_NO_DATE = "0000-00-00"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delivery:
    """For whom and how a platform's message is read.

    Attributes:
        topic: What the platform says the message is about; not signed, so it only filters.
        item_field: Which of the platform's ids are the shop's item ids.
    """

    shop: Shop
    topic: str
    received_at: dt.datetime
    item_field: ItemField = ItemField.PRODUCT


@dataclass(frozen=True, slots=True)
class Details:
    """What an order tells beside money: what was bought, by whom and how, as told.

    Attributes:
        marks: `kind:value` each; see `shops.exclusions`.
    """

    items: tuple[EventItem, ...] = ()
    order_number: str = ""
    visitor_id: str = ""
    cart_token: str = ""
    checkout_id: str = ""
    email: str = ""
    customer_id: str = ""
    marks: tuple[str, ...] = ()
    is_test: bool = False


def make_fact(
    delivery: Delivery,
    kind: OrderKind,
    fact_id: str,
    order_id: str,
    *,
    net: Decimal,
    placed_at: dt.datetime,
    revision: int,
    details: Details = Details(),
) -> OrderFact:
    """Return a fact; its hash covers what it states about money, and nothing of the shopper."""
    shop = delivery.shop
    net_minor = max(0, round_minor(net, shop.currency))
    if net_minor > MAX_NET_MINOR:
        raise InvalidInputError("the amount is too large to be meant", code="amount-too-large")
    words = (kind.value, fact_id, order_id, str(net_minor), placed_at.isoformat(), shop.currency)
    key = shop.visitor_key
    return OrderFact(
        shop_id=shop.shop_id,
        kind=kind,
        fact_id=fact_id,
        order_id=order_id,
        net_minor=net_minor,
        currency=shop.currency,
        placed_at=placed_at,
        received_at=delivery.received_at,
        visitor=pseudonym(key, details.visitor_id[:100]),
        body_hash=hashlib.sha256("\x1e".join(words).encode()).hexdigest(),
        items=details.items,
        revision=revision,
        order_number=details.order_number[:120],
        cart_key=link_key(key, CART, details.cart_token[:200]),
        checkout_key=link_key(key, CHECKOUT, details.checkout_id[:200]),
        email_key=link_key(key, EMAIL, email_sha256(details.email[:320])),
        marks=order_marks(
            key, details.marks, customer_id=details.customer_id[:100], is_test=details.is_test
        ),
    )


def as_object(value: object, name: str = "The body") -> Json:
    """Return a JSON object.

    Raises:
        InvalidInputError: `wrong-type`.
    """
    if not isinstance(value, dict):
        raise InvalidInputError(f"{name} must be a JSON object", code="wrong-type")
    return value


def objects(body: Json, name: str) -> Iterator[Json]:
    """Yield the JSON objects of a list; none where it is absent."""
    value = body.get(name)
    # PHP writes an empty list of named things as an empty text.
    if value in (None, "", {}):
        return
    if not isinstance(value, list) or len(value) > MAX_ORDER_ITEMS:
        raise InvalidInputError(
            f"{name} must be a list of at most {MAX_ORDER_ITEMS}", code="wrong-type"
        )
    for element in value:
        yield as_object(element, name)


def text(body: Json, *names: str) -> str:
    """Return the first value that is there as a text; a number counts as its digits."""
    for name in names:
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip() and "\x00" not in value:
            return value.strip()
    return ""


def known_id(body: Json, *names: str) -> str:
    """Return an id; 0 is a platform's word for none.

    Raises:
        InvalidInputError: `bad-order-id`.
    """
    value = text(body, *names)
    if not 1 <= len(value) <= 120 or value == "0":
        raise InvalidInputError(f"{names[0]} is missing", code="bad-order-id")
    return value


def amount(body: Json, *names: str) -> Decimal:
    """Return the first amount that is there, exactly; 0 where none is.

    Raises:
        InvalidInputError: `bad-amount`.
    """
    for name in names:
        value = body.get(name)
        if value is not None and value != "":
            return parse_decimal(value)
    return Decimal(0)


def needed_amount(body: Json, name: str) -> Decimal:
    """Return an amount that must be there.

    Raises:
        InvalidInputError: `bad-amount`.
    """
    if body.get(name) in (None, ""):
        raise InvalidInputError(f"{name} is missing", code="bad-amount")
    return amount(body, name)


def check_currency(told: str, shop: Shop) -> None:
    """Refuse an order in another currency than the shop's.

    Raises:
        InvalidInputError: `wrong-currency`.
    """
    if told.upper() != shop.currency:
        raise InvalidInputError(
            f"the order is in {told[:10] or 'no currency'}, the shop in {shop.currency}",
            code="wrong-currency",
        )


def instant(body: Json, *names: str, zone: str = "UTC") -> dt.datetime:
    """Return the first time that is there.

    Args:
        body: Where it stands.
        names: Fields to look at, in order.
        zone: Time zone of a time that names none.

    Raises:
        InvalidInputError: `bad-time`.
    """
    told = text(body, *names)
    try:
        if not told or told.startswith(_NO_DATE):
            raise ValueError(told)
        at = dt.datetime.fromisoformat(told)
        at = at if at.tzinfo else at.replace(tzinfo=zoneinfo.ZoneInfo(zone))
        return at.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"{names[0]} is not a time", code="bad-time") from error


def revision_of(at: dt.datetime) -> int:
    """Return the revision of a state by the instant of its last change: microseconds of 1970."""
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def item(
    line: Json, ids: Mapping[ItemField, str], field: ItemField, price: Decimal, currency: str
) -> Iterator[EventItem]:
    """Yield a line as an item; nothing for what is no item of the catalogue.

    Args:
        ids: The line's name of each kind of id.
        price: Of one unit, net.
    """
    # What has no variant is sold as the product itself.
    told = [text(line, ids[field]), text(line, ids[ItemField.PRODUCT])]
    item_id = next((one for one in told if one not in {"", "0"}), "")
    pieces = quantity(line)
    if item_id and len(item_id) <= 100 and pieces:
        price_minor = max(0, round_minor(price, currency))
        yield EventItem(item_id, max(1, min(int(pieces), MAX_QUANTITY)), price_minor)


def quantity(line: Json) -> Decimal:
    """Return how many pieces a line has; 0 where it does not say, or says nonsense."""
    try:
        return max(Decimal(0), amount(line, "quantity", "product_quantity"))
    except InvalidInputError:
        return Decimal(0)


def unit_price(paid: Decimal, line: Json) -> Decimal:
    """Return what one piece of a line costs."""
    return paid / (quantity(line) or 1)


def noted(notes: Mapping[str, str], wanted: Sequence[str]) -> str:
    """Return the first of the wanted notes that an order carries."""
    return next((notes[name] for name in wanted if notes.get(name)), "")


def marked(kind: str, values: Iterable[str]) -> Iterator[str]:
    """Yield marks of one kind."""
    yield from (f"{kind}:{value}" for value in values if value.strip())
