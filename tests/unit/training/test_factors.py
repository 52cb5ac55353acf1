import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from planted import basket, interactions_of, two_groups, views
from recommender.training import factors
from recommender.training.board import Board
from recommender.training.factors import (
    FACTORS,
    SIMILAR,
    fit_factors,
    score_folded,
)
from recommender.training.scoring import default_settings, fit_source, fit_sources, flat_arrays
from recommender.training.source import Query, TrainingSet

SETTINGS = {"factors": 8, "alpha": 10.0, "l2": 0.01, "fade": (0.9, 1.0)}


@pytest.fixture(scope="module")
def grouped():
    return TrainingSet(interactions_of(two_groups()))


@pytest.fixture(scope="module")
def arrays(grouped):
    return fit_source(FACTORS, grouped, SETTINGS, seed=3)


def letters_of(training_set):
    return np.array([item_id.decode()[0] for item_id in training_set.interactions.item_ids])


def scores_of(arrays, query):
    n_items = len(arrays["factors"])
    board = Board(1, n_items)
    board.touch(np.arange(n_items, dtype=np.int32))
    FACTORS.score(arrays, query, board, 0)
    return board.written[0].copy()


def small_matrix():
    """Forty rows over twelve columns, of which the last is never met."""
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 12)) < np.linspace(0.7, 0.1, 12)) * rng.uniform(0.5, 2, (40, 12))
    dense[:, -1] = 0
    return sp.csr_matrix(dense.astype(np.float32))


def test_the_fold_in_solves_the_whole_system():
    """The scores of factors Y, from YᵀY + λI + YᵀDY in full, against the kernel's on Z."""
    rng = np.random.default_rng(2)
    factors, l2 = rng.standard_normal((30, 6)), 2.0
    rows, extra = np.array([3, 8, 21], np.int32), np.array([0.0, 1.5, 20.0], np.float32)
    known = factors[rows]
    gram = factors.T @ factors + l2 * np.eye(6)
    visitor = np.linalg.solve(gram + (known.T * extra) @ known, known.T @ extra)
    white = np.linalg.solve(np.linalg.cholesky(gram), factors.T).T.astype(np.float32)
    part, items = np.full(30, -1, np.float32), np.arange(2, 30, dtype=np.int32)
    score_folded(white, rows, extra, items, part[:, None], 0)
    assert part[:28] == pytest.approx(np.maximum(factors[2:] @ visitor, 0), abs=1e-5)
    assert part[28:].tolist() == [-1, -1]


def test_a_fit_goes_on_where_an_earlier_one_stopped(monkeypatch):
    """Once settled, one more iteration changes little; one from random factors is far away."""
    taken = small_matrix()
    monkeypatch.setattr(factors, "ITERATIONS_ON", 1)
    settled = fit_factors(taken, SETTINGS, seed=0, iterations=200)
    on = fit_factors(taken, SETTINGS, seed=0, earlier=settled)
    anew = fit_factors(taken, SETTINGS, seed=0, iterations=1)
    # Factors may turn; what items say of each other may not.
    away = [np.abs(found @ found.T - settled @ settled.T).max() for found in (on, anew)]
    assert away[0] < away[1] / 5


def test_factors_that_do_not_fit_are_no_start():
    taken, narrow = small_matrix(), {**SETTINGS, "factors": 4}
    earlier = fit_factors(taken, narrow, seed=0)
    assert np.array_equal(
        fit_factors(taken, SETTINGS, seed=0, earlier=earlier), fit_factors(taken, SETTINGS, seed=0)
    )


def test_factors_explain_the_matrix_better_than_popularity_does():
    """Of a row's own columns the factors rank the met ones above the others."""
    taken = sp.csr_matrix(np.kron(np.eye(2), np.ones((30, 6))).astype(np.float32))
    factors = fit_factors(taken, SETTINGS | {"factors": 4}, seed=0)
    for first in (0, 6):
        part = np.zeros(12, np.float32)
        everything = np.arange(12, dtype=np.int32)
        rows = np.array([first], np.int32)
        score_folded(factors, rows, np.array([10], np.float32), everything, part[:, None], 0)
        own = np.arange(first, first + 6)
        assert part[own].min() > 3 * np.delete(part, own).max()


