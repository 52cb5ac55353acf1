from collections import Counter, defaultdict
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import GROUPS, basket, interactions_of, sessions_of, two_groups
from recommender.training.cooccurrence import (
    BASKET_WINDOW,
    BOUGHT_TOGETHER,
    FOLLOWS,
    NEWEST,
    REACH_STEPS,
    SUPPORT_MIN,
    WALK,
)
from recommender.training.neighbours import K
from recommender.training.source import TrainingSet

PLAIN = {"step": 0.5, "backward": 0.25, "own_power": 0.0, "other_power": 0.0, "shrinkage": 0.0}
DAMPED = {"step": 0.7, "backward": 0.5, "own_power": 0.7, "other_power": 0.3, "shrinkage": 2.0}
BASKETS = {"own_power": 0.5, "other_power": 0.5, "shrinkage": 0.0, "support": SUPPORT_MIN}


def learned(source, interactions, settings):
    """Weights by pair of item names."""
    arrays = source.fit(TrainingSet(interactions), settings, seed=0)
    names = interactions.item_ids.astype(str)
    sizes = np.diff(arrays["starts"])
    pairs = zip(np.repeat(names, sizes), names[arrays["ids"]], strict=True)
    return dict(zip(pairs, arrays["scores"].tolist(), strict=True))


def damped(sums, times, settings):
    own, other, sigma = (settings[name] for name in ("own_power", "other_power", "shrinkage"))
    return {
        (i, j): value / ((times[i] + sigma) ** own * (times[j] + sigma) ** other)
        for (i, j), value in sums.items()
        if value > 0
    }


def follow_weights(sequences, settings):
    """Sum the meetings of each pair, sequence by sequence, as the formula says."""
    sums = defaultdict(float)
    for steps in sequences:
        for here, own in enumerate(steps):
            for there, others in enumerate(steps):
                distance = abs(there - here)
                if not 1 <= distance <= REACH_STEPS:
                    continue
                weight = settings["step"] ** (distance - 1) / sqrt(len(own) * len(others))
                weight *= 1.0 if there > here else settings["backward"]
                for i in own:
                    for j in others:
                        sums[i, j] += weight * (i != j)
    times = Counter(item for steps in sequences for step in steps for item in step)
    return damped(sums, times, settings)


def basket_weights(baskets, settings):
    sums, shared = defaultdict(float), Counter()
    for items in baskets:
        for i in items:
            for j in items:
                sums[i, j] += 1 / len(items)
                shared[i, j] += 1
    kept = {pair: value for pair, value in sums.items() if shared[pair] >= settings["support"]}
    return damped(kept, Counter(item for items in baskets for item in items), settings)


STEPS = st.lists(
    st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=3, unique=True),
    min_size=1,
    max_size=14,
)


def orders_of(sequences):
    """One customer a sequence, one order a step."""
    return interactions_of(
        line
        for number, steps in enumerate(sequences)
        for place, items in enumerate(steps)
        for line in basket(f"o{number}-{place}", f"v{number}", *items, at=100 * number + place)
    )


def test_what_follows_counts_by_its_distance_and_what_precedes_less():
    # v: a b c; w: a c.
    found = learned(FOLLOWS, sessions_of("abc", "ac"), PLAIN)
    assert found == {
        ("a", "b"): 1.0,
        ("a", "c"): 0.5 + 1.0,
        ("b", "c"): 1.0,
        ("b", "a"): 0.25,
        ("c", "a"): 0.25 * 0.5 + 0.25,
        ("c", "b"): 0.25,
    }


def test_often_met_items_count_less():
    # a is met twice, b once.
    settings = PLAIN | {"own_power": 1.0, "other_power": 0.5, "shrinkage": 1.0}
    found = learned(FOLLOWS, sessions_of("ab", "a"), settings)
    assert found["a", "b"] == pytest.approx(1 / ((2 + 1) ** 1.0 * (1 + 1) ** 0.5))
    assert found["b", "a"] == pytest.approx(0.25 / ((1 + 1) ** 1.0 * (2 + 1) ** 0.5))


@given(sequences=st.lists(STEPS, min_size=1, max_size=4), settings=st.sampled_from([PLAIN, DAMPED]))
def test_what_follows_is_the_formula(sequences, settings):
    expected = follow_weights(sequences, settings)
    found = learned(FOLLOWS, orders_of(sequences), settings)
    assert found == pytest.approx(expected, rel=1e-4)


