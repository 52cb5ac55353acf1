import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from recommender.demo.categories import OTHER, category_of
from recommender.demo.goods import PAGE_SIZE, Good, Goods, slug_of
from recommender.demo.pictures import draw


def good(item_id: str, title: str, category: str = "Kitchen") -> Good:
    return Good(item_id, title, category, 250, "GBP", f"/p/{item_id}", f"/image/{item_id}.svg")


GOODS = Goods(
    [
        good("a", "Red Lunch Bag", "Bags & purses"),
        good("b", "Blue Lunch Box"),
        good("c", "Lunch Bags, set of 2", "Bags & purses"),
        good("d", "Pink Bag", "Bags & purses"),
        *[good(f"k{n}", f"Bowl number {n}") for n in range(PAGE_SIZE + 3)],
    ]
)


def test_search_wants_all_words_and_knows_plurals() -> None:
    assert [one.item_id for one in GOODS.search("lunch BAG", 1).goods] == ["a", "c"]
    assert [one.item_id for one in GOODS.search("bags lunch", 1).goods] == ["a", "c"]
    assert GOODS.search("lunch zebra", 1).n_goods == 0
    assert GOODS.search(" -- ", 1).n_goods == 0


def test_categories_have_pages() -> None:
    assert GOODS.categories() == ["Kitchen", "Bags & purses"]
    assert GOODS.category("bags-purses") == "Bags & purses"
    assert GOODS.category("zebras") is None
    last = GOODS.in_category("kitchen", 2)
    # one box and PAGE_SIZE + 3 bowls: four are left for the second page
    assert (len(last.goods), last.number, last.n_pages, last.n_goods) == (4, 2, 2, PAGE_SIZE + 4)
    assert GOODS.in_category("kitchen", 99).number == 2
    assert GOODS.in_category("kitchen", -1).number == 1


def test_favourites_take_two_of_a_category() -> None:
    assert [one.item_id for one in GOODS.best(10)] == ["a", "b", "c", "k0"]


def test_goods_are_read_from_their_file(tmp_path: Path) -> None:
    row = {"item_id": "a", "title": "Mug", "category": "Kitchen", "price_minor": 250,
           "currency": "GBP", "url": "/p/a", "image_url": "/image/a.svg"}  # fmt: skip
    (tmp_path / "goods.json").write_text(json.dumps([row]))
    assert Goods.read(tmp_path / "goods.json").get("a") == good("a", "Mug")


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "Candles & scent"),
        ("JUMBO BAG VINTAGE DOILY", "Bags & purses"),
        ("PACK OF 20 RED RETROSPOT PAPER NAPKINS", "Party"),
        ("REGENCY CAKESTAND 3 TIER", "Kitchen"),
        ("CHRISTMAS LUNCH BAG", "Christmas"),
        ("DAD'S CAB ELECTRONIC METER", OTHER),
        ("", OTHER),
    ],
)
def test_titles_suggest_a_category(title: str, category: str) -> None:
    assert category_of(title) == category


def test_slugs_hold_no_signs() -> None:
    assert slug_of("Bags & purses") == "bags-purses"


def test_a_picture_shows_what_the_title_says() -> None:
    picture = draw("85099B", "Jumbo Bag Red Retrospot", "Bags & purses")
    assert draw("85099B", "Jumbo Bag Red Retrospot", "Bags & purses") == picture
    assert "#c4473a" in picture
    assert "url(#p)" in picture
    assert draw("85099B", "Jumbo Bag Blue", "Bags & purses") != picture
    assert "url(#p)" not in draw("85099B", "Jumbo Bag Blue", "Bags & purses")


@pytest.mark.parametrize("category", ["Bags & purses", "Unheard of", ""])
def test_a_picture_is_sound_and_takes_nothing_from_elsewhere(category: str) -> None:
    picture = draw("x", 'Tom & "Jerry" <script>', category)
    root = ET.fromstring(picture)
    assert root.find("{http://www.w3.org/2000/svg}title").text == 'Tom & "Jerry" <script>'
    addresses = re.findall(r"https?://[^\"]+", picture)
    assert addresses == ["http://www.w3.org/2000/svg"]
