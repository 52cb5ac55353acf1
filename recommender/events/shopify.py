"""Shopify's webhooks → statements about an order. Pure.

Source: shopify.dev, REST Order and Refund resources, as webhooks send them. Every `orders/…`
message is the order's whole state, so its revision is `updated_at`. The net amount is
`subtotal_price` (after discounts, before returns, without shipping), less the goods' part of the
tax where prices include it, less gift cards, which are money for later.
"""

from collections.abc import Iterator
from decimal import Decimal

from recommender.events.platform_orders import (
    CART_NAMES,
    TEST_NAMES,
    VISITOR_NAMES,
    Delivery,
    Details,
    Json,
    amount,
    as_object,
    check_currency,
    instant,
    item,
    known_id,
    make_fact,
    marked,
    needed_amount,
    noted,
    objects,
    quantity,
    revision_of,
    text,
    unit_price,
)
from recommender.records import EventItem, OrderFact, OrderKind
from recommender.shops.webhooks import ItemField

_IDS = {ItemField.PRODUCT: "product_id", ItemField.VARIANT: "variant_id", ItemField.SKU: "sku"}
_STATES = {"orders/create", "orders/paid", "orders/updated", "orders/cancelled", "orders/fulfilled"}
_STATES |= {"orders/partially_fulfilled"}


def read_shopify(document: object, delivery: Delivery) -> tuple[OrderFact, ...]:
    """Return what a message states; nothing for a topic that states nothing.

    `orders/edited` lists only what changed; the `orders/updated` that follows it has the amounts.

    Raises:
        InvalidInputError: Names what is missing or wrong.
    """
    body = as_object(document)
    if delivery.topic == "refunds/create":
        return (_refund(body, known_id(body, "order_id"), None, delivery),)
    if delivery.topic not in _STATES:
        return ()
    return tuple(_state(body, delivery))


def _state(body: Json, delivery: Delivery) -> Iterator[OrderFact]:
    check_currency(text(body, "currency"), delivery.shop)
    order_id, revision = known_id(body, "id"), revision_of(instant(body, "updated_at"))
    includes_tax = body.get("taxes_included") is True
    yield make_fact(
        delivery,
        OrderKind.ORDER,
        order_id,
        order_id,
        net=_net(body, includes_tax=includes_tax),
        placed_at=instant(body, "created_at"),
        revision=revision,
        details=_details(body, tuple(_items(body, delivery, includes_tax=includes_tax))),
    )
    if text(body, "cancelled_at"):
        yield make_fact(
            delivery,
            OrderKind.CANCEL,
            order_id,
            order_id,
            net=Decimal(0),
            placed_at=instant(body, "cancelled_at"),
            revision=revision,
        )
    for refund in objects(body, "refunds"):
        yield _refund(refund, order_id, includes_tax, delivery)


def _net(body: Json, *, includes_tax: bool) -> Decimal:
    net = needed_amount(body, "subtotal_price")
    if includes_tax:
        on_shipping = sum((_tax(line) for line in objects(body, "shipping_lines")), Decimal(0))
        net -= amount(body, "total_tax") - on_shipping
    cards = (_paid(line) for line in objects(body, "line_items") if line.get("gift_card") is True)
    return net - sum(cards, Decimal(0))


def _tax(line: Json) -> Decimal:
    return sum((amount(tax, "price") for tax in objects(line, "tax_lines")), Decimal(0))


def _paid(line: Json) -> Decimal:
    """Return what a line costs after its discounts."""
    full = amount(line, "price") * quantity(line)
    allocations = [amount(part, "amount") for part in objects(line, "discount_allocations")]
    return full - (sum(allocations, Decimal(0)) or amount(line, "total_discount"))


def _items(body: Json, delivery: Delivery, *, includes_tax: bool) -> Iterator[EventItem]:
    for line in objects(body, "line_items"):
        net = _paid(line) - (_tax(line) if includes_tax else 0)
        price = unit_price(net, line)
        yield from item(line, _IDS, delivery.item_field, price, delivery.shop.currency)


def _marks(body: Json) -> Iterator[str]:
    codes = [text(code, "code") for code in objects(body, "discount_codes")]
    yield from marked("tag", text(body, "tags").split(","))
    yield from marked("discount", codes)
    yield from marked("gateway", _gateways(body))
    yield from marked("source", [text(body, "source_name")])


def _gateways(body: Json) -> list[str]:
    named = body.get("payment_gateway_names")
    listed = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    return listed or [text(body, "gateway")]


def _notes(body: Json) -> dict[str, str]:
    return {text(note, "name"): text(note, "value") for note in objects(body, "note_attributes")}


def _details(body: Json, items: tuple[EventItem, ...]) -> Details:
    notes, customer = _notes(body), body.get("customer")
    return Details(
        items=items,
        order_number=text(body, "name"),
        visitor_id=noted(notes, VISITOR_NAMES),
        cart_token=noted(notes, CART_NAMES) or text(body, "cart_token"),
        checkout_id=text(body, "checkout_token", "checkout_id"),
        email=text(body, "email", "contact_email"),
        customer_id=text(customer, "id") if isinstance(customer, dict) else "",
        marks=tuple(_marks(body)),
        is_test=body.get("test") is True or bool(noted(notes, TEST_NAMES)),
    )


def _refund(body: Json, order_id: str, includes_tax: bool | None, delivery: Delivery) -> OrderFact:
    """Return a refund; told within its order it counts over the message of its own.

    Args:
        includes_tax: Whether the order's prices do; None when the message does not say.
    """
    lines = list(objects(body, "refund_line_items"))
    goods = sum((amount(line, "subtotal") for line in lines), Decimal(0))
    tax = sum((amount(line, "total_tax") for line in lines), Decimal(0))
    kept = _kept(body)
    is_told = includes_tax is not None
    if includes_tax is None:
        includes_tax = _paid_back(body) == goods - kept
    return make_fact(
        delivery,
        OrderKind.REFUND,
        known_id(body, "id"),
        order_id,
        net=goods - (tax if includes_tax else 0) - kept,
        placed_at=instant(body, "processed_at", "created_at"),
        revision=int(is_told),
    )


def _kept(body: Json) -> Decimal:
    """Return by how much less was paid back than the goods cost; below 0 for more."""
    return sum(
        (
            amount(adjustment, "amount")
            for adjustment in objects(body, "order_adjustments")
            if text(adjustment, "kind") == "refund_discrepancy"
        ),
        Decimal(0),
    )


def _paid_back(body: Json) -> Decimal:
    """Return the money that went back for goods: all that was paid back less shipping."""
    money = sum(
        (
            amount(payment, "amount")
            for payment in objects(body, "transactions")
            if text(payment, "kind") == "refund" and text(payment, "status") == "success"
        ),
        Decimal(0),
    )
    for adjustment in objects(body, "order_adjustments"):
        if text(adjustment, "kind") == "shipping_refund":
            money += amount(adjustment, "amount") + amount(adjustment, "tax_amount")
    return money
