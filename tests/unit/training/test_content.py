"""What resembles what by the catalogue's words, and neighbour lists of it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from planted import catalogue_item, interactions_of, views
from recommender.errors import InconsistentError
from recommender.records import Item
from recommender.training import content as content_module
from recommender.training.board import Board
from recommender.training.content import (
    CONTENT,
    check_content,
    content_arrays,
    index_content,
    nearest,
    vectors_of,
)
from recommender.training.content_words import features
from recommender.training.neighbours import list_givers
from recommender.training.soundness import check_source
from recommender.training.source import Query, TrainingSet

FADE = {"fade": np.array([0.5, 1.0], np.float32)}


def shown(item_id: str, title: str, **changes: Any) -> Item:
    return catalogue_item(item_id, title=title, **{"category": "", **changes})


SHELF = [
    shown("a1", "Red enamel mug"),
    shown("a2", "Blue enamel mug"),
    shown("a3", "Enamel teapot"),
    shown("b1", "Garden hose", price_minor=4_000),
    shown("b2", "Garden hose reel", price_minor=6_000),
]


def fitted(items: list[Item], met: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Fit the source where `met` are the vocabulary's items with events."""
    interactions = interactions_of(views("v", *met))
    return (
        CONTENT.fit(
            TrainingSet(interactions, content_arrays(interactions.item_ids, items)), {}, seed=0
        )
        | FADE
    )


def index_of(items: list[Item]) -> dict[str, NDArray[Any]]:
    ids = sorted(item.item_id.encode() for item in items)
    return index_content(np.array(ids), items)


def matrix(index: dict[str, NDArray[Any]]) -> sp.csr_matrix:
    parts = (index["vector_weights"], index["vector_tokens"], index["vector_offsets"])
    return sp.csr_matrix(parts, (len(index["vector_offsets"]) - 1, len(index["tokens"])))


def test_alike_items_are_neighbours_best_first() -> None:
    arrays = fitted(SHELF, ("a1", "a2", "a3", "b1", "b2"))
    starts, ids = arrays["starts"], arrays["ids"]
    assert ids[starts[0] : starts[1]].tolist()[:2] == [1, 2]
    assert ids[starts[3] : starts[4]].tolist()[0] == 4
    assert 0 not in ids[starts[0] : starts[1]]


def test_a_path_is_answered_with_what_resembles_it() -> None:
    arrays = fitted(SHELF, ("a1", "a2", "a3", "b1", "b2"))
    board = Board(1, 5)
    CONTENT.score(arrays, Query.of([0]), board, 0)
    found = dict(zip(board.candidates.tolist(), board.written[0].tolist(), strict=True))
    assert found[1] > found[2] > found.get(3, 0)
    lists = CONTENT.kernel_arrays(arrays)
    givers = list_givers(Query.of([3, 0]).arrays, lists, np.array([1, 4], np.int32))
    assert givers.tolist() == [0, 3]


def test_without_a_catalogue_the_source_says_nothing() -> None:
    arrays = fitted([], ("a", "b"))
    check_source("content", arrays, 2)
    check_content(arrays, 2)
    board = Board(1, 2)
    CONTENT.score(arrays, Query.of([0, 1]), board, 0)
    assert not board.count[0]


def test_rows_without_a_description_resemble_nothing() -> None:
    arrays = fitted(SHELF[:2], ("a1", "a2", "zz"))
    assert arrays["starts"][2] == arrays["starts"][3]
    assert 2 not in arrays["ids"]


def test_the_cosine_by_hand() -> None:
    # Prices are 0, so that each item is two words; of three items, `mug` is in two and each other
    # word in one: idf log(1 + 3/2) and log(1 + 3/1).
    items = [shown(f"i{n}", title, price_minor=0) for n, title in enumerate(("red mug", "mug top"))]
    index = index_of([*items, shown("i2", "hose reel", price_minor=0)])
    common, rare = math.log(2.5), math.log(4)
    cosine = common**2 / (common**2 + rare**2)
    ids, resemblance = nearest(
        index, matrix(index)[:1], np.ones(3, bool), own=np.array([0], np.int32), k=2
    )
    assert ids[0, 0] == 1
    assert resemblance[0].tolist() == pytest.approx([cosine**2, 0])


def test_a_late_item_has_the_vector_it_would_have_had() -> None:
    index = index_of(SHELF)
    late = vectors_of(index, [replace(SHELF[0], item_id="late")])
    assert (late @ matrix(index)[0].T).toarray().item() == pytest.approx(1)


