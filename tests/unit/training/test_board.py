import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.training.board import Board, Ranked, add_lists, rank_candidates

N_ITEMS = 9
ROWS = st.integers(0, N_ITEMS - 1)
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 2.0])
LISTS = st.lists(st.dictionaries(ROWS, WEIGHTS, max_size=4), min_size=N_ITEMS, max_size=N_ITEMS)
REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "adds": st.lists(st.tuples(st.integers(0, 1), ROWS, WEIGHTS), max_size=6),
            "touched": st.lists(ROWS, max_size=4),
            "hidden": st.lists(ROWS, max_size=4),
            "allowed": st.sets(ROWS),
        }
    ),
    min_size=1,
    max_size=4,
)


def ragged(lists):
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    ids = np.array([item for one in lists for item in one], np.int32)
    scores = np.array([score for one in lists for score in one.values()], np.float32)
    return starts, ids, scores


def rank(board, *asked):
    return Ranked(*rank_candidates(board.state, *asked))


def answered(board, lists, request):
    starts, ids, scores = ragged(lists)
    for row, item, weight in request["adds"]:
        add_lists(
            np.array([item], np.int32),
            np.array([weight], np.float32),
            starts,
            ids,
            scores,
            row,
            board.state,
        )
    board.touch(np.array(request["touched"], np.int32))
    allowed = np.isin(np.arange(N_ITEMS), list(request["allowed"]))
    taken = board.take(allowed, np.array(request["hidden"], np.int32))
    return dict(zip(taken.items.tolist(), taken.parts.T.tolist(), strict=True))


def by_hand(lists, request):
    parts = {item: [0.0, 0.0] for item in request["touched"]}
    for row, item, weight in request["adds"]:
        for other, score in lists[item].items():
            parts.setdefault(other, [0.0, 0.0])[row] += weight * score
    kept = {
        item: own
        for item, own in parts.items()
        if item in request["allowed"] and item not in request["hidden"]
    }
    largest = [max((own[row] for own in kept.values()), default=0) or 1 for row in (0, 1)]
    return {item: [own[0] / largest[0], own[1] / largest[1]] for item, own in kept.items()}


@given(lists=LISTS, requests=REQUESTS)
def test_a_board_answers_one_request_after_the_other_as_if_it_were_new(lists, requests):
    """What one visitor's request wrote is never seen by the next one's."""
    board = Board(2, N_ITEMS)
    for request in requests:
        found = answered(board, lists, request)
        expected = by_hand(lists, request)
        assert found.keys() == expected.keys()
        for item, parts in expected.items():
            assert found[item] == pytest.approx(parts, rel=2e-5)
        assert not board.parts.any()
        assert (board.places == -1).all()
        assert board.count[0] == 0


def test_wiping_forgets_what_was_written():
    board = Board(2, N_ITEMS)
    board.touch(np.array([4, 2], np.int32))
    board.written[1] = 3.0
    board.wipe()
    assert not board.parts.any()
    assert (board.places == -1).all()
    assert board.candidates.tolist() == []


def test_items_have_places_in_the_order_of_their_first_touch():
    board = Board(1, N_ITEMS)
    board.touch(np.array([4, 2, 4], np.int32))
    board.touch(np.array([2, 7], np.int32))
    assert board.candidates.tolist() == [4, 2, 7]
    assert board.places[[4, 2, 7, 0]].tolist() == [0, 1, 2, -1]
    assert board.take(np.ones(N_ITEMS, bool), np.zeros(0, np.int32)).items.tolist() == [4, 2, 7]


def test_a_source_is_measured_by_its_best_candidate_that_may_be_shown():
    board = Board(1, N_ITEMS)
    board.touch(np.array([0, 1, 2], np.int32))
    board.parts[0, :3] = [8.0, 2.0, 1.0]
    taken = board.take(np.ones(N_ITEMS, bool), np.array([0], np.int32))
    # Item 0 is hidden: the largest that is left, 2, becomes 1.
    assert taken.items.tolist() == [1, 2]
    assert taken.parts[0].tolist() == pytest.approx([1.0, 0.5], rel=2e-5)


SHARES = st.floats(0.125, 1, width=32)


@given(
    parts=st.lists(st.tuples(SHARES, SHARES, SHARES), min_size=1, max_size=N_ITEMS),
    weights=st.tuples(SHARES, SHARES, st.just(0.0)),
    hidden=st.lists(ROWS, max_size=3),
    excluded=st.sets(ROWS, max_size=3),
    n=st.integers(1, N_ITEMS),
)
def test_the_rank_is_the_weighted_sum_times_the_worth(parts, weights, hidden, excluded, n):
    board = Board(3, N_ITEMS)
    rows = np.arange(len(parts), dtype=np.int32)
    board.touch(rows)
    board.written[:] = np.transpose(parts)
    worth = 1 + np.random.default_rng(7).random(N_ITEMS, np.float32)
    weights = np.array(weights, np.float32)
    ranked = rank(
        board,
        np.where(np.isin(np.arange(N_ITEMS), list(excluded)), 0, worth),
        np.array(hidden, np.int32),
        weights,
        np.ones(N_ITEMS, np.float32),
        n,
    )
    shown = np.setdiff1d(rows, [*hidden, *excluded])
    assert ranked.items.tolist() == rows.tolist()
    assert not ranked.scores[np.setdiff1d(rows, shown)].any()
    assert set(ranked.items[ranked.best].tolist()) <= set(shown.tolist())
    if len(shown):
        shares = np.zeros((len(rows), 3))
        shares[shown] = weights * np.array(parts)[shown] / np.array(parts)[shown].max(axis=0)
        expected = shares.sum(axis=1) * worth[rows]
        assert ranked.scores == pytest.approx(expected, rel=2e-5)
        largest = shares[ranked.best]
        assert largest[np.arange(len(largest)), ranked.sources] == pytest.approx(
            largest.max(axis=1)
        )
    found = sorted(ranked.scores[ranked.scores > 0].tolist(), reverse=True)
    assert ranked.scores[ranked.best].tolist() == found[:n]
    assert not board.parts.any()
    assert (board.places == -1).all()


def test_what_no_source_knows_is_ordered_by_popularity():
    board = Board(1, N_ITEMS)
    board.touch(np.array([3, 4, 5], np.int32))
    popularity = np.arange(N_ITEMS, dtype=np.float32)
    ones = np.ones(N_ITEMS, np.float32)
    ranked = rank(board, ones, np.zeros(0, np.int32), ones[:1], popularity, 2)
    assert ranked.items[ranked.best].tolist() == [5, 4]
    assert ranked.sources.tolist() == [-1, -1]
