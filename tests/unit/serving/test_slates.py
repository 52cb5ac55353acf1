from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import catalogue_item
from recommender.catalog.variants import product_key
from recommender.serving.slates import (
    STILL,
    Candidates,
    Rotation,
    choose,
    product_code,
    product_codes,
    rotation,
)

NOTHING = np.zeros(0, np.int64)


def candidates(*drawn: tuple[float, int, int, int]) -> Candidates:
    """Score, product, category and brand of each."""
    columns = list(zip(*drawn, strict=True)) or [()] * 4
    return Candidates(
        np.array(columns[0], np.float32),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int32),
        np.array(columns[3], np.int32),
        np.arange(len(drawn), dtype=np.uint32) * 7919,
    )


def chosen(found: Candidates, n: int = 8, **how: Any) -> list[int]:
    return choose(found, **{"n": n, "in_hand": NOTHING} | how).tolist()


def test_of_one_product_the_best_is_shown() -> None:
    found = candidates((0.5, 1, 0, 0), (0.9, 1, 0, 0), (0.1, 2, 0, 0))
    assert chosen(found) == [1, 2]


def test_products_in_hand_stay_away_even_pinned() -> None:
    found = candidates((0.9, 1, 0, 0), (0.5, 2, 0, 0))
    assert chosen(found, in_hand=np.array([1])) == [1]
    assert chosen(found, in_hand=np.array([1]), pins=[(1, 0)]) == [1]


def test_near_ties_give_way_to_variety() -> None:
    found = candidates((1.0, 1, 1, 0), (0.99, 2, 1, 0), (0.98, 3, 2, 0))
    # 0.99 × 0.97 = 0.9603 < 0.98
    assert chosen(found) == [0, 2, 1]
    brands = candidates((1.0, 1, 0, 1), (0.99, 2, 0, 1), (0.98, 3, 0, 2))
    assert chosen(brands) == [0, 2, 1]
    # 1.0, then 0.95 against 0.99 × 0.97² = 0.9315 with category and brand repeated.
    both = candidates((1.0, 1, 1, 1), (0.99, 2, 1, 1), (0.95, 3, 2, 2))
    assert chosen(both) == [0, 2, 1]


def test_items_without_category_or_brand_do_not_resemble_each_other() -> None:
    found = candidates((1.0, 1, 0, 0), (0.99, 2, 0, 0), (0.98, 3, 1, 1))
    assert chosen(found) == [0, 1, 2]


def test_pins_stand_at_their_places() -> None:
    found = candidates((0.9, 1, 0, 0), (0.8, 2, 0, 0), (0.7, 3, 0, 0), (0.1, 4, 0, 0))
    assert chosen(found, pins=[(2, 3)]) == [0, 3, 1, 2]
    assert chosen(found, pins=[(1, 3), (3, 2)]) == [3, 0, 2, 1]
    assert chosen(found, n=2, pins=[(3, 3)]) == [0, 1]


def test_a_pinned_variant_stands_for_its_product() -> None:
    found = candidates((0.9, 1, 0, 0), (0.8, 1, 0, 0), (0.7, 2, 0, 0))
    assert chosen(found, pins=[(2, 1)]) == [2, 1]
    # Of two pinned variants the first stays, and the other's place is free.
    assert chosen(found, pins=[(1, 1), (2, 0)]) == [1, 2]


def test_pins_move_up_on_a_short_slate() -> None:
    found = candidates((0.9, 1, 0, 0), (0.1, 2, 0, 0))
    assert chosen(found, pins=[(5, 1)]) == [0, 1]


def test_no_candidates_make_no_slate() -> None:
    assert chosen(candidates()) == []


DRAWN = st.lists(
    st.tuples(st.floats(0, 1, width=32), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3)),
    max_size=25,
)


