"""PrestaShop's orders, pushed by a module → statements about an order. Pure.

PrestaShop has no webhooks of its own. A module (see docs/orders.md) sends the resources of the
webservice as they are: `{"order": {…}, "currency": "EUR", "order_slips": […], "email": "…"}`.
Source: devdocs.prestashop-project.org, webservice, Orders and Order slip. The order is its whole
state, its revision is `date_upd`. The net amount is `total_paid_tax_excl` less shipping and gift
wrapping; an order slip's is `total_products_tax_excl`.
"""

from collections.abc import Iterator
from decimal import Decimal

from recommender.events.platform_orders import (
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
    objects,
    revision_of,
    text,
)
from recommender.records import EventItem, OrderFact, OrderKind
from recommender.shops.webhooks import ItemField

_IDS = {
    ItemField.PRODUCT: "product_id",
    ItemField.VARIANT: "product_attribute_id",
    ItemField.SKU: "product_reference",
}
# States of a fresh installation: cancelled, payment error. A refund comes as an order slip.
_VOID = {"6", "8"}


def read_prestashop(document: object, delivery: Delivery) -> tuple[OrderFact, ...]:
    """Return what a message states.

    Raises:
        InvalidInputError: Names what is missing or wrong.
    """
    body = as_object(document)
    return tuple(_state(body, as_object(body.get("order"), "order"), delivery))


def _state(body: Json, order: Json, delivery: Delivery) -> Iterator[OrderFact]:
    check_currency(text(body, "currency"), delivery.shop)
    zone = delivery.shop.timezone
    order_id = known_id(order, "id")
    changed_at = instant(order, "date_upd", zone=zone)
    yield make_fact(
        delivery,
        OrderKind.ORDER,
        order_id,
        order_id,
        net=needed_amount(order, "total_paid_tax_excl")
        - amount(order, "total_shipping_tax_excl")
        - amount(order, "total_wrapping_tax_excl"),
        placed_at=instant(order, "date_add", zone=zone),
        revision=revision_of(changed_at),
        details=_details(body, order, tuple(_items(order, delivery))),
    )
    if text(order, "current_state") in _VOID:
        yield make_fact(
            delivery,
            OrderKind.CANCEL,
            order_id,
            order_id,
            net=Decimal(0),
            placed_at=changed_at,
            revision=revision_of(changed_at),
        )
    for slip in objects(body, "order_slips"):
        slip_at = instant(slip, "date_upd", "date_add", zone=zone)
        yield make_fact(
            delivery,
            OrderKind.REFUND,
            known_id(slip, "id"),
            order_id,
            net=needed_amount(slip, "total_products_tax_excl"),
            placed_at=instant(slip, "date_add", "date_upd", zone=zone),
            revision=revision_of(slip_at),
        )


def _items(order: Json, delivery: Delivery) -> Iterator[EventItem]:
    associations = order.get("associations")
    rows = objects(associations, "order_rows") if isinstance(associations, dict) else ()
    for row in rows:
        price = amount(row, "unit_price_tax_excl", "product_price")
        yield from item(row, _IDS, delivery.item_field, price, delivery.shop.currency)


def _details(body: Json, order: Json, items: tuple[EventItem, ...]) -> Details:
    cart_id = text(order, "id_cart")
    return Details(
        items=items,
        order_number=text(order, "reference"),
        visitor_id=text(body, "visitor_id"),
        cart_token=text(body, "cart_token") or ("" if cart_id == "0" else cart_id),
        checkout_id=text(body, "checkout_id"),
        email=text(body, "email"),
        customer_id=text(order, "id_customer"),
        marks=tuple(marked("gateway", [text(order, "module")])),
        is_test=body.get("test") is True,
    )
