import numpy as np
import pytest

from planted import GROUPS, basket, interactions_of, two_groups, views
from recommender.training.event_weights import EQUAL, PRIOR, learn_kind_weights
from recommender.training.interactions import DAY_SECONDS, Kind

HOUR_SECONDS = 3_600


def carts(visitor: str, *items: str, at: int) -> list:
    return [
        (f"{visitor}-c{at}-{item}", Kind.CART, visitor, "", item, at + place)
        for place, item in enumerate(items)
    ]


def furniture_shop(n_visitors: int = 250) -> list:
    """Visitors who carted one group and bought the other, and then look at what they carted."""
    rng = np.random.default_rng(5)
    lines = []
    for number in range(n_visitors):
        wanted, bought = (GROUPS[letter] for letter in ("ab", "ba")[number % 2])
        at, visitor = number * HOUR_SECONDS, f"v{number}"
        seen = rng.permutation(wanted)
        # Members of a group share their visitors; that is what makes them alike.
        lines += views(f"w{number}", *rng.permutation(wanted)[:6], at=at)
        lines += basket(f"o{number}", visitor, *rng.permutation(bought)[:4], at=at)
        lines += carts(visitor, *seen[:2], at=at + 600)
        lines += views(visitor, *seen[2:5], at=at + 2 * DAY_SECONDS)
    return sorted(lines, key=lambda line: line[5])


@pytest.fixture(scope="module")
def furniture():
    return interactions_of(furniture_shop())


@pytest.fixture(scope="module")
def learned(furniture):
    return learn_kind_weights(furniture)


def test_what_leads_on_weighs_more_than_what_is_over_and_done(learned):
    view, cart, order = learned
    assert order < min(view, cart)


def test_the_mean_interaction_counts_one(furniture, learned):
    assert np.array(learned)[furniture.kind].mean() == pytest.approx(1)


def test_equal_interactions_give_equal_weights(furniture, learned):
    assert learn_kind_weights(furniture) == learned


def test_a_small_shop_gets_the_prior():
    interactions = interactions_of(two_groups(30))
    view, cart, order = learn_kind_weights(interactions)
    assert (cart / view, order / view) == pytest.approx((PRIOR[1], PRIOR[2]))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(views("v", "a", "b"), id="views alone"),
        pytest.param(basket("o", "v", "a", "b"), id="orders alone"),
    ],
)
def test_one_kind_alone_counts_one(lines):
    assert learn_kind_weights(interactions_of(lines)) == EQUAL


def test_a_kind_that_never_happened_keeps_its_prior():
    lines = [line for line in furniture_shop() if line[1] != Kind.CART]
    view, cart, _ = learn_kind_weights(interactions_of(lines))
    assert cart / view == pytest.approx(PRIOR[Kind.CART])
