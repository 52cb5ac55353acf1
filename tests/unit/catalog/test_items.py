from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.eligibility import is_showable
from recommender.catalog.items import MAX_IGNORED, ignored_fields, parse_item
from recommender.records import Item, Rejection
from world import SHOP

OURS = {"item_id": "A-1", "title": "Mug", "url": "https://shop.example/a-1", "price_minor": 1250}


def parse(**changes: Any) -> Item | Rejection:
    raw = {name: value for name, value in (OURS | changes).items() if value is not ...}
    return parse_item(raw, SHOP, 7)


def test_our_own_names_are_read() -> None:
    item = parse(image_url="/i/a.jpg", category="Mugs", brand="Clay", group_id="A", available=False)
    assert item == Item(
        shop_id="shop_1",
        item_id="A-1",
        title="Mug",
        url="https://shop.example/a-1",
        image_url="/i/a.jpg",
        price_minor=1250,
        currency="EUR",
        category="Mugs",
        brand="Clay",
        group_id="A",
        available=False,
    )


def test_an_item_in_the_words_of_a_slate_keeps_its_picture() -> None:
    item = parse(image="/i/a.jpg")
    assert isinstance(item, Item)
    assert item.image_url == "/i/a.jpg"


def test_fields_that_are_not_read_are_named_once() -> None:
    rows = [OURS | {"Image Link": "/a.jpg", "colour": "red"}, OURS | {"colour": "", "picture": 1}]
    assert ignored_fields([*rows, "no object"]) == ["colour", "picture"]
    many = ignored_fields([{f"{number:090}": 1 for number in range(MAX_IGNORED + 1)}])
    assert (len(many), len(many[0])) == (MAX_IGNORED, 60)


def test_merchant_center_names_are_read() -> None:
    feed_line = {
        "g:id": "0042",
        "title": "Mug\twith  lid",
        "link": "https://shop.example/42",
        "image link": "https://cdn.example/42.jpg",
        "price": "12.50 EUR",
        "availability": "out of stock",
        "product_type": "Kitchen > Mugs",
        "item_group_id": 42,
        "brand": "",
    }
    item = parse_item(feed_line, SHOP, 0)
    assert item == Item(
        shop_id="shop_1",
        item_id="0042",
        title="Mug with lid",
        url="https://shop.example/42",
        image_url="https://cdn.example/42.jpg",
        price_minor=1250,
        currency="EUR",
        category="Kitchen > Mugs",
        group_id="42",
        available=False,
    )


@pytest.mark.parametrize(
    ("price", "minor"),
    [("12.5", 1250), ("12.50 EUR", 1250), ("EUR 12.50", 1250), (12.1, 1210), (12, 1200)],
)
def test_prices_in_major_units_become_minor_units(price: object, minor: int) -> None:
    item = parse(price_minor=..., price=price)
    assert isinstance(item, Item)
    assert item.price_minor == minor


def test_the_sale_price_is_what_shoppers_pay() -> None:
    item = parse(price_minor=..., price="20.00 EUR", sale_price="15.00 EUR")
    assert isinstance(item, Item)
    assert item.price_minor == 1500


def test_a_sale_with_dates_is_left_to_the_shop() -> None:
    item = parse(
        price_minor=...,
        price="20.00 EUR",
        sale_price="15.00 EUR",
        sale_price_effective_date="2026-01-01/2026-01-08",
    )
    assert isinstance(item, Item)
    assert item.price_minor == 2000


