"""WooCommerce's webhooks → statements about an order. Pure.

Source: developer.woocommerce.com, REST API v3, Order, as webhooks send it. Every message is the
order's whole state, so its revision is `date_modified_gmt`. The net amount is `total` less all tax
and less `shipping_total`. A refund is told only with what was paid back in all, tax and shipping
within: its net part is taken in the order's own proportion, so that a full refund leaves exactly
nothing. `cart_hash` names the cart's contents, not the cart: it links nobody.
"""

import datetime as dt
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
    revision_of,
    text,
    unit_price,
)
from recommender.records import EventItem, OrderFact, OrderKind
from recommender.shops.money import exponent, round_minor
from recommender.shops.webhooks import ItemField

_IDS = {ItemField.PRODUCT: "product_id", ItemField.VARIANT: "variation_id", ItemField.SKU: "sku"}
_TOPICS = {"order.created", "order.updated", "order.restored"}
_VOID = {"pending", "failed", "cancelled", "trash", "checkout-draft", "auto-draft"}


def read_woocommerce(document: object, delivery: Delivery) -> tuple[OrderFact, ...]:
    """Return what a message states; nothing for a topic that states nothing.

    Raises:
        InvalidInputError: Names what is missing or wrong.
    """
    body = as_object(document)
    if delivery.topic not in _TOPICS:
        return ()
    return tuple(_state(body, delivery))


def _state(body: Json, delivery: Delivery) -> Iterator[OrderFact]:
    check_currency(text(body, "currency"), delivery.shop)
    order_id = known_id(body, "id")
    changed_at = _instant(body, "date_modified", delivery)
    total = needed_amount(body, "total")
    net = total - amount(body, "total_tax") - amount(body, "shipping_total")
    yield make_fact(
        delivery,
        OrderKind.ORDER,
        order_id,
        order_id,
        net=net,
        placed_at=_instant(body, "date_created", delivery),
        revision=revision_of(changed_at),
        details=_details(body, tuple(_items(body, delivery))),
    )
    if text(body, "status") in _VOID:
        yield make_fact(
            delivery,
            OrderKind.CANCEL,
            order_id,
            order_id,
            net=Decimal(0),
            placed_at=changed_at,
            revision=revision_of(changed_at),
        )
    share = net / total if total > 0 else Decimal(0)
    yield from _refunds(body, order_id, net, share, delivery)


def _refunds(
    body: Json, order_id: str, net: Decimal, share: Decimal, delivery: Delivery
) -> Iterator[OrderFact]:
    changed_at = _instant(body, "date_modified", delivery)
    currency = delivery.shop.currency
    gross, counted_minor = Decimal(0), 0
    for refund in sorted(objects(body, "refunds"), key=_by_id):
        gross += abs(amount(refund, "total"))
        # Each is what all so far come to less what the earlier ones did: no cent is left over.
        until_now = min(round_minor(net, currency), round_minor(gross * share, currency))
        yield make_fact(
            delivery,
            OrderKind.REFUND,
            known_id(refund, "id"),
            order_id,
            net=Decimal(until_now - counted_minor).scaleb(-exponent(currency)),
            # The order does not say when it was. Of all tellings of it, the earliest is nearest.
            placed_at=changed_at,
            revision=revision_of(changed_at),
        )
        counted_minor = until_now


def _by_id(refund: Json) -> tuple[int, str]:
    refund_id = known_id(refund, "id")
    return len(refund_id), refund_id


def _instant(body: Json, name: str, delivery: Delivery) -> dt.datetime:
    if text(body, f"{name}_gmt"):
        return instant(body, f"{name}_gmt")
    return instant(body, name, zone=delivery.shop.timezone)


def _items(body: Json, delivery: Delivery) -> Iterator[EventItem]:
    for line in objects(body, "line_items"):
        price = unit_price(amount(line, "total"), line)
        yield from item(line, _IDS, delivery.item_field, price, delivery.shop.currency)


def _notes(body: Json) -> dict[str, str]:
    return {text(note, "key"): text(note, "value") for note in objects(body, "meta_data")}


def _marks(body: Json) -> Iterator[str]:
    yield from marked("discount", [text(line, "code") for line in objects(body, "coupon_lines")])
    yield from marked("gateway", [text(body, "payment_method")])
    yield from marked("source", [text(body, "created_via")])


def _details(body: Json, items: tuple[EventItem, ...]) -> Details:
    notes = _notes(body)
    billing = body.get("billing")
    return Details(
        items=items,
        order_number=text(body, "number"),
        visitor_id=noted(notes, VISITOR_NAMES),
        cart_token=noted(notes, CART_NAMES),
        checkout_id=text(body, "order_key"),
        email=text(billing, "email") if isinstance(billing, dict) else "",
        customer_id=text(body, "customer_id"),
        marks=tuple(_marks(body)),
        is_test=bool(noted(notes, TEST_NAMES)),
    )
