import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import BEGAN_AT, catalogue_item
from recommender.catalog.eligibility import is_showable
from recommender.catalog.rules import rules_in_force
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item, Placement, Rule, RuleAction, RuleMatch
from recommender.serving.columns import item_hash
from recommender.serving.rules import AHEAD_SECONDS, FEW_ITEMS, CatalogueView, Vocabulary
from recommender.serving.slates import choose, product_code

NAMES = ["a", "b", "ba", "ünïcode", "z"]
BEYOND = "unknown to the model"
VOCABULARY = Vocabulary(np.array(sorted(name.encode() for name in NAMES)))
EARLIER = Vocabulary(np.array(sorted(name.encode() for name in [*NAMES[1:], "gone"])))
"""The vocabulary of a model before, with another width of its ids."""
ROWS = [name.decode() for name in sorted(name.encode() for name in NAMES)]
HOUR = dt.timedelta(hours=1)


def rule(action: RuleAction, match: RuleMatch | None = None, **changes: Any) -> Rule:
    fields: dict[str, Any] = {"rule_id": "r", "name": "", "changed_at": BEGAN_AT}
    fields |= changes
    return Rule(shop_id="shop", action=action, match=match or RuleMatch(), **fields)


def catalogue_of(*items: Item, rules: tuple[Rule, ...] = ()) -> CatalogueSnapshot:
    return CatalogueSnapshot().with_rules(rules, 1).with_changes(items, 1)


MATCHES = st.builds(
    RuleMatch,
    item_ids=st.sampled_from([(), ("a", "z", BEYOND)]),
    categories=st.sampled_from([(), ("C",), ("C > D", "E")]),
    brands=st.sampled_from([(), ("Clay",), ("Clay", "Oak")]),
    price_min_minor=st.sampled_from([None, 100]),
    price_max_minor=st.sampled_from([None, 100, 400]),
    margin_min_ppm=st.sampled_from([None, 0, 250_000]),
    stock_max=st.sampled_from([None, 3]),
)
RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(
            [RuleAction.BOOST, RuleAction.BURY, RuleAction.EXCLUDE] * 2 + [*RuleAction]
        ).filter(lambda action: action is not RuleAction.PIN),
        MATCHES,
        factor_ppm=st.sampled_from([1_300_000, 700_000, 40_000, 90_000_000]),
        placements=st.sampled_from([(), (Placement.HOME,), (Placement.CART,)]),
        starts_at=st.sampled_from([None, BEGAN_AT, BEGAN_AT + HOUR]),
    ),
    max_size=5,
).map(tuple)
ITEMS = st.builds(
    catalogue_item,
    st.sampled_from([*NAMES, BEYOND]),
    available=st.booleans(),
    category=st.sampled_from(["", "C", "C > D", "C>D > F", "E", "CD"]),
    brand=st.sampled_from(["", "Clay", "Oak"]),
    price_minor=st.sampled_from([0, 99, 100, 400, 401]),
    cost_minor=st.sampled_from([None, 75, 300]),
    stock=st.sampled_from([None, 0, 3, 4]),
)


def discounts(dial):
    return np.linspace(dial, 1, len(ROWS), dtype=np.float32)