@pytest.mark.parametrize(
    ("value", "available"),
    [
        ("in_stock", True),
        ("in stock", True),
        ("preorder", True),
        ("https://schema.org/InStock", True),
        ("https://schema.org/OutOfStock", False),
        ("out_of_stock", False),
        ("discontinued", False),
        ("true", True),
        ("false", False),
    ],
)
def test_availability_words(value: str, available: bool) -> None:
    item = parse(availability=value)
    assert isinstance(item, Item)
    assert item.available is available


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"item_id": ...}, "missing-id"),
        ({"item_id": "  "}, "missing-id"),
        ({"item_id": True}, "wrong-type"),
        ({"item_id": "x" * 101}, "too-long"),
        ({"item_id": "a\x00b"}, "bad-text"),
        ({"title": "\ud800"}, "bad-text"),
        ({"title": ...}, "missing-title"),
        ({"title": ["Mug"]}, "wrong-type"),
        ({"title": "x" * 301}, "too-long"),
        ({"url": ...}, "missing-url"),
        ({"url": "javascript:alert(1)"}, "bad-url"),
        ({"url": "//evil.example/x"}, "bad-url"),
        ({"url": "/\\evil.example/x"}, "bad-url"),
        ({"url": "ftp://shop.example/x"}, "bad-url"),
        ({"url": "https://user@shop.example/x"}, "bad-url"),
        ({"url": "https://[half"}, "bad-url"),
        ({"url": "https://"}, "bad-url"),
        ({"image_url": "data:image/png;base64,xx"}, "bad-url"),
        ({"image_url": 'https://x.example/"onerror='}, "bad-url"),
        ({"price_minor": ...}, "missing-price"),
        ({"price_minor": 12.5}, "bad-price"),
        ({"price_minor": "12.5"}, "bad-price"),
        ({"price_minor": True}, "bad-price"),
        ({"price_minor": 10**15}, "bad-price"),
        ({"price_minor": -1}, "negative-price"),
        ({"price_minor": ..., "price": "-1.00"}, "negative-price"),
        ({"price_minor": ..., "price": "12.505"}, "bad-price"),
        ({"price_minor": ..., "price": "a lot"}, "bad-price"),
        ({"price_minor": ..., "price": "12.50 USD"}, "wrong-currency"),
        ({"price_minor": ..., "price": "EUR 12.50 USD"}, "wrong-currency"),
        ({"currency": "USD"}, "wrong-currency"),
        ({"availability": "perhaps"}, "bad-availability"),
    ],
)
def test_what_breaks_a_rule_is_rejected_with_its_reason(changes: dict[str, Any], code: str) -> None:
    rejection = parse(**changes)
    assert isinstance(rejection, Rejection)
    assert (rejection.index, rejection.code) == (7, code)
    assert rejection.detail


@pytest.mark.parametrize("raw", [None, [], "item", 5])
def test_only_an_object_is_an_item(raw: object) -> None:
    rejection = parse_item(raw, SHOP, 0)
    assert isinstance(rejection, Rejection)
    assert rejection.code == "wrong-type"


VALUES = st.one_of(
    st.text(max_size=30),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
)


@given(st.dictionaries(st.sampled_from([*OURS, "price", "availability", "brand"]), VALUES))
def test_any_object_gives_an_item_that_can_be_stored_or_a_rejection(raw: dict[str, Any]) -> None:
    outcome = parse_item(OURS | raw, SHOP, 3)
    if isinstance(outcome, Rejection):
        assert outcome.code != "error"
    else:
        assert 0 <= outcome.price_minor < 10**15
        assert "\x00" not in outcome.item_id + outcome.title + outcome.brand
        outcome.title.encode()


def test_only_what_can_be_bought_is_shown() -> None:
    mug, sold_out, unpriced = parse(), parse(available=False), parse(price_minor=0)
    assert isinstance(mug, Item)
    assert isinstance(sold_out, Item)
    assert isinstance(unpriced, Item)
    assert [is_showable(item) for item in (mug, sold_out, unpriced)] == [True, False, False]
    assert not is_showable(replace(mug, url=""))


@pytest.mark.parametrize(
    ("changes", "cost_minor"),
    [
        ({}, None),
        ({"cost_minor": 700}, 700),
        ({"cost_minor": "700"}, 700),
        ({"cost_of_goods_sold": "7.00 EUR"}, 700),
        ({"cost": 7.5}, 750),
        ({"cost": 0}, 0),
    ],
)
def test_the_cost_is_read_like_the_price(changes: dict[str, Any], cost_minor: int | None) -> None:
    item = parse(**changes)
    assert isinstance(item, Item)
    assert item.cost_minor == cost_minor


@pytest.mark.parametrize(
    ("changes", "stock", "showable"),
    [
        ({}, None, True),
        ({"stock": 0}, 0, False),
        ({"stock": 12}, 12, True),
        ({"quantity": "12"}, 12, True),
        ({"stock": 3.0}, 3, True),
        ({"stock": -2}, 0, False),
        ({"stock": 5, "available": False}, 5, False),
    ],
)
def test_what_is_out_of_stock_is_not_shown(
    changes: dict[str, Any], stock: int | None, showable: bool
) -> None:
    item = parse(**changes)
    assert isinstance(item, Item)
    assert item.stock == stock
    assert is_showable(item) is showable


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cost": "cheap"}, "bad-cost"),
        ({"cost_minor": -1}, "bad-cost"),
        ({"cost_minor": 1.5}, "bad-cost"),
        ({"cost": "7.00 USD"}, "wrong-currency"),
        ({"stock": "many"}, "bad-stock"),
        ({"stock": 1.5}, "bad-stock"),
        ({"stock": True}, "bad-stock"),
        ({"stock": 10**12}, "bad-stock"),
    ],
)
def test_a_faulty_cost_or_stock_is_refused(changes: dict[str, Any], code: str) -> None:
    rejection = parse(**changes)
    assert isinstance(rejection, Rejection)
    assert rejection.code == code