def test_unknown_words_make_a_late_item_less_alike() -> None:
    index = index_of(SHELF)
    known, puffed = vectors_of(
        index, [shown("x", "Enamel mug"), shown("y", "Enamel mug zyx wvu tsr")]
    )
    mug = matrix(index)[0]
    assert (puffed @ mug.T).toarray().item() < (known @ mug.T).toarray().item()


def test_only_allowed_rows_are_named() -> None:
    index = index_of(SHELF)
    allowed = np.array([True, False, True, True, True])
    ids, resemblance = nearest(index, matrix(index), allowed, own=np.arange(5, dtype=np.int32), k=4)
    assert 1 not in ids[resemblance > 0]


def words() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from("mug hose red blue pot reel tin jar".split())).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words(), st.sampled_from(["", "x", "y"])), min_size=2, max_size=20))
def test_neighbours_are_those_of_the_whole_product(titles: list[tuple[str, str]]) -> None:
    items = [
        shown(f"i{n:02d}", title, brand=brand, price_minor=0)
        for n, (title, brand) in enumerate(titles)
    ]
    index = index_of(items)
    exact = (matrix(index) @ matrix(index).T).toarray()
    np.fill_diagonal(exact, 0)
    n = len(items)
    ids, resemblance = nearest(
        index, matrix(index), np.ones(n, bool), own=np.arange(n, dtype=np.int32), k=3
    )
    best = -np.sort(-exact, axis=1)[:, : min(3, n)]
    assert np.sqrt(resemblance)[:, : best.shape[1]] == pytest.approx(best, abs=1e-5)
    found = np.take_along_axis(exact, ids, axis=1)
    assert np.where(resemblance > 0, found, 0) == pytest.approx(np.sqrt(resemblance), abs=1e-5)


def test_among_many_alike_items_the_rare_words_decide() -> None:
    crowd = [shown(f"i{n:04d}", "Mug", category="Kitchen") for n in range(1_500)]
    crowd[7] = shown("i0007", "Mug ocelot", category="Kitchen")
    crowd[1_400] = shown("i1400", "Mug ocelot", category="Kitchen")
    index = index_of(crowd)
    assert len(crowd) > content_module.BUDGET
    own = np.array([7, 900], np.int32)
    ids, resemblance = nearest(index, matrix(index)[own], np.ones(1_500, bool), own=own, k=5)
    assert ids[0, 0] == 1_400
    # One that has nothing of its own still finds as many as are asked for.
    assert (resemblance[1] > 0.99).all()


def test_case_accents_and_little_words_do_not_matter() -> None:
    assert set(features(shown("a", "THÉIÈRE en fonte"))) == set(
        features(shown("b", "théière de Fonte"))
    )


def test_each_level_of_a_category_counts() -> None:
    def levels(category: str) -> set[tuple[int, float]]:
        return set(features(shown("a", "", category=category, price_minor=0)))

    running, tennis = levels("Shoes > Running"), levels("shoes>Tennis")
    assert len(running) == len(tennis) == 2
    assert running & tennis == levels("Shoes")
    assert not levels("Running") & running


@given(st.integers(1, 10_000_000), st.floats(1, 1.4))
def test_near_prices_share_a_band(price_minor: int, factor: float) -> None:
    def bands(price: int) -> set[tuple[int, float]]:
        return set(features(shown("a", "", price_minor=price)))

    assert bands(price_minor) & bands(int(price_minor * factor))


@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=40), st.integers(0, 2**62))
def test_any_text_has_features(title: str, category: str, brand: str, price: int) -> None:
    item = shown("a", title, category=category, brand=brand, price_minor=price)
    assert all(0 <= token < 2**32 and weight > 0 for token, weight in features(item))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vector_tokens", lambda array: array + 1_000),
        ("vector_tokens", lambda array: array - 1),
        ("vector_offsets", lambda array: array[:-1]),
        ("vector_offsets", lambda array: array[::-1]),
        ("vector_weights", lambda array: array[1:]),
        ("posting_weights", lambda array: array[1:]),
        ("posting_starts", lambda array: array[:-1]),
        ("idf", lambda array: array[1:]),
        ("events", lambda array: array[1:]),
    ],
)
def test_arrays_that_lead_astray_are_refused(name: str, change: Any) -> None:
    arrays = fitted(SHELF, ("a1", "a2", "a3", "b1", "b2"))
    check_content(arrays, 5)
    check_source("content", arrays, 5)
    with pytest.raises(InconsistentError) as raised:
        check_content(arrays | {name: change(arrays[name])}, 5)
    assert raised.value.code == "damaged-artifact"
