import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import sessions_of
from recommender.training.board import Board
from recommender.training.cooccurrence import FOLLOWS
from recommender.training.neighbours import (
    as_lists,
    keep_largest,
    largest_giver,
    list_givers,
    occurrences,
    row_blocks,
)
from recommender.training.scoring import fit_source
from recommender.training.source import Query, TrainingSet

GRID = st.sampled_from([0.25, 0.5, 1.0, 2.0])
SETTINGS = FOLLOWS.fit_trials[0] | {"fade": (0.5, 1.0)}


def block(*rows):
    """Lists of two places: (item, score) pairs, best first."""
    padded = [[*row, *[(0, 0.0)] * (2 - len(row))] for row in rows]
    ids = np.array([[item for item, _ in row] for row in padded], np.int32)
    return ids, np.array([[score for _, score in row] for row in padded], np.float32)


def test_blocks_become_ragged_lists_without_what_scores_nothing():
    lists = as_lists([block([(1, 0.5), (2, 0.25)], []), block([(0, 1.0)])], 3)
    assert lists["starts"].tolist() == [0, 2, 2, 3]
    assert lists["ids"].tolist() == [1, 2, 0]
    assert lists["scores"].tolist() == [0.5, 0.25, 1.0]


def test_a_source_that_found_nothing_at_all_has_empty_lists():
    lists = as_lists([], 3)
    assert lists["starts"].tolist() == [0, 0, 0, 0]
    assert (len(lists["ids"]), len(lists["scores"])) == (0, 0)


@pytest.mark.parametrize("n_items", [0, 1, 8_192, 20_000])
def test_blocks_of_rows_cover_every_item_once(n_items):
    rows = [row for first, end in row_blocks(n_items) for row in range(first, end)]
    assert rows == list(range(n_items))


@given(values=st.dictionaries(st.integers(0, 29), GRID, max_size=20), n=st.integers(1, 12))
def test_the_largest_are_kept_best_first_with_ties_by_item(values, n):
    row = np.zeros(30, np.float32)
    touched = np.zeros(30, np.int32)
    touched[: len(values)] = list(values)
    for item, value in values.items():
        row[item] = value
    ids, scores = np.full(n, -1, np.int32), np.zeros(n, np.float32)
    keep_largest(row, touched, len(values), ids, scores)
    best = sorted(values, key=lambda item: (-values[item], item))[:n]
    assert ids[: len(best)].tolist() == best
    assert scores[: len(best)].tolist() == [values[item] for item in best]
    assert set(ids[len(best) :].tolist()) <= {-1}


@given(st.lists(st.integers(0, 5), max_size=30))
def test_occurrences_are_found_oldest_first(items):
    starts, positions = occurrences(np.array(items, np.int32), 6)
    for item in range(6):
        own = positions[starts[item] : starts[item + 1]].tolist()
        assert own == [place for place, found in enumerate(items) if found == item]


def test_who_gave_most_is_named_and_nobody_where_nobody_gave():
    added = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, 1.0]], np.float32)
    assert largest_giver(np.array([7, 8], np.int32), added).tolist() == [8, -1, 7]
    assert largest_giver(np.zeros(0, np.int32), added[:0]).tolist() == [-1, -1, -1]


@pytest.fixture(scope="module")
def arrays():
    walked = sessions_of("abcd", "bda", "cab", "dbc", "acbd")
    return fit_source(FOLLOWS, TrainingSet(walked), SETTINGS, seed=0)


def lists_of(arrays, item):
    own = slice(arrays["starts"][item], arrays["starts"][item + 1])
    return dict(zip(arrays["ids"][own].tolist(), arrays["scores"][own].tolist(), strict=True))


@given(path=st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_a_path_scores_the_sum_of_its_items_lists_and_names_the_largest(arrays, path):
    sums, largest = dict.fromkeys(range(4), 0.0), {}
    for row in set(path):
        weight = sum(0.5**place for place, item in enumerate(path) if item == row)
        for other, score in lists_of(arrays, row).items():
            sums[other] += weight * score
            largest.setdefault(other, {})[row] = weight * score
    board = Board(1, 4)
    FOLLOWS.score(arrays, Query.of(path), board, 0)
    found = dict(zip(board.candidates.tolist(), board.written[0].tolist(), strict=True))
    assert found.keys() == largest.keys()
    assert found == pytest.approx({other: sums[other] for other in found}, rel=1e-5)
    items = np.arange(4, dtype=np.int32)
    lists = FOLLOWS.kernel_arrays(arrays)
    named = list_givers(Query.of(path).arrays, lists, items).tolist()
    for item in range(4):
        given_by = largest.get(item, {-1: 0.0})
        assert given_by[named[item]] == pytest.approx(max(given_by.values()), rel=1e-5)
