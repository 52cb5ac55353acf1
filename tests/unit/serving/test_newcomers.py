"""Items that the training has not seen: what they resemble, score, and who speaks for them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planted import catalogue_item, interactions_of, views
from recommender.records import Item
from recommender.serving import columns
from recommender.serving import newcomers as newcomers_module
from recommender.serving.columns import Vocabulary
from recommender.serving.newcomers import SHRINKAGE, Newcomers, let_speak
from recommender.training.content import CONTENT, content_arrays
from recommender.training.source import Query, TrainingSet

MUGS = ("Red enamel mug", "Blue enamel mug", "White enamel mug")
HOSES = ("Garden hose", "Garden hose reel")


def shown(item_id: str, title: str, **changes: Any) -> Item:
    return catalogue_item(item_id, **{"title": title, "category": "", **changes})


SHELF = [shown(f"a{n}", title) for n, title in enumerate(MUGS)] + [
    shown(f"b{n}", title) for n, title in enumerate(HOSES)
]
MUG = shown("n-mug", "Green enamel mug", revision=2)
HOSE = shown("n-hose", "Long garden hose", revision=3)
NOBODY = np.zeros(0, np.float32)


def opened(*met: str) -> Newcomers:
    """Return an artifact's newcomers, none yet; of the shelf, `met` have events."""
    interactions = interactions_of(views("v", *(item.item_id for item in SHELF)))
    arrays = CONTENT.fit(
        TrainingSet(interactions, content_arrays(interactions.item_ids, SHELF)), {}, seed=0
    )
    arrays["fade"] = np.array([0.5, 1.0], np.float32)
    if met:
        arrays["events"] = np.array([item.item_id in met for item in SHELF], np.int32)
    return Newcomers(arrays, Vocabulary(interactions.item_ids))


def scores(newcomers: Newcomers, query: Query, given: dict[int, float]) -> dict[str, float]:
    items = np.array(list(given), np.int32)
    estimates = newcomers.score(query, items, np.array(list(given.values()), np.float32))
    return {item.item_id: float(one) for item, one in zip(newcomers.items, estimates, strict=True)}


def spoken(newcomers: Newcomers, query: Query, item_ids: list[str]) -> tuple[Query, dict[int, str]]:
    """Return a query with stand-ins, and for each the item it speaks for."""
    known, resembled = newcomers.speaking
    ids = [item.item_id for item in newcomers.items]
    places = [ids.index(one) if one in ids else -1 for one in item_ids]
    stood, (rows, origins) = let_speak(query.arrays, known, np.array(places, np.int32), resembled)
    told = [item_ids[origin] for origin in origins.tolist()]
    return Query(*stood), dict(zip(rows.tolist(), told, strict=True))


def test_known_items_are_no_newcomers() -> None:
    newcomers = opened()
    assert newcomers.with_changes([replace(SHELF[0], price_minor=700)]) is newcomers
    assert [one.item_id for one in newcomers.with_changes([HOSE, SHELF[0], MUG]).items] == [
        "n-mug",
        "n-hose",
    ]


def test_a_vocabulary_tells_what_it_lacks_in_the_order_asked(monkeypatch) -> None:
    monkeypatch.setattr(columns, "CHUNK", 2)
    vocabulary = Vocabulary(np.array([b"a0", b"b0"]))
    assert list(vocabulary.lacking(["z", "a0", "", "b0", "a00", "b"])) == ["z", "", "a00", "b"]


def test_a_newcomer_scores_as_what_it_resembles() -> None:
    newcomers = opened().with_changes([MUG, HOSE])
    found = scores(newcomers, Query.of([]), {0: 0.8, 1: 0.6, 2: 0.4})
    assert 0 < found["n-mug"] < 0.8
    assert found["n-hose"] < 0.2 * found["n-mug"]


def test_the_estimate_by_hand() -> None:
    # One known item, alike but for nothing: resemblance 1, so score × 1 / (1 + shrinkage).
    shelf = [shown("a0", "Red mug"), shown("b0", "Garden hose", price_minor=0)]
    interactions = interactions_of(views("v", "a0", "b0"))
    arrays = CONTENT.fit(
        TrainingSet(interactions, content_arrays(interactions.item_ids, shelf)), {}, seed=0
    )
    arrays["fade"] = np.array([0.5, 1.0], np.float32)
    twin = replace(shelf[0], item_id="twin")
    newcomers = Newcomers(arrays, Vocabulary(interactions.item_ids)).with_changes([twin])
    alone = scores(newcomers, Query.of([]), {0: 0.6})["twin"]
    assert alone == pytest.approx(0.6 / (1 + float(SHRINKAGE)))
    # On the path, the twin's model adds the best score of all, 0.9, times its resemblance 1.
    on_path = scores(newcomers, Query.of([0]), {1: 0.9})["twin"]
    assert on_path == pytest.approx(0.9 / (1 + float(SHRINKAGE)))


