import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import BEGAN_AT, catalogue_item
from recommender.catalog.rules import (
    END_OF_TIME,
    RulesInForce,
    fits,
    lineage,
    margin_ppm,
    rules_in_force,
)
from recommender.records import Placement, Rule, RuleAction, RuleMatch

HOUR = dt.timedelta(hours=1)


def rule(action: RuleAction, match: RuleMatch | None = None, **changes: Any) -> Rule:
    fields: dict[str, Any] = {"rule_id": "r", "name": "", "changed_at": BEGAN_AT}
    fields |= changes
    return Rule(shop_id="shop", action=action, match=match or RuleMatch(), **fields)


def pin(item_id: str, position: int, **changes: Any) -> Rule:
    return rule(RuleAction.PIN, RuleMatch(item_ids=(item_id,)), position=position, **changes)


def in_force(*rules: Rule, at: dt.datetime = BEGAN_AT) -> RulesInForce:
    return rules_in_force(rules, Placement.HOME, at)


def test_a_category_means_itself_and_everything_below_it() -> None:
    shoes = RuleMatch(categories=("Shoes",))
    assert fits(shoes, catalogue_item("a", category="Shoes"))
    assert fits(shoes, catalogue_item("a", category="Shoes > Running > Trail"))
    assert fits(shoes, catalogue_item("a", category="Shoes>Running"))
    assert not fits(shoes, catalogue_item("a", category="Shoes and bags"))
    assert not fits(shoes, catalogue_item("a", category="Sale > Shoes"))
    assert lineage("A>B > C") == ["A", "A > B", "A > B > C"]


def test_every_criterion_must_be_met_and_of_a_list_any_member() -> None:
    match = RuleMatch(brands=("Clay", "Oak"), price_min_minor=100, price_max_minor=200)
    assert fits(match, catalogue_item("a", brand="Oak", price_minor=100))
    assert fits(match, catalogue_item("a", brand="Clay", price_minor=200))
    assert not fits(match, catalogue_item("a", brand="Oak", price_minor=201))
    assert not fits(match, catalogue_item("a", brand="Iron", price_minor=150))


def test_margin_is_a_share_of_the_price() -> None:
    # (1000 − 600) / 1000 = 40 %
    item = catalogue_item("a", price_minor=1_000, cost_minor=600)
    assert margin_ppm(item) == 400_000
    assert fits(RuleMatch(margin_min_ppm=400_000), item)
    assert not fits(RuleMatch(margin_min_ppm=400_001), item)
    assert fits(RuleMatch(margin_max_ppm=0), replace(item, cost_minor=1_000))


def test_what_is_not_known_meets_no_bound() -> None:
    unknown = catalogue_item("a")
    assert not fits(RuleMatch(margin_max_ppm=1_000_000), unknown)
    assert not fits(RuleMatch(stock_max=5), unknown)
    assert fits(RuleMatch(stock_max=5), replace(unknown, stock=5))


def test_a_window_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    hidden = rule(
        RuleAction.EXCLUDE,
        RuleMatch(item_ids=("a",)),
        starts_at=BEGAN_AT + HOUR,
        ends_at=BEGAN_AT + 2 * HOUR,
    )
    item, instant = catalogue_item("a"), dt.timedelta(microseconds=1)
    verdicts = {
        moment: in_force(hidden, at=BEGAN_AT + moment).allows(item)
        for moment in (HOUR - instant, HOUR, 2 * HOUR - instant, 2 * HOUR)
    }
    assert list(verdicts.values()) == [True, False, False, True]


def test_rules_are_valid_until_the_next_window_opens_or_closes() -> None:
    early = rule(RuleAction.EXCLUDE, ends_at=BEGAN_AT + HOUR)
    late = rule(RuleAction.EXCLUDE, starts_at=BEGAN_AT + 3 * HOUR)
    elsewhere = replace(late, starts_at=BEGAN_AT + 2 * HOUR, placements=(Placement.CART,))
    off = replace(late, starts_at=BEGAN_AT + 2 * HOUR, active=False)
    now = in_force(early, late, elsewhere, off)
    assert now.valid_until == BEGAN_AT + HOUR
    assert in_force(early, late, at=BEGAN_AT + HOUR).valid_until == BEGAN_AT + 3 * HOUR
    last = in_force(early, late, at=BEGAN_AT + 3 * HOUR)
    assert (last.valid_from, last.valid_until) == (BEGAN_AT + 3 * HOUR, END_OF_TIME)
    assert not now.holds_at(BEGAN_AT + HOUR)


def test_a_rule_holds_in_its_placements_only() -> None:
    hidden = rule(RuleAction.EXCLUDE, RuleMatch(item_ids=("a",)), placements=(Placement.CART,))
    item = catalogue_item("a")
    assert rules_in_force([hidden], Placement.HOME, BEGAN_AT).allows(item)
    assert not rules_in_force([hidden], Placement.CART, BEGAN_AT).allows(item)


def test_exclude_beats_everything_and_one_include_is_enough() -> None:
    found = in_force(
        rule(RuleAction.INCLUDE_ONLY, RuleMatch(brands=("Clay",))),
        rule(RuleAction.INCLUDE_ONLY, RuleMatch(brands=("Oak",))),
        rule(RuleAction.EXCLUDE, RuleMatch(item_ids=("x",))),
    )
    assert found.allows(catalogue_item("a", brand="Clay"))
    assert found.allows(catalogue_item("a", brand="Oak"))
    assert not found.allows(catalogue_item("a", brand="Iron"))
    assert not found.allows(catalogue_item("x", brand="Oak"))
    assert found.excludes_item(catalogue_item("x"))
    assert not found.excludes_item(catalogue_item("a", brand="Iron"))


def test_boosts_and_buries_multiply_within_bounds() -> None:
    clay = RuleMatch(brands=("Clay",))
    item = catalogue_item("a", brand="Clay")
    both = in_force(
        rule(RuleAction.BOOST, clay, factor_ppm=3_000_000),
        rule(RuleAction.BURY, clay, factor_ppm=500_000),
    )
    assert both.factor(item) == 1.5
    assert both.factor(catalogue_item("b")) == 1.0
    many = in_force(*[rule(RuleAction.BOOST, clay, factor_ppm=100_000_000)] * 3)
    assert many.factor(item) == 100.0


def test_of_two_pins_for_a_place_the_newer_has_it() -> None:
    older = pin("old", 1, rule_id="a")
    newer = pin("new", 1, rule_id="b", changed_at=BEGAN_AT + HOUR)
    third = pin("third", 2, rule_id="c")
    assert in_force(older, newer, third).pins == ((1, "new"), (2, "old"), (3, "third"))


def test_of_two_pins_for_an_item_the_foremost_counts() -> None:
    assert in_force(pin("a", 3, rule_id="x"), pin("a", 2, rule_id="y")).pins == ((2, "a"),)


PINS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(1, 4)), max_size=8)


@given(PINS)
def test_pins_never_share_a_place_or_an_item(drawn: list[tuple[str, int]]) -> None:
    pins = in_force(*(pin(item, at, rule_id=str(k)) for k, (item, at) in enumerate(drawn))).pins
    places, items = [place for place, _ in pins], [item for _, item in pins]
    assert len(set(places)) == len(places)
    assert set(items) == {item for item, _ in drawn}
    assert len(items) == len(set(items))
    for place, item in pins:
        assert place >= min(at for name, at in drawn if name == item)


@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
def test_an_open_side_never_turns(field: str) -> None:
    half = rule(RuleAction.EXCLUDE, **{field: BEGAN_AT})
    assert in_force(half).valid_until == END_OF_TIME
