"""Platforms' messages → statements, with amounts added up by hand."""

import copy
import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_bodies import PRESTASHOP, PRESTASHOP_SLIP, SHOPIFY, SHOPIFY_REFUND, WOOCOMMERCE
from recommender.errors import InvalidInputError
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.events.link_keys import CART, CHECKOUT, EMAIL, email_sha256, link_key
from recommender.events.order_fold import fold_order
from recommender.events.order_marks import mark_key
from recommender.events.platform_orders import Delivery
from recommender.events.platforms import is_signed, plain_domain, sign_body
from recommender.events.prestashop import read_prestashop
from recommender.events.shopify import read_shopify
from recommender.events.woocommerce import read_woocommerce
from recommender.records import EventItem, OrderFact, OrderKind
from recommender.shops.webhooks import ItemField
from world import SHOP

NOW = dt.datetime(2026, 3, 6, tzinfo=dt.UTC)
KEY = SHOP.visitor_key


def shopify(body: Any, topic: str = "orders/create", **more: Any) -> tuple[OrderFact, ...]:
    return read_shopify(body, Delivery(SHOP, topic, NOW, **more))


def woo(body: Any, topic: str = "order.updated") -> tuple[OrderFact, ...]:
    return read_woocommerce(body, Delivery(SHOP, topic, NOW))


def presta(body: Any) -> tuple[OrderFact, ...]:
    return read_prestashop(body, Delivery(SHOP, "order", NOW))


def changed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(body), **changes}


def test_shopifys_amount_is_goods_without_tax_and_shipping() -> None:
    (order,) = shopify(SHOPIFY)
    assert order.net_minor == 2700 - (533 - 83)
    assert (order.order_id, order.order_number) == ("5001", "#1001")
    assert order.placed_at == dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    # (24.00 − 2.40 − 3.60) / 2 and 6.00 − 0.60 − 0.90
    assert order.items == (EventItem("11", 2, 900), EventItem("12", 1, 450))


def test_shopifys_prices_without_tax_are_taken_as_they_are() -> None:
    (order,) = shopify(changed(SHOPIFY, taxes_included=False))
    assert order.net_minor == 2700


def test_a_gift_card_is_no_sale() -> None:
    lines = [*SHOPIFY["line_items"], {"product_id": 13, "quantity": 1, "price": "50.00",
                                      "gift_card": True}]  # fmt: skip
    (order,) = shopify(changed(SHOPIFY, subtotal_price="77.00", line_items=lines))
    assert order.net_minor == 7700 - 450 - 5000


@pytest.mark.parametrize(
    ("field", "ids"),
    [(ItemField.PRODUCT, ["11", "12"]), (ItemField.VARIANT, ["111", "12"]),
     (ItemField.SKU, ["MUG", "12"])],
)  # fmt: skip
def test_items_are_named_as_the_catalogue_names_them(field: ItemField, ids: list[str]) -> None:
    (order,) = shopify(SHOPIFY, item_field=field)
    assert [item.item_id for item in order.items] == ids


def test_an_order_carries_hashed_keys_and_never_the_address() -> None:
    (order,) = shopify(SHOPIFY)
    assert order.cart_key == link_key(KEY, CART, "cart-77?key=storefront")
    assert order.checkout_key == link_key(KEY, CHECKOUT, "chk-88")
    assert order.email_key == link_key(KEY, EMAIL, email_sha256("ann@example.com"))
    assert order.visitor == ""
    assert "ann" not in repr(order).lower()
    note = [{"name": "_recommender_visitor", "value": "v1"}]
    (named,) = shopify(changed(SHOPIFY, note_attributes=note))
    assert named.visitor == pseudonym(KEY, "v1")


def test_the_two_ways_to_tell_a_shopify_refund_agree() -> None:
    (alone,) = shopify(SHOPIFY_REFUND, "refunds/create")
    (_, within) = shopify(changed(SHOPIFY, refunds=[SHOPIFY_REFUND]), "orders/updated")
    assert alone.net_minor == within.net_minor == 1080 - 180
    assert alone.placed_at == within.placed_at == dt.datetime(2026, 3, 4, 8, tzinfo=dt.UTC)


def test_money_given_back_without_goods_is_a_refund() -> None:
    goodwill = changed(
        SHOPIFY_REFUND,
        refund_line_items=[],
        order_adjustments=[{"kind": "refund_discrepancy", "amount": "-5.85", "tax_amount": "0.00"}],
        transactions=[{"kind": "refund", "status": "success", "amount": "5.85"}],
    )
    (refund,) = shopify(goodwill, "refunds/create")
    assert refund.net_minor == 585
    kept_back = changed(
        SHOPIFY_REFUND,
        order_adjustments=[{"kind": "refund_discrepancy", "amount": "2.00", "tax_amount": "0.00"}],
        transactions=[{"kind": "refund", "status": "success", "amount": "8.80"}],
    )
    (refund,) = shopify(kept_back, "refunds/create")
    assert refund.net_minor == 1080 - 180 - 200