@given(
    st.lists(st.lists(ITEMS, min_size=1, max_size=4), min_size=1, max_size=4),
    RULES,
    st.sampled_from([Placement.HOME, Placement.CART]),
    st.sampled_from([1, FEW_ITEMS]),
    st.integers(0, 4),
)
def test_arrays_say_what_the_rules_say_of_each_item(
    batches, rules, placement, few, swap_at
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.serving.rules.FEW_ITEMS", few)
        catalogue, view = CatalogueSnapshot().with_rules(rules, 1), None
        for revision, batch in enumerate(batches, 1):
            changes = [replace(item, revision=revision) for item in batch]
            catalogue = catalogue.with_changes(changes, revision)
            vocabulary = EARLIER if revision <= swap_at else VOCABULARY
            view = CatalogueView(vocabulary, catalogue, view)
            view.rules(placement, BEGAN_AT).worth_at(0.5, discounts)
        view = CatalogueView(VOCABULARY, catalogue, view)
        found = view.rules(placement, BEGAN_AT)
    in_force = rules_in_force(rules, placement, BEGAN_AT)
    for row, name in enumerate(ROWS):
        item = catalogue.get(name)
        assert found.allowed[row] == (
            item is not None and is_showable(item) and in_force.allows(item)
        )
        if item is not None:
            assert found.factor[row] == np.float32(in_force.factor(item))
    worth = found.worth_at(0.5, discounts)
    assert worth.tolist() == (found.allowed * found.factor * discounts(0.5)).tolist()
    fresh = CatalogueView(VOCABULARY, catalogue)
    for category in ("C", "C > D"):
        assert view.category(category).tolist() == fresh.category(category).tolist()


def test_rules_that_change_take_effect_at_the_next_revision() -> None:
    item = catalogue_item("a", category="C", revision=1)
    before = CatalogueView(VOCABULARY, catalogue_of(item))
    assert before.rules(Placement.HOME, BEGAN_AT).allowed[0]
    hidden = rule(RuleAction.EXCLUDE, RuleMatch(categories=("C",)))
    after = before.catalogue.with_rules((hidden,), 2).with_changes([], 2)
    view = CatalogueView(VOCABULARY, after, before)
    assert not view.rules(Placement.HOME, BEGAN_AT).allowed[0]
    assert view.showable[0]
    assert before.rules(Placement.HOME, BEGAN_AT).allowed[0]


def test_a_window_that_opens_is_followed_and_prepared_beforehand() -> None:
    opens_at = BEGAN_AT + HOUR
    hidden = rule(RuleAction.EXCLUDE, RuleMatch(item_ids=("a",)), starts_at=opens_at)
    item = catalogue_item("a")
    view = CatalogueView(VOCABULARY, catalogue_of(item, rules=(hidden,)))
    now = view.rules(Placement.HOME, BEGAN_AT)
    assert now.allowed[0]
    assert now.valid_until == opens_at
    view.prepare(opens_at - dt.timedelta(seconds=2 * AHEAD_SECONDS))
    size = view.nbytes
    view.prepare(opens_at - dt.timedelta(seconds=AHEAD_SECONDS / 2))
    assert view.nbytes > size
    assert view.rules(Placement.HOME, opens_at - dt.timedelta(microseconds=1)).allowed[0]
    assert not view.rules(Placement.HOME, opens_at).allowed[0]
    # Without preparing, and back in time, the answer is the same.
    fresh = CatalogueView(VOCABULARY, view.catalogue)
    assert not fresh.rules(Placement.HOME, opens_at).allowed[0]
    assert view.rules(Placement.HOME, BEGAN_AT).allowed[0]


def test_placements_with_the_same_rules_share_their_arrays() -> None:
    everywhere = rule(RuleAction.EXCLUDE, RuleMatch(item_ids=("a",)))
    first = catalogue_of(catalogue_item("a", revision=1), rules=(everywhere,))
    view = CatalogueView(VOCABULARY, first)
    home, cart = (view.rules(one, BEGAN_AT) for one in (Placement.HOME, Placement.CART))
    assert home.allowed is cart.allowed
    changed = first.with_changes([catalogue_item("b", revision=2)], 2)
    later = CatalogueView(VOCABULARY, changed, view)
    home, cart = (later.rules(one, BEGAN_AT) for one in (Placement.HOME, Placement.CART))
    assert home.allowed is cart.allowed
    assert home.allowed.tolist() == [False, True, False, False, False]


def test_only_pins_that_may_be_shown_are_told() -> None:
    pins = tuple(
        rule(RuleAction.PIN, RuleMatch(item_ids=(name,)), rule_id=name, position=place)
        for place, name in enumerate(["a", "b", "ba", "missing", BEYOND], 1)
    )
    others = (
        rule(RuleAction.EXCLUDE, RuleMatch(item_ids=("b",))),
        rule(RuleAction.INCLUDE_ONLY, RuleMatch(brands=("Clay",))),
    )
    items = [catalogue_item("a"), catalogue_item("b"), catalogue_item(BEYOND)]
    sold_out = catalogue_item("ba", stock=0)
    view = CatalogueView(VOCABULARY, catalogue_of(*items, sold_out, rules=(*pins, *others)))
    found = view.rules(Placement.HOME, BEGAN_AT)
    assert found.pins == ((1, "a"), (5, BEYOND))
    assert not found.allowed.any()
    sold = replace(items[0], available=False, revision=2)
    later = CatalogueView(VOCABULARY, view.catalogue.with_changes([sold], 2), view)
    assert later.rules(Placement.HOME, BEGAN_AT).pins == ((5, BEYOND),)


def test_candidates_know_their_product_category_and_brand() -> None:
    clay = catalogue_item("a", category="C", brand="Clay", group_id="g")
    variant = catalogue_item("b", category="C", brand="Clay", group_id="g")
    beyond = catalogue_item(BEYOND, category="C", brand="Clay", group_id="g")
    plain = catalogue_item("z", category="")
    view = CatalogueView(VOCABULARY, catalogue_of(clay, variant, beyond, plain))
    rows = VOCABULARY.rows(["a", "b", "z"])
    known = view.candidates(rows, np.array([0.3, 0.2, 0.1], np.float32))
    new = view.candidates_beyond([beyond], np.array([0.4], np.float32))
    assert known.products[0] == known.products[1] == new.products[0] == product_code(clay)
    assert known.categories.tolist() == [known.categories[0]] * 2 + [0]
    assert new.categories[0] == known.categories[0] != 0
    assert new.brands[0] == known.brands[0] != 0
    assert known.hashes.tolist() == [item_hash("a"), item_hash("b"), item_hash("z")]
    nothing = np.zeros(0, np.int64)
    assert choose(known.beside(new), n=4, in_hand=nothing).tolist() == [3, 2]


def test_the_columns_of_an_earlier_view_stay_as_they_were() -> None:
    first = CatalogueView(VOCABULARY, catalogue_of(catalogue_item("a", revision=1)))
    sold_out = catalogue_item("a", stock=0, category="New", revision=2)
    second = CatalogueView(VOCABULARY, first.catalogue.with_changes([sold_out], 2), first)
    assert first.showable[0]
    assert not second.showable[0]


def test_places_tell_of_each_id_where_it_is() -> None:
    assert VOCABULARY.places(["z", "nothing", "", "a" * 99, "a"]).tolist() == [3, -1, -1, -1, 0]
