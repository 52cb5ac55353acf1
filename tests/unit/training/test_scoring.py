from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import GROUPS, catalogue_item, interactions_of, two_groups
from recommender.errors import InconsistentError
from recommender.training.content import content_arrays
from recommender.training.neighbours import list_givers
from recommender.training.popularity import POPULAR
from recommender.training.scoring import (
    ALL,
    LISTS,
    NOBODY,
    SOURCE_NAMES,
    SOURCES,
    Scorer,
    default_settings,
    fit_sources,
    flat_arrays,
    nested_arrays,
    new_board,
)
from recommender.training.sessions import SESSIONS, session_givers
from recommender.training.source import Query, TrainingSet

N_ITEMS = 24
ROWS = st.integers(0, N_ITEMS - 1)
EVERYTHING = np.ones(N_ITEMS, bool)


@pytest.fixture(scope="module")
def training_set():
    catalogue = [catalogue_item(item) for members in GROUPS.values() for item in members]
    interactions = interactions_of(two_groups(60))
    return TrainingSet(interactions, content=content_arrays(interactions.item_ids, catalogue))


@pytest.fixture(scope="module")
def model(training_set):
    return fit_sources(training_set, default_settings(), seed=0)


@pytest.fixture(scope="module")
def used_board():
    """One thread's board, as it is after whatever was asked before."""
    return new_board(N_ITEMS)


def answer(model, query, board, **how):
    scored = Scorer(model).score(query, board, **{"allowed": EVERYTHING} | how)
    return scored.items.tolist(), scored.parts.tolist()


def test_equal_events_and_seed_give_equal_bytes(training_set, model):
    again = fit_sources(replace(training_set), default_settings(), seed=0)
    first, second = flat_arrays(model), flat_arrays(again)
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }


def test_an_artifact_gives_back_what_was_fitted(model):
    nested = nested_arrays({"item_ids": np.arange(3), **flat_arrays(model)}, N_ITEMS)
    assert nested.keys() == set(SOURCE_NAMES)
    for name, own in model.items():
        assert nested[name] == own


@pytest.mark.parametrize("row", [-1, N_ITEMS])
def test_a_list_that_leaves_the_vocabulary_is_refused(model, row):
    ids = model["follows"]["ids"].copy()
    ids[5] = row
    arrays = flat_arrays(model) | {"follows.ids": ids}
    with pytest.raises(InconsistentError, match=r"follows\.ids") as caught:
        nested_arrays(arrays, N_ITEMS)
    assert caught.value.code == "damaged-artifact"


@given(
    path=st.lists(ROWS, max_size=8),
    before=st.lists(ROWS, max_size=8),
    hidden=st.lists(ROWS, max_size=4),
    allowed=st.sets(ROWS),
)
def test_no_request_sees_another_nor_an_item_it_may_not(
    model, used_board, path, before, hidden, allowed
):
    how = {
        "allowed": np.isin(np.arange(N_ITEMS), list(allowed)),
        "hidden": np.array(hidden, np.int32),
    }
    answer(model, Query.of(before), used_board)
    items, parts = answer(model, Query.of(path), used_board, **how)
    assert (items, parts) == answer(model, Query.of(path), new_board(N_ITEMS), **how)
    assert set(items) <= allowed - set(hidden)
    assert len(set(items)) == len(items)
    assert not items or 0 <= np.min(parts) <= np.max(parts) <= 1


@given(path=st.lists(ROWS, max_size=8))
def test_all_sources_at_once_say_what_they_say_one_by_one(model, path):
    query, together, one_by_one = Query.of(path), new_board(N_ITEMS), new_board(N_ITEMS)
    Scorer(model).write(query, together)
    for row, source in enumerate(SOURCES):
        if path or source is POPULAR:
            source.score(model[source.name], query, one_by_one, row)
    items = together.candidates
    assert set(items.tolist()) == set(one_by_one.candidates.tolist())
    other = one_by_one.written[:, one_by_one.places[items]]
    assert together.written == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("source", SOURCES, ids=SOURCE_NAMES)
def test_a_source_without_weight_is_not_asked(model, source):
    weights = ALL * np.array([name != source.name for name in SOURCE_NAMES], np.float32)
    query = Query.of([3, 2, 1])
    _, parts = answer(model, query, new_board(N_ITEMS))
    assert any(parts[SOURCES.index(source)])
    _, parts = answer(model, query, new_board(N_ITEMS), weights=weights)
    assert not any(parts[SOURCES.index(source)])


def test_a_source_that_an_older_artifact_lacks_says_nothing(model):
    older = {name: own for name, own in model.items() if name != "walk"}
    items, parts = answer(older, Query.of([3]), new_board(N_ITEMS))
    assert items
    assert not any(parts[SOURCE_NAMES.index("walk")])


def test_without_a_path_only_popularity_speaks(model):
    _, parts = answer(model, Query.of([]), new_board(N_ITEMS))
    speaking = {name for name, part in zip(SOURCE_NAMES, parts, strict=True) if any(part)}
    assert speaking == {POPULAR.name}


def test_settings_that_queries_read_travel_with_the_arrays(training_set):
    settings = default_settings()
    settings["follows"] = {**settings["follows"], "fade": (0.25, 0.5)}
    model = fit_sources(training_set, settings, seed=0)
    assert model["follows"]["fade"].tolist() == [0.25, 0.5]
    assert model["follows"]["fade"].dtype == np.float32


@given(
    path=st.lists(ROWS, max_size=8),
    asked=st.lists(st.tuples(ROWS, st.integers(NOBODY, len(SOURCES) - 1)), max_size=20),
)
def test_each_source_is_asked_who_gave_most_to_its_own_items(model, path, asked):
    query, scorer = Query.of(path), Scorer(model)
    items = np.array([item for item, _ in asked], np.int32)
    sources = np.array([source for _, source in asked], np.int64)
    own = {SOURCES.index(source): (list_givers, source) for source in LISTS}
    own[SOURCES.index(SESSIONS)] = session_givers, SESSIONS
    expected = []
    for item, source in asked:
        givers = [NOBODY]
        if source in own:
            kernel, of = own[source]
            arrays = of.kernel_arrays(model[of.name])
            givers = kernel(query.arrays, arrays, np.array([item], np.int32)).tolist()
        expected += givers
    assert scorer.givers(query, items, sources).tolist() == expected
