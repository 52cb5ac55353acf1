from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import BEGAN_AT, basket, interactions_of, sessions_of, views
from recommender.training.evaluation import (
    BASKET_PROBE_ITEMS,
    CUTOFF,
    PATH_MEETINGS,
    Probe,
    basket_probes,
    cut_at,
    is_worse,
    judge,
    path_probes,
    path_query,
    tail_items,
    top_list,
    without_repeats,
)
from recommender.training.interactions import DAY_SECONDS
from recommender.training.source import Query

BEGAN = int(BEGAN_AT.timestamp())


def probe(*targets: int) -> Probe:
    return Probe(Query.of([]), np.array(targets, np.int32))


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


def test_a_shorter_cutoff_judges_the_head_of_the_lists():
    lists = np.array([shown(*range(CUTOFF))], np.int32)
    found = judge(lists, [probe(4, 15)], np.arange(30) >= 10, 30, cutoff=10).metrics
    # Place 5 of ten holds one of the two that are wanted.
    assert found["recall@10"] == 1 / 2
    assert found["mrr@10"] == 1 / 5
    assert found["ndcg@10"] == pytest.approx((1 / log2(6)) / (1 / log2(2) + 1 / log2(3)))
    assert (found["tail_share@10"], found["coverage@10"]) == (0, 10 / 30)
    assert "recall@20" not in found


def test_nothing_asked_is_nothing_measured():
    found = judge(np.zeros((0, CUTOFF), np.int32), [], np.ones(3, bool), 3)
    assert (len(found.ndcg), found.metrics) == (0, {})


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=60), st.randoms())
def test_the_top_list_is_a_plain_sort_in_which_the_first_of_equals_wins(values, chance):
    items = list(range(100, 100 + len(values)))
    chance.shuffle(items)
    plain = sorted(enumerate(values), key=lambda row: (-row[1], row[0]))
    expected = [items[place] for place, score in plain if score > 0][:CUTOFF]
    found = top_list(np.array(items, np.int32), np.array(values, np.float32))
    assert found.tolist() == shown(*expected)


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

    def told(probes):
        return [
            tuple("".join(names[row] for row in rows) for rows in (one.query.items, one.targets))
            for one in probes
        ]

    probes = path_probes(interactions, since_seconds=BEGAN + day, limit=9)
    # Newest come first; of the basket's items, which came at once, the last of the vocabulary.
    assert told(probes) == [("aba", "bcd"), ("dcbaba", "e")]
    assert probes[1].query.places.tolist() == [0, 0, 0, 1, 2, 3]
    assert probes[1].query.ages_days.tolist() == pytest.approx(
        [1, 1, 1, *(2 - minutes / 1_440 for minutes in (2, 1, 0))]
    )
    # Where what was met is hidden, b is not asked for.
    assert told(without_repeats(probes)) == [("aba", "cd"), ("dcbaba", "e")]
    assert [len(one.hidden) for one in probes] == [0, 0]
    assert [len(one.hidden) for one in without_repeats(probes)] == [3, 6]


def test_a_probe_of_nothing_but_repeats_is_asked_only_where_they_are_allowed():
    probes = path_probes(sessions_of("aba"), since_seconds=BEGAN, limit=9)
    assert [one.targets.tolist() for one in probes] == [[1], [0]]
    assert [one.targets.tolist() for one in without_repeats(probes)] == [[1]]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", ""]),
        st.sets(st.sampled_from("abcd"), min_size=1, max_size=3),
        st.integers(0, 2_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


@given(steps=STEPS, cut=st.integers(0, 20))
def test_no_probe_knows_its_answer_nor_anything_newer(steps, cut):
    """Against a plain walk over each visitor's own steps."""
    lines, at, expected = [], 0, []
    cut_at_seconds = sum(pause for _, _, pause, _ in steps[:cut])
    own: dict[str, list] = {"u": [], "v": []}
    for number, (visitor, offered, pause, is_order) in enumerate(steps):
        at += pause
        items = offered if is_order else {min(offered)}
        lines += (
            basket(f"{number:03d}", visitor, *items, at=at)
            if is_order
            else [(f"{number:03d}", 0, visitor, "", *items, at)]
        )
        if not visitor:
            continue
        if own[visitor] and at >= cut_at_seconds:
            before = [item for met in reversed(own[visitor]) for item in sorted(met, reverse=True)]
            expected.append(("".join(before), "".join(sorted(items))))
        own[visitor].append(items)
    interactions = interactions_of(lines)
    names = interactions.item_ids.astype(str)
    probes = path_probes(interactions, since_seconds=BEGAN + cut_at_seconds, limit=99)
    found = [("".join(names[one.query.items]), "".join(names[one.targets])) for one in probes]
    assert found == expected
    for one in probes:
        assert (np.diff(one.query.places) >= 0).all()
        assert (np.diff(one.query.ages_days) >= 0).all()
        assert (one.query.ages_days >= 0).all()


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


def test_a_basket_is_asked_for_its_other_items_as_one_step():
    lines = [*basket("o1", "", "a", "b", "c", "d"), *basket("o2", "", "e", "f", at=60)]
    probes = basket_probes(interactions_of(lines), since_seconds=BEGAN + 30, limit=9, seed=1)
    (one,) = probes
    assert one.query.places.tolist() == [0]
    assert one.hidden.tolist() == one.query.items.tolist()
    assert not set(one.targets) & set(one.query.items)


def test_a_path_is_the_newest_meetings_weighed_by_their_kind():
    interactions = interactions_of(
        views("v", "a") + basket("o", "v", "a", "b", at=60) + views("v", "c", at=DAY_SECONDS)
    )
    rows = np.array([3, 2, 1, 0])
    asked = path_query(interactions, rows, BEGAN + 2 * DAY_SECONDS, (0.5, 2.0, 3.0))
    assert asked.items.tolist() == [2, 1, 0, 0]
    assert asked.weights.tolist() == [0.5, 3, 3, 0.5]
    assert asked.places.tolist() == [0, 1, 1, 2]
    assert asked.ages_days.tolist() == pytest.approx([1, 2 - 60 / 86_400, 2 - 60 / 86_400, 2])


def test_a_long_path_is_cut():
    interactions = sessions_of([f"i{number:03d}" for number in range(PATH_MEETINGS + 7)])
    *_, last = path_probes(interactions, since_seconds=BEGAN, limit=9_999)
    newest_first = list(range(PATH_MEETINGS + 5, 5, -1))
    assert last.query.items.tolist() == newest_first


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