@given(sequences=st.lists(STEPS, min_size=1, max_size=4))
def test_bought_together_is_the_formula(sequences):
    expected = basket_weights([items for steps in sequences for items in steps], BASKETS)
    found = learned(BOUGHT_TOGETHER, orders_of(sequences), BASKETS)
    assert found == pytest.approx(expected, rel=1e-4)
    # With equal powers it is symmetric.
    assert found == pytest.approx({(j, i): weight for (i, j), weight in found.items()}, rel=1e-4)


@given(sequences=st.lists(STEPS, min_size=1, max_size=3), width=st.integers(1, 4))
def test_a_walk_is_two_steps_over_the_lists(sequences, width):
    interactions = orders_of(sequences)
    names = interactions.item_ids.astype(str).tolist()
    one_step = np.zeros((len(names), len(names)))
    taken = Counter()
    # Lists come best first; only the nearest `width` are walked.
    for (i, j), weight in learned(FOLLOWS, interactions, DAMPED).items():
        if taken[i] < width:
            one_step[names.index(i), names.index(j)] = weight
        taken[i] += 1
    sums = one_step.sum(axis=1, keepdims=True)
    chances = np.divide(one_step, sums, out=np.zeros_like(one_step), where=sums > 0)
    two_steps = chances @ chances
    expected = {
        (names[i], names[j]): two_steps[i, j]
        for i, j in zip(*np.nonzero(two_steps), strict=True)
        if i != j
    }
    found = learned(WALK, interactions, DAMPED | {"walk_ids": width})
    assert found == pytest.approx(expected, rel=1e-4)


def test_following_ends_at_its_reach_and_at_the_end_of_a_session():
    items = [f"i{number:02d}" for number in range(REACH_STEPS + 2)]
    found = learned(FOLLOWS, sessions_of(items, ["z"]), PLAIN)
    assert (items[0], items[REACH_STEPS]) in found
    assert (items[0], items[REACH_STEPS + 1]) not in found
    assert not any("z" in pair for pair in found)


def test_items_of_one_basket_do_not_follow_each_other():
    found = learned(FOLLOWS, orders_of([[["a", "b"], ["c"]]]), PLAIN)
    # An item of a step of two counts 1/√2.
    expected = {("a", "c"): 1.0, ("b", "c"): 1.0, ("c", "a"): 0.25, ("c", "b"): 0.25}
    assert found == pytest.approx({pair: value / sqrt(2) for pair, value in expected.items()})


def test_one_shared_basket_is_an_accident():
    found = learned(BOUGHT_TOGETHER, orders_of([[["a", "b"], ["a", "c"], ["a", "b"]]]), BASKETS)
    # a and b share two baskets of two items: (1/2 + 1/2) / √(3 · 2). c was bought once.
    assert found == pytest.approx(
        {
            ("a", "b"): 1 / sqrt(3 * 2),
            ("b", "a"): 1 / sqrt(3 * 2),
            ("a", "a"): 1.5 / sqrt(3 * 3),
            ("b", "b"): 1 / sqrt(2 * 2),
        }
    )


def test_views_are_no_baskets():
    assert not learned(BOUGHT_TOGETHER, sessions_of("ab", "ab", "ab"), BASKETS)


def test_only_the_newest_meetings_of_an_item_count():
    found = learned(FOLLOWS, sessions_of("ax", *["ab"] * NEWEST), PLAIN)
    assert ("a", "b") in found
    assert ("a", "x") not in found
    assert ("x", "a") in found, "x itself was met once"


def test_a_huge_basket_is_looked_at_in_a_window():
    items = [f"i{number:03d}" for number in range(BASKET_WINDOW + 2)]
    found = learned(BOUGHT_TOGETHER, orders_of([[items, items]]), BASKETS)
    mates = {mate for own, mate in found if own == items[0]}
    assert len(mates) == K, "a list is no longer than this"
    assert items[-1] not in mates


@pytest.mark.parametrize("source", [FOLLOWS, WALK, BOUGHT_TOGETHER], ids=lambda source: source.name)
def test_planted_groups_are_found(source):
    found = learned(source, interactions_of(two_groups()), source.fit_trials[0])
    assert len({own for own, _ in found}) == len(GROUPS["a"]) + len(GROUPS["b"])
    assert all(own[0] == mate[0] for own, mate in found)


def test_the_next_item_of_the_walk_comes_first():
    found = learned(FOLLOWS, interactions_of(two_groups()), FOLLOWS.fit_trials[0])
    first, second = GROUPS["a"][:2]
    own = {mate: weight for (item, mate), weight in found.items() if item == first}
    assert max(own, key=own.__getitem__) == second