def test_no_newcomer_passes_the_best_known_item() -> None:
    newcomers = opened().with_changes([MUG, HOSE])
    found = scores(newcomers, Query.of([0, 1, 2]), {0: 1.0, 1: 1.0, 2: 1.0})
    assert max(found.values()) <= 1


def test_what_may_not_be_shown_scores_nothing_but_is_still_known() -> None:
    newcomers = opened().with_changes([replace(MUG, available=False), HOSE])
    assert scores(newcomers, Query.of([0]), {1: 1.0})["n-mug"] == 0
    assert newcomers.resemblance(Query.of([0]))[0] == 0
    query, _ = spoken(newcomers, Query.of([-1]), ["n-mug"])
    assert len(query.items)


def test_without_candidates_nothing_is_expected() -> None:
    newcomers = opened().with_changes([MUG])
    assert newcomers.score(Query.of([0]), np.zeros(0, np.int32), NOBODY).tolist() == [0]
    assert len(opened().score(Query.of([0]), np.zeros(1, np.int32), np.ones(1, np.float32))) == 0


def test_changes_one_by_one_are_the_same_as_all_at_once() -> None:
    once = opened().with_changes([MUG, HOSE])
    steps = opened().with_changes([replace(MUG, title="Wool scarf", revision=1)])
    steps = steps.with_changes([HOSE]).with_changes([MUG])
    query, given = Query.of([0, 3]), {1: 0.7, 4: 0.5}
    assert scores(steps, query, given) == pytest.approx(scores(once, query, given))


def test_only_the_newest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers_module, "NEWCOMERS_MAX", 3)
    late = [shown(f"n{n}", "Enamel mug", revision=n) for n in range(5)]
    newcomers = opened().with_changes(late[:2]).with_changes(late[2:4])
    assert [one.item_id for one in newcomers.items] == ["n1", "n2", "n3"]
    assert [one.item_id for one in newcomers.with_changes([late[0], *late[2:]]).items] == [
        "n2",
        "n3",
        "n4",
    ]


def test_the_reason_is_the_item_that_it_resembles_most() -> None:
    newcomers = opened().with_changes([MUG, HOSE, shown("n-odd", "Wool scarf", price_minor=9_999)])
    assert newcomers.because(Query.of([3, 0])).tolist() == [-1, 0, 3]
    assert newcomers.because(Query.of([])).tolist() == [-1, -1, -1]


def test_known_items_speak_for_a_newcomer() -> None:
    newcomers = opened().with_changes([MUG])
    query, spoken_for = spoken(newcomers, Query.of([3, -1]), ["b0", "n-mug"])
    assert query.items[0] == 3
    assert {0, 1, 2} <= set(query.items[1:].tolist())
    assert query.weights[1:].sum() == pytest.approx(1)
    assert set(query.places[1:].tolist()) == {1}
    assert set(spoken_for.values()) == {"n-mug"}
    assert 3 not in spoken_for


def test_items_that_were_met_speak_for_one_that_was_not() -> None:
    newcomers = opened("a1", "a2", "b0")
    query, spoken_for = spoken(newcomers, Query.of([0]), ["a0"])
    assert set(query.items.tolist()) >= {1, 2}
    assert 0 not in query.items
    assert spoken_for == dict.fromkeys(query.items.tolist(), "a0")


def test_nobody_speaks_for_an_item_that_nobody_knows() -> None:
    query, spoken_for = spoken(opened(), Query.of([-1, 0]), ["who", "a0"])
    assert query.items.tolist() == [0]
    assert query.places.tolist() == [1]
    assert not spoken_for


def test_a_path_of_met_items_stays_as_it_is() -> None:
    query = Query.of([0, 4])
    same, spoken_for = spoken(opened(), query, ["a0", "b1"])
    assert [*map(list, same.arrays)] == [*map(list, query.arrays)]
    assert not spoken_for


def test_newcomers_resemble_only_items_that_were_met() -> None:
    newcomers = opened("b0").with_changes([MUG])
    assert scores(newcomers, Query.of([]), {0: 1.0, 1: 1.0, 2: 1.0})["n-mug"] == 0
    # Beside an item of the path it still counts, whoever met that one.
    assert scores(newcomers, Query.of([0]), {3: 1.0})["n-mug"] > 0


def test_a_shop_without_catalogue_at_training_has_newcomers_that_resemble_nothing() -> None:
    interactions = interactions_of(views("v", "a0", "a1"))
    arrays = CONTENT.fit(TrainingSet(interactions), {}, seed=0)
    arrays["fade"] = np.array([0.5, 1.0], np.float32)
    newcomers = Newcomers(arrays, Vocabulary(interactions.item_ids)).with_changes([MUG])
    assert scores(newcomers, Query.of([0]), {1: 1.0}) == {"n-mug": 0}


def test_warming_up_leaves_nothing_behind() -> None:
    newcomers = opened()
    newcomers.warm_up()
    assert len(newcomers) == 0
