from math import log2, sqrt

import numpy as np
import pytest
import scipy.sparse as sp

from planted import GROUPS, basket, interactions_of, two_groups, views
from recommender.training.cooccurrence import (
    BOUGHT_TOGETHER,
    FOLLOWS,
    REACH,
    SHRINKAGE,
    basket_weights,
    follow_weights,
)
from recommender.training.neighbours import K, top_neighbours


def dense(blocks) -> np.ndarray:
    return sp.vstack(list(blocks)).toarray()


def test_what_follows_counts_by_one_over_distance():
    # v: a b c; w: a c. a is met twice, b once, c twice.
    interactions = interactions_of(views("v", "a", "b", "c") + views("w", "a", "c"))
    a, b, c = sqrt(2 + SHRINKAGE), sqrt(1 + SHRINKAGE), sqrt(2 + SHRINKAGE)
    expected = [
        [0, 1 / (a * b), (1 / 2 + 1) / (a * c)],
        [0, 0, 1 / (b * c)],
        [0, 0, 0],
    ]
    assert dense(follow_weights(interactions)) == pytest.approx(np.array(expected), rel=1e-6)


def test_following_ends_at_its_reach_and_at_the_end_of_a_session():
    items = [f"i{number}" for number in range(REACH + 2)]
    weights = dense(follow_weights(interactions_of(views("v", *items) + views("w", "z"))))
    assert weights[0, REACH] > 0
    assert weights[0, REACH + 1] == 0
    assert not weights[REACH + 2].any()


def test_items_of_one_basket_do_not_follow_each_other():
    interactions = interactions_of(basket("o1", "v", "a", "b") + basket("o2", "v", "c", at=9))
    weights = dense(follow_weights(interactions))
    assert weights[0, 1] == weights[1, 0] == 0
    # The first basket has two items: each counts 1/log2(1 + 2).
    share = 1 / log2(3)
    norm = sqrt(share + SHRINKAGE) * sqrt(1 + SHRINKAGE)
    assert weights[0, 2] == pytest.approx(share / norm, rel=1e-6)


def test_bought_together_is_symmetric_and_large_baskets_count_less():
    interactions = interactions_of(
        basket("o1", "", "a", "b") + basket("o2", "", "b", "c", "d", "e")
    )
    weights = dense(basket_weights(interactions))
    assert weights == pytest.approx(weights.T)
    # o1 counts 1/log2(2) = 1, o2 counts 1/log2(4) = 1/2.
    a, b, c = 1 + SHRINKAGE, 1.5 + SHRINKAGE, 0.5 + SHRINKAGE
    assert weights[0, 1] == pytest.approx(1 / sqrt(a * b), rel=1e-6)
    assert weights[1, 2] == pytest.approx(0.5 / sqrt(b * c), rel=1e-6)


def test_views_are_no_baskets():
    assert not dense(basket_weights(interactions_of(views("v", "a", "b")))).any()


@pytest.mark.parametrize("source", [FOLLOWS, BOUGHT_TOGETHER], ids=lambda source: source.name)
def test_planted_groups_are_found(source):
    interactions = interactions_of(two_groups())
    arrays = source.fit(interactions, seed=0)
    ids, scores = arrays["ids"], arrays["scores"]
    letters = np.array([item_id.decode()[0] for item_id in interactions.item_ids])
    for row, letter in enumerate(letters):
        assert set(letters[ids[row][scores[row] > 0]]) == {letter}


def test_the_next_item_of_the_walk_comes_first():
    interactions = interactions_of(two_groups())
    ids = FOLLOWS.fit(interactions, seed=0)["ids"]
    first, second = GROUPS["a"][0].encode(), GROUPS["a"][1].encode()
    row = int(np.searchsorted(interactions.item_ids, first))
    assert interactions.item_ids[ids[row, 0]] == second


def test_the_largest_weights_are_kept_best_first_with_ties_by_row():
    n = K + 30
    weights = np.full(n, 0.5, np.float32)
    weights[:5] = [9.0, 1.0, 7.0, 0.0, -1.0]
    lists = top_neighbours(iter([sp.csr_matrix(np.tile(weights, (n, 1)))]), n)
    # Row 0 leaves itself out; 3 and 4 are not positive; the rest are equal.
    assert lists["ids"][0].tolist() == [2, 1, *range(5, K + 3)]
    assert lists["scores"][0].tolist() == [7.0, 1.0, *[0.5] * (K - 2)]


def test_free_places_name_the_item_itself_at_score_zero():
    lists = top_neighbours(iter([sp.csr_matrix(np.eye(3, dtype=np.float32))]), 3)
    assert lists["ids"].tolist() == [[row] * K for row in range(3)]
    assert not lists["scores"].any()
