import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from planted import GROUPS, basket, interactions_of, two_groups, views
from recommender.training import factors
from recommender.training.factors import ALPHA, FACTORS, RANK, REGULARIZATION, SIMILAR
from recommender.training.scoring import fit_sources, flat_arrays
from recommender.training.source import Pool, Query


def query(*items: int) -> Query:
    weights = np.linspace(1, 0.5, len(items), dtype=np.float32)
    return Query(np.array(items, np.int32), weights)


@pytest.fixture(scope="module")
def grouped():
    return interactions_of(two_groups())


@pytest.fixture(scope="module")
def arrays(grouped):
    return FACTORS.fit(grouped, seed=3)


def test_a_folded_in_path_scores_as_the_library_would(grouped, arrays):
    from implicit.cpu.als import AlternatingLeastSquares

    asked = query(0, 3, 5)
    with threadpool_limits(1, "blas"):
        library = AlternatingLeastSquares(factors=RANK, regularization=REGULARIZATION)
        library.item_factors = arrays["factors"]
        path = sp.csr_matrix(
            (1 + ALPHA * asked.weights, ([0, 0, 0], asked.items)), shape=(1, grouped.n_items)
        )
        visitor = library.recalculate_user(0, path)
    everything = Pool.of(np.ones(grouped.n_items, bool))
    expected = np.maximum(arrays["factors"] @ visitor, 0)
    assert FACTORS.scores(arrays, asked, everything) == pytest.approx(expected, abs=1e-4)


def test_contributions_add_up_to_the_score(arrays):
    asked = query(0, 1, 2)
    letters_a = np.arange(3, len(GROUPS["a"]), dtype=np.int32)
    pool = Pool(letters_a, len(arrays["factors"]))
    added = FACTORS.contributions(arrays, asked, letters_a)
    assert added.shape == (3, len(letters_a))
    positive = added.min(axis=0) > 0  # a negative part is shown as 0
    scores = FACTORS.scores(arrays, asked, pool)
    assert added.sum(axis=0)[positive] == pytest.approx(scores[positive], rel=1e-4)
    assert positive.any()


@pytest.mark.parametrize("letter", "ab")
def test_the_path_decides_between_the_groups(grouped, arrays, letter):
    rows = np.searchsorted(grouped.item_ids, [item.encode() for item in GROUPS[letter][:3]])
    scores = FACTORS.scores(arrays, query(*rows), Pool.of(np.ones(grouped.n_items, bool)))
    letters = np.array([item_id.decode()[0] for item_id in grouped.item_ids])
    assert scores[letters == letter].mean() > 5 * scores[letters != letter].mean()


def test_similar_items_share_their_visitors(grouped):
    lists = SIMILAR.fit(grouped, seed=0)
    letters = np.array([item_id.decode()[0] for item_id in grouped.item_ids])
    for row, letter in enumerate(letters):
        assert set(letters[lists["ids"][row][lists["scores"][row] > 0]]) == {letter}


def test_equal_seeds_give_equal_bytes_and_another_seed_others(grouped):
    first, second = (flat_arrays(fit_sources(grouped, seed=1)) for _ in range(2))
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }
    other = flat_arrays(fit_sources(grouped, seed=2))
    assert first["history.factors"].tobytes() != other["history.factors"].tobytes()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(basket("o1", "", "a", "b", "c"), id="only anonymous orders"),
        pytest.param(views("v", "a", "b", "c"), id="one visitor who took everything"),
        pytest.param(views("v", "a") + views("w", "b"), id="no overlap at all"),
    ],
)
def test_thin_data_gives_finite_arrays_without_warnings(lines):
    for name, array in flat_arrays(fit_sources(interactions_of(lines), seed=0)).items():
        assert np.isfinite(array).all(), name


def test_blas_threads_are_left_as_they_were(grouped):
    from threadpoolctl import threadpool_info

    before = [library["num_threads"] for library in threadpool_info()]
    factors.FACTORS.fit(grouped, seed=0)
    assert [library["num_threads"] for library in threadpool_info()][: len(before)] == before