def test_one_l2_for_all_rows_gives_the_factors_of_the_library():
    """Of rows and columns met equally often λ is one number, which the library knows too."""
    from implicit.cpu.als import AlternatingLeastSquares

    circle = sp.csr_matrix(sum(np.roll(np.eye(20), k, axis=1) for k in range(4)), dtype=np.float32)
    settings = SETTINGS | {"factors": 5}
    l2 = 0.01 * (10.0 * 4 + 20)
    ours = fit_factors(circle, settings, seed=1)
    rng = np.random.default_rng(1)
    with threadpool_limits(1, "blas"):
        library = AlternatingLeastSquares(factors=5, regularization=l2, iterations=8)
        start = [rng.standard_normal((20, 5), np.float32) * np.float32(0.1 / 5**0.5) for _ in "ui"]
        library.user_factors, library.item_factors = start
        confidences = circle.copy()
        confidences.data[:] = 11.0
        library.fit(confidences, show_progress=False)
    theirs = library.item_factors.astype(np.float64)
    scores = theirs @ np.linalg.solve(theirs.T @ theirs + l2 * np.eye(5), theirs.T)
    assert ours @ ours.T == pytest.approx(scores, abs=1e-3)


def test_an_item_nobody_took_has_no_factors():
    factors = fit_factors(small_matrix(), SETTINGS, seed=0)
    assert factors.shape == (12, 8)
    assert not factors[-1].any()
    assert factors[:-1].any(axis=1).all()


@pytest.mark.parametrize("letter", "ab")
def test_the_path_decides_between_the_groups(grouped, arrays, letter):
    letters = letters_of(grouped)
    scores = scores_of(arrays, Query.of(np.flatnonzero(letters == letter)[:3]))
    assert scores[letters == letter].mean() > 5 * scores[letters != letter].mean()


def test_a_kind_that_weighs_nothing_teaches_nothing():
    """Everybody views one pair of items and orders another."""
    lines = [
        line
        for number in range(20)
        for line in views(f"v{number}", "a", "b") + basket(f"o{number}", f"v{number}", "c", "d")
    ]
    deaf = TrainingSet(interactions_of(lines), kind_weights=(1.0, 1.0, 0.0))
    factors = fit_source(FACTORS, deaf, SETTINGS, seed=0)["factors"]
    assert factors[:2].any(axis=1).all()
    assert np.abs(factors[2:]).max() < 0.05 * np.abs(factors[:2]).max()


@pytest.mark.parametrize("weighting", ["bm25", "tfidf", "cosine"])
def test_similar_items_share_their_takers(grouped, weighting):
    lists = SIMILAR.fit(grouped, {"weighting": weighting}, seed=0)
    letters = letters_of(grouped)
    for row, letter in enumerate(letters):
        own = slice(lists["starts"][row], lists["starts"][row + 1])
        assert set(letters[lists["ids"][own]]) == {letter}
        assert row not in lists["ids"][own]
        assert (np.diff(lists["scores"][own]) <= 0).all()


def test_equal_seeds_give_equal_bytes_and_another_seed_others(grouped):
    first, second = (FACTORS.fit(grouped, SETTINGS, seed=1)["factors"] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != FACTORS.fit(grouped, SETTINGS, seed=2)["factors"].tobytes()


def test_the_number_of_threads_changes_nothing():
    taken = small_matrix()
    several = fit_factors(taken, SETTINGS, seed=1)
    with threadpool_limits(1):
        assert fit_factors(taken, SETTINGS, seed=1).tobytes() == several.tobytes()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(basket("o1", "", "a", "b", "c"), id="only anonymous orders"),
        pytest.param(views("v", "a", "b", "c"), id="one visitor who took everything"),
        pytest.param(views("v", "a") + views("w", "b"), id="no overlap at all"),
    ],
)
def test_thin_data_gives_finite_arrays_without_warnings(lines):
    training_set = TrainingSet(interactions_of(lines))
    model = fit_sources(training_set, default_settings(), seed=0)
    for name, array in flat_arrays(model).items():
        assert np.isfinite(array).all(), name


def test_blas_threads_are_left_as_they_were(grouped):
    before = [library["num_threads"] for library in threadpool_info()]
    FACTORS.fit(grouped, SETTINGS, seed=0)
    assert [library["num_threads"] for library in threadpool_info()][: len(before)] == before
