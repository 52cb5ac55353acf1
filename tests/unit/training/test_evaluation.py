from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import BEGAN_AT, basket, interactions_of, views
from recommender.training.evaluation import (
    BASKET_PROBE_ITEMS,
    CUTOFF,
    PATH_DECAY,
    PATH_ITEMS,
    Probe,
    basket_probes,
    cut_at,
    is_worse,
    judge,
    path_probes,
    path_query,
    tail_items,
    top_list,
)
from recommender.training.interactions import DAY_SECONDS

BEGAN = int(BEGAN_AT.timestamp())


def probe(*targets: int) -> Probe:
    return Probe(path_query([]), np.array(targets, np.int32), 0)


def shown(*items: int) -> list[int]:
    return [*items, *[-1] * (CUTOFF - len(items))]


def test_metrics_of_a_hand_computed_example():
    # Ten items, 0 and 1 are the head. Three questions:
    #   list 0 1 2, wanted 1 and 5 → a hit in place 2 of 2 wanted
    #   list 3,     wanted 3       → a hit in place 1
    #   list 0 4,   wanted 9       → none
    lists = np.array([shown(0, 1, 2), shown(3), shown(0, 4)], np.int32)
    probes = [probe(1, 5), probe(3), probe(9)]
    tail = np.arange(10) >= 2
    found = judge(lists, probes, tail, n_known=8).metrics
    first = (1 / log2(3)) / (1 / log2(2) + 1 / log2(3))
    assert found["recall@20"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["ndcg@20"] == pytest.approx((first + 1 + 0) / 3)
    assert found["mrr@20"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["hit_rate@20"] == pytest.approx(2 / 3)
    # Shown are 0 1 2 3 0 4: three of six in the tail. Wanted are 1 5 3 9: three of four.
    assert found["tail_share@20"] == pytest.approx(3 / 6)
    assert found["target_tail_share"] == pytest.approx(3 / 4)
    # Five of the eight known items were shown, item 0 twice.
    assert found["coverage@20"] == pytest.approx(5 / 8)
    # Counts 0 0 0 1 1 1 1 2 in rising order: Σ (2·rank − 9)·count / (8 · 6)
    #   = (−1 + 1 + 3 + 5 + 2·7) / 48
    assert found["gini@20"] == pytest.approx(22 / 48)


def test_recall_can_reach_one_with_more_targets_than_places():
    wanted = probe(*range(30))
    lists = np.array([list(range(CUTOFF))], np.int32)
    found = judge(lists, [wanted], np.ones(30, bool), n_known=30).metrics
    assert found["recall@20"] == found["ndcg@20"] == 1


def test_an_equal_share_for_all_has_no_concentration_and_one_item_for_all_has_most():
    even = np.array([list(range(20)), list(range(20, 40))], np.int32)
    assert judge(even, [probe(0)] * 2, np.ones(40, bool), 40).metrics["gini@20"] == pytest.approx(0)
    same = np.array([shown(0)] * 9, np.int32)
    found = judge(same, [probe(0)] * 9, np.ones(40, bool), 40).metrics
    assert found["gini@20"] == pytest.approx(39 / 40)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=60))
def test_the_top_list_is_a_plain_sort(values):
    scores = np.array(values, np.float32)
    items = np.arange(100, 100 + len(values), dtype=np.int32)
    plain = sorted(zip(-scores, items, strict=True))
    expected = [int(item) for score, item in plain if score < 0][:CUTOFF]
    assert top_list(items, scores).tolist() == shown(*expected)


def test_the_cut_leaves_the_newest_share_behind_it():
    interactions = interactions_of(views("v", *"abcdefghij"))
    assert len(interactions.before(cut_at(interactions, 0.2))) == 8


def test_a_path_probe_knows_only_what_came_before():
    day = DAY_SECONDS
    interactions = interactions_of(
        views("v", "a", "b", "a")
        + views("w", "z", at=500)
        + basket("o1", "v", "b", "c", "d", at=day)
        + views("v", "e", at=2 * day)
    )
    names = dict(enumerate("abcdez"))
    asked = [
        ("".join(names[row] for row in one.query.items), "".join(names[row] for row in one.targets))
        for one in path_probes(interactions, since_seconds=BEGAN + day, limit=9)
    ]
    # The basket repeats b, which is on the path: only c and d are asked for. Newest come first;
    # of the basket's items, which came at once, the order is the vocabulary's.
    assert asked == [("ab", "cd"), ("dcba", "e")]


def test_the_first_step_of_a_visitor_asks_nothing():
    interactions = interactions_of(views("v", "a") + views("w", "b", at=60))
    assert path_probes(interactions, since_seconds=BEGAN, limit=9) == []


def test_without_a_visitor_a_told_session_is_a_path():
    interactions = interactions_of(views("", "a", "b", session="s") + views("", "c", at=99))
    (one,) = path_probes(interactions, since_seconds=BEGAN, limit=9)
    assert (one.query.items.tolist(), one.targets.tolist()) == ([0], [1])


def test_probes_beyond_the_limit_are_spread_over_time():
    items = [f"i{number:02d}" for number in range(41)]
    interactions = interactions_of(views("v", *items))
    probes = path_probes(interactions, since_seconds=BEGAN, limit=5)
    assert [int(one.targets[0]) for one in probes] == [1, 10, 20, 30, 40]


def test_basket_probes_split_a_basket():
    interactions = interactions_of(
        basket("big", "", *(f"i{number:02d}" for number in range(12)))
        + basket("two", "", "x", "y", at=60)
        + basket("one", "", "z", at=120)
        + views("v", "p", "q", at=180)
    )
    big, two = basket_probes(interactions, since_seconds=BEGAN, limit=9, seed=1)
    assert len(big.query.items) == BASKET_PROBE_ITEMS
    assert len(big.targets) == 12 - BASKET_PROBE_ITEMS
    assert sorted([*big.query.items, *big.targets]) == list(range(12))
    assert (len(two.query.items), len(two.targets)) == (1, 1)
    again = basket_probes(interactions, since_seconds=BEGAN, limit=9, seed=1)[0]
    assert again.query.items.tolist() == big.query.items.tolist()


def test_a_path_decays_and_is_cut():
    asked = path_query(list(range(PATH_ITEMS + 5)))
    assert len(asked.items) == PATH_ITEMS
    assert asked.weights[:3] == pytest.approx([1, PATH_DECAY, PATH_DECAY**2])


def test_the_tail_is_what_the_most_popular_fifth_leaves():
    lines = [
        line
        for number in range(10)
        for times in range(10 - number)
        for line in views(f"v{number}-{times}", f"i{number}")
    ]
    assert tail_items(interactions_of(lines)).tolist() == [False, False, *[True] * 8]


def test_worse_means_beyond_tolerance_and_beyond_chance():
    rng = np.random.default_rng(5)
    theirs = rng.random(400)
    assert is_worse(theirs - 0.1, theirs, tolerance=0.05)
    assert not is_worse(theirs - 0.02, theirs, tolerance=0.05), "2 of 50 points are tolerated"
    assert not is_worse(theirs, theirs, tolerance=0.0)
    noisy = theirs + rng.normal(-0.02, 1.0, 400)
    assert not is_worse(noisy, theirs, tolerance=0.0), "lost within chance"