def test_a_cancelled_shopify_order_comes_to_nothing_in_any_order() -> None:
    cancelled = changed(
        SHOPIFY,
        updated_at="2026-03-03T08:00:00+01:00",
        cancelled_at="2026-03-03T08:00:00+01:00",
    )
    created, gone = shopify(SHOPIFY), shopify(cancelled, "orders/cancelled")
    for facts in ((*created, *gone), (*gone, *created)):
        order, cancel = fold_order(facts)
        assert (order.net_minor, cancel.net_minor) == (2250, 2250)


@pytest.mark.parametrize(
    ("topic", "change"),
    [("orders/edited", {}), ("products/update", {}), ("", {})],
)
def test_what_states_nothing_is_passed_over(topic: str, change: dict[str, Any]) -> None:
    assert shopify(changed(SHOPIFY, **change), topic) == ()


def test_woocommerces_amount_is_the_total_without_tax_and_shipping() -> None:
    (order,) = woo(WOOCOMMERCE)
    assert order.net_minor == 5400 - 900 - 500
    assert order.items == (EventItem("11", 4, 1000),)
    assert order.visitor == pseudonym(KEY, "v1")
    assert order.checkout_key == link_key(KEY, CHECKOUT, "wc_order_abc")
    assert order.cart_key == "", "a cart hash names contents that many carts share"


def test_woocommerces_refunds_are_taken_in_proportion_and_leave_no_cent() -> None:
    # 18.00 of 54.00 is a third: 13.33 of 40.00. The second makes it whole.
    told = changed(
        WOOCOMMERCE, refunds=[{"id": 8, "total": "-36.00"}, {"id": 7, "total": "-18.00"}]
    )
    _, first, second = woo(told)
    assert (first.fact_id, first.net_minor) == ("7", 1333)
    assert (second.fact_id, second.net_minor) == ("8", 4000 - 1333)


@pytest.mark.parametrize("status", ["pending", "failed", "cancelled", "trash"])
def test_an_unpaid_woocommerce_order_does_not_count_until_it_is_paid(status: str) -> None:
    unpaid = woo(changed(WOOCOMMERCE, status=status))
    assert fold_order(unpaid) == ()
    paid = woo(changed(WOOCOMMERCE, date_modified_gmt="2026-03-02T09:30:00"))
    (order,) = fold_order((*unpaid, *paid))
    assert order.net_minor == 4000


def test_prestashops_amount_is_paid_without_tax_shipping_and_wrapping() -> None:
    (order,) = presta(PRESTASHOP)
    assert order.net_minor == 2938 - 708 - 41
    # 10:00 in Paris in winter
    assert order.placed_at == dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    assert order.order_number == "XKBKNABJK"
    assert order.items == (EventItem("11", 1, 2389),)


def test_prestashops_unrounded_amounts_are_rounded_once() -> None:
    order = PRESTASHOP["order"] | {
        "total_paid_tax_excl": "31.322314",
        "total_shipping_tax_excl": "3.223140",
        "total_wrapping_tax_excl": "0.413223",
    }
    (told,) = presta(changed(PRESTASHOP, order=order))
    # 31.322314 − 3.223140 − 0.413223 = 27.685951
    assert told.net_minor == 2769


def test_a_prestashop_slip_is_a_refund_and_a_cancelled_state_cancels() -> None:
    _, refund = presta(changed(PRESTASHOP, order_slips=[PRESTASHOP_SLIP]))
    assert (refund.kind, refund.net_minor) == (OrderKind.REFUND, 1000)
    cancelled = PRESTASHOP["order"] | {"current_state": 6, "date_upd": "2026-03-03 10:00:00"}
    gone = changed(PRESTASHOP, order=cancelled)
    folded = fold_order((*presta(PRESTASHOP), *presta(gone)))
    assert [fact.kind for fact in folded] == [OrderKind.ORDER, OrderKind.CANCEL]