@given(DRAWN, st.integers(1, 12), st.data())
def test_a_slate_is_as_long_as_it_can_be_and_repeats_no_product(drawn, n, data) -> None:
    found = candidates(*drawn)
    places = st.tuples(st.integers(1, 14), st.integers(0, max(len(drawn) - 1, 0)))
    pins = data.draw(st.lists(places, max_size=4)) if drawn else []
    kept = chosen(found, n, pins=pins)
    products = [drawn[place][1] for place in kept]
    assert len(set(products)) == len(products)
    assert len(kept) == min(n, len({product for _, product, _, _ in drawn}))


@given(DRAWN, st.integers(1, 12))
def test_the_first_place_is_the_best_score_and_each_place_the_best_left(drawn, n) -> None:
    kept = chosen(candidates(*drawn), n)
    left = dict(enumerate(drawn))
    shown: list[tuple[float, int, int, int]] = []
    for place in kept:
        worth = {
            other: score
            * 0.97 ** sum(category == seen[2] != 0 for seen in shown)
            * 0.97 ** sum(brand == seen[3] != 0 for seen in shown)
            for other, (score, _, category, brand) in left.items()
        }
        assert worth[place] == pytest.approx(max(worth.values()), rel=1e-6)
        shown.append(drawn[place])
        left = {k: one for k, one in left.items() if one[1] != drawn[place][1]}


SCORES = st.lists(st.floats(2**-10, 1, width=32), min_size=2, max_size=20)


@given(SCORES, st.text(max_size=5), st.integers(0, 99), st.integers(1, 1_000_000))
def test_rotation_lets_no_item_pass_a_leader_beyond_its_reach(scores, visitor, turn, ppm) -> None:
    found = candidates(*((score, place, 0, 0) for place, score in enumerate(scores)))
    how = rotation(visitor, str(turn), ppm)
    kept = chosen(found, len(scores), rotation=how)
    assert kept == chosen(found, len(scores), rotation=how)
    for place, item in enumerate(kept):
        for passed in kept[place + 1 :]:
            # It stands behind `item` although its score may be higher, but not by much.
            assert scores[item] >= scores[passed] * (1 - ppm / 1_000_000) - 1e-6


def test_near_ties_rotate_and_strong_leaders_stay() -> None:
    scores = [1.0, 0.52, 0.51, 0.50]
    found = candidates(*((score, place, 0, 0) for place, score in enumerate(scores)))
    slates = [chosen(found, rotation=rotation("v", str(turn), 100_000)) for turn in range(40)]
    assert {slate[0] for slate in slates} == {0}
    assert {slate[1] for slate in slates} == {1, 2, 3}
    assert {tuple(chosen(found, rotation=rotation("v", str(t), 0))) for t in range(5)} == {
        (0, 1, 2, 3)
    }


def test_visitors_are_turned_differently() -> None:
    assert rotation("v", "1", 100_000) == rotation("v", "1", 100_000)
    assert len({rotation(v, t, 100_000).seed for v in "ab" for t in "12"}) == 4
    assert rotation("v", "1", 0) == STILL == Rotation()


def test_luck_is_spread_evenly() -> None:
    # With full strength an item's value is s·(1 − u): of two equal items each leads half the time.
    found = candidates((1.0, 1, 0, 0), (1.0, 2, 0, 0))
    first = [chosen(found, 1, rotation=rotation("v", str(t), 1_000_000))[0] for t in range(1_000)]
    assert 430 < sum(first) < 570


def test_a_products_code_is_its_keys() -> None:
    red = catalogue_item("red", group_id="g")
    blue = catalogue_item("blue", group_id="g")
    other = catalogue_item("other", group_id="h")
    assert product_key(red) == product_key(blue)
    assert product_code(red) == product_code(blue) != product_code(other)
    assert product_codes([red, other]).tolist() == [product_code(red), product_code(other)]


def test_candidates_are_joined() -> None:
    joined = candidates((0.9, 1, 0, 0)).beside(candidates((0.8, 2, 0, 0), (0.7, 1, 0, 0)))
    assert len(joined) == 3
    assert chosen(joined) == [0, 1]
