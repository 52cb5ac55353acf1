from dataclasses import replace

import pytest

from planted import catalogue_item
from recommender.catalog.variants import product_key


def are_one(first: str, second: str, **changes: object) -> bool:
    one = catalogue_item("a", title=first)
    return product_key(one) == product_key(replace(one, item_id="b", title=second, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Alarm clock bakelike RED", "alarm clock Bakelike, green"),
        ("Cotton shirt striped M", "Cotton shirt striped XXL"),
        ("Olive oil extra virgin 500 ml", "Olive oil extra virgin 0,75 l"),
        ("Wool rug plain 80x150 cm", "Wool rug plain 160 x 230 cm"),
        ("Running shoe Alpha, 42", "Running shoe Alpha, 43"),
        ("Running shoe Alpha EU 42", "Running shoe Alpha size 9.5"),
        ("Stuhl Eiche schwarz", "Stuhl Eiche weiß"),
        ("Tasse à café bleue", "Tasse à café rouge"),
    ],
)
def test_colour_and_size_make_no_new_product(first: str, second: str) -> None:
    assert are_one(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Collected stories volume 1", "Collected stories volume 2"),
        ("Phone Nova 14 case", "Phone Nova 15 case"),
        ("Police car kit A100", "Police car kit A101"),
        ("Red mug", "Blue mug"),
        ("Red", "Blue"),
        ("EU map poster", "US map poster"),
    ],
)
def test_what_may_be_another_product_stays_apart(first: str, second: str) -> None:
    assert not are_one(first, second)


def test_another_brand_or_price_is_another_product() -> None:
    title = "Running shoe Alpha"
    assert are_one(title, title)
    assert not are_one(title, title, brand="Other")
    # 500 × 1.25 lies one band higher.
    assert not are_one(title, title, price_minor=626)


def test_the_shops_own_groups_decide_where_it_has_them() -> None:
    red = catalogue_item("a", title="Red mug", group_id="g")
    assert product_key(red) == product_key(replace(red, item_id="b", title="Anything"))
    assert product_key(red) != product_key(replace(red, item_id="b", group_id="h"))