@pytest.mark.parametrize(
    ("read", "body", "change", "code"),
    [
        (shopify, SHOPIFY, {"currency": "USD"}, "wrong-currency"),
        (shopify, SHOPIFY, {"subtotal_price": None}, "bad-amount"),
        (shopify, SHOPIFY, {"subtotal_price": "27,00"}, "bad-amount"),
        (shopify, SHOPIFY, {"subtotal_price": "1e999"}, "bad-amount"),
        (shopify, SHOPIFY, {"subtotal_price": "9" * 17}, "amount-too-large"),
        (shopify, SHOPIFY, {"id": None}, "bad-order-id"),
        (shopify, SHOPIFY, {"updated_at": "yesterday"}, "bad-time"),
        (shopify, SHOPIFY, {"line_items": {"0": {}}}, "wrong-type"),
        (woo, WOOCOMMERCE, {"total": ""}, "bad-amount"),
        (woo, WOOCOMMERCE, {"currency": ""}, "wrong-currency"),
        (woo, WOOCOMMERCE, {"refunds": [7]}, "wrong-type"),
        (presta, PRESTASHOP, {"order": []}, "wrong-type"),
        (presta, PRESTASHOP, {"order": {"id": "0"}}, "bad-order-id"),
    ],
)
def test_what_cannot_be_money_is_refused_by_name(
    read: Any, body: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(changed(body, **change))
    assert caught.value.code == code


cents = st.integers(0, 10**9)


@given(goods=cents, tax=cents, shipping=cents)
def test_woocommerces_money_is_exact_to_the_cent(goods: int, tax: int, shipping: int) -> None:
    def told(minor: int) -> str:
        return f"{Decimal(minor) / 100:.2f}"

    total = told(goods + tax + shipping)
    body = changed(WOOCOMMERCE, total=total, total_tax=told(tax), shipping_total=told(shipping))
    (order,) = woo(body)
    assert order.net_minor == goods


@given(
    net=st.integers(1, 10**7),
    rest=st.integers(0, 10**7),
    parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
)
def test_refunds_of_everything_leave_exactly_nothing(net: int, rest: int, parts: list[int]) -> None:
    total = net + rest
    cut = [total * sum(parts[:n]) // sum(parts) for n in range(len(parts) + 1)]
    refunds = [
        {"id": number, "total": f"-{Decimal(high - low) / 100:.2f}"}
        for number, (low, high) in enumerate(itertools.pairwise(cut), start=1)
    ]
    body = changed(
        WOOCOMMERCE, total=f"{Decimal(total) / 100:.2f}", total_tax=f"{Decimal(rest) / 100:.2f}",
        shipping_total="0.00", refunds=refunds,
    )  # fmt: skip
    order, *back = woo(body)
    assert sum(refund.net_minor for refund in back) == order.net_minor == net


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    start=st.sampled_from([(shopify, SHOPIFY), (woo, WOOCOMMERCE), (presta, PRESTASHOP)]),
    data=st.data(),
)
def test_a_reader_answers_or_names_the_fault_whatever_it_is_sent(start: Any, data: Any) -> None:
    read, body = start
    body = copy.deepcopy(body)
    target = body["order"] if "order" in body and data.draw(st.booleans()) else body
    for name in data.draw(st.lists(st.sampled_from(sorted(target)), max_size=4)):
        target[name] = data.draw(json_values)
    try:
        facts = read(body)
    except InvalidInputError:
        return
    assert all(fact.net_minor >= 0 for fact in facts)


def test_a_signature_fits_its_body_and_secret_only() -> None:
    body = b'{"id":1}'
    signature = sign_body(body, "secret-of-the-shop")
    assert is_signed(body, signature, "secret-of-the-shop")
    assert not is_signed(body + b" ", signature, "secret-of-the-shop")
    assert not is_signed(body, signature, "another-secret")
    assert not is_signed(body, "", "secret-of-the-shop")
    assert not is_signed(body, "é", "secret-of-the-shop")
    assert plain_domain("https://Shop.example/") == plain_domain("shop.example") == "shop.example"


@pytest.mark.parametrize("name", ["recommender_test", "_recommender_test"])
def test_orders_that_the_shop_marks_as_tests_are_no_orders(name: str) -> None:
    """On every platform; they are kept, so that statements can say how many there were."""
    tests = [
        shopify(changed(SHOPIFY, note_attributes=[{"name": name, "value": "1"}])),
        shopify(changed(SHOPIFY, test=True)),
        woo(changed(WOOCOMMERCE, meta_data=[{"key": name, "value": "yes"}])),
        presta({**PRESTASHOP, "test": True}),
    ]
    for told in tests:
        assert [fact.kind for fact in fold_order(told)] == [OrderKind.TEST]
    orders = [
        presta({**PRESTASHOP, "test": False}),
        woo(changed(WOOCOMMERCE, meta_data=[{"key": name, "value": ""}])),
    ]
    for told in orders:
        assert OrderKind.TEST not in {fact.kind for fact in fold_order(told)}


def test_an_order_carries_hashes_of_what_exclusions_may_name() -> None:
    """Tags, codes, gateways, sources and the customer; none of them is stored as it is."""
    told = shopify(
        changed(
            SHOPIFY,
            tags="Wholesale, VIP",
            discount_codes=[{"code": "TEAM20"}],
            payment_gateway_names=["manual"],
            source_name="pos",
            customer={"id": 77},
        )
    )
    marks = ("tag:wholesale", "tag:vip", "discount:team20", "gateway:manual", "source:pos")
    wanted = [customer_pseudonym(KEY, "77"), *(mark_key(KEY, mark) for mark in marks)]
    assert told[0].marks.split() == wanted
    (order,) = woo(
        changed(
            WOOCOMMERCE,
            coupon_lines=[{"code": "team20"}],
            payment_method="cod",
            created_via="admin",
            customer_id=0,
        )
    )
    marks = ("discount:team20", "gateway:cod", "source:admin")
    assert order.marks.split() == [mark_key(KEY, mark) for mark in marks]
    module = {**PRESTASHOP["order"], "module": "ps_wirepayment", "id_customer": "5"}
    order = presta({**PRESTASHOP, "order": module})[0]
    wanted = [customer_pseudonym(KEY, "5"), mark_key(KEY, "gateway:ps_wirepayment")]
    assert order.marks.split() == wanted
