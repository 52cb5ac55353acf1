"""Places for items hardly met: bounded, never the first, never what may not be shown."""

import math
from collections import Counter
from collections.abc import Set as AbstractSet

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from planted import catalogue_item, interactions_of, views
from recommender.records import SlateItem
from recommender.serving.columns import Vocabulary
from recommender.serving.exploration import (
    REASON,
    Untried,
    count_places,
    explore,
    places_to_explore,
    untried,
)
from recommender.serving.newcomers import Newcomers
from recommender.training.content import CONTENT, content_arrays
from recommender.training.source import Query, TrainingSet
from recommender.web.reasons import LANGUAGES, reason_text


def slate_of(length: int) -> tuple[SlateItem, ...]:
    return tuple(SlateItem(f"s{place}", 1 / (1 + place), "viewed") for place in range(length))


def candidates(*relevance: float, met: tuple[int, ...] = ()) -> Untried:
    n = len(relevance)
    weights = np.array(relevance, np.float64) / (1 + np.array(met or [0] * n))
    return Untried(np.arange(n, dtype=np.int32), weights)


def explored(
    slate: tuple[SlateItem, ...],
    untried: Untried,
    slate_id: str,
    *,
    n: int,
    places: int,
    forbidden: AbstractSet[str] = frozenset(),
    fixed: AbstractSet[str] = frozenset(),
) -> tuple[SlateItem, ...]:
    def offer(number: int) -> SlateItem | None:
        item_id = f"c{number}"
        return None if item_id in forbidden else SlateItem(item_id, 0.0, REASON)

    return explore(slate, untried, n=n, places=places, slate_id=slate_id, offer=offer, fixed=fixed)


@settings(max_examples=200)
@given(
    length=st.integers(0, 12),
    room=st.integers(0, 4),
    places=st.integers(0, 12),
    relevance=st.lists(st.sampled_from([0.0, 0.01, 1.0]), max_size=20),
    forbidden=st.sets(st.integers(0, 19)),
    pinned=st.sets(st.integers(0, 11)),
    slate_id=st.text(max_size=10),
)
def test_a_slate_stays_sound(
    length: int,
    room: int,
    places: int,
    relevance: list[float],
    forbidden: set[int],
    pinned: set[int],
    slate_id: str,
) -> None:
    slate = slate_of(length)
    hidden = {f"c{number}" for number in forbidden}
    fixed = {f"s{place}" for place in pinned}
    n = length + room
    new = explored(
        slate, candidates(*relevance), slate_id, n=n, places=places, forbidden=hidden, fixed=fixed
    )
    ids = [item.item_id for item in new]
    tried = [item_id for item_id in ids if item_id.startswith("c")]
    assert new[:1] == slate[:1]
    assert len(slate) <= len(new) <= n
    assert len(set(ids)) == len(ids)
    assert not hidden & set(ids)
    assert len(tried) <= places
    assert all(relevance[int(item_id[1:])] > 0 for item_id in tried)
    assert all(ids[place] == f"s{place}" for place in pinned if place < length)
    merits = [item_id for item_id in ids if item_id not in {*tried, *fixed}]
    assert merits == sorted(merits, key=lambda item_id: int(item_id[1:]))


def test_what_falls_off_is_the_end_of_the_slate() -> None:
    new = explored(slate_of(4), candidates(1.0), "x", n=4, places=1)
    assert {item.item_id for item in new} == {"s0", "s1", "s2", "c0"}


def test_an_item_on_the_slate_is_not_shown_twice() -> None:
    slate = (SlateItem("s0", 1, "viewed"), SlateItem("c0", 0.5, "viewed"))
    assert explored(slate, candidates(1.0), "x", n=2, places=1) == slate


def test_equal_slate_ids_are_explored_equally() -> None:
    some = candidates(*[1.0] * 9)
    for slate_id in ("a", "b", "c"):
        first, again = (explored(slate_of(8), some, slate_id, n=8, places=2) for _ in range(2))
        assert first == again


@pytest.mark.parametrize(("n", "ppm"), [(1, 500_000), (4, 20_000), (8, 50_000), (12, 300_000)])
def test_the_share_is_what_was_set(n: int, ppm: int) -> None:
    slates = 20_000
    taken = sum(places_to_explore(n, ppm, f"slate-{number}") for number in range(slates))
    wanted = n * ppm / 1_000_000
    if n == 1:
        assert taken == 0
        return
    # Of each slate only the part behind the comma is drawn; six standard deviations of that.
    chance = wanted % 1
    spread = 6 * math.sqrt(chance * (1 - chance) / slates)
    assert taken / slates == pytest.approx(wanted, abs=spread + 1e-9)


@given(st.integers(0, 50), st.integers(0, 1_000_000), st.text(max_size=10))
def test_never_more_than_one_place_above_the_share(n: int, ppm: int, slate_id: str) -> None:
    places = places_to_explore(n, ppm, slate_id)
    assert 0 <= places <= max(0, n - 1)
    assert places <= n * ppm / 1_000_000 + 1
    assert places_to_explore(n, 0, slate_id) == 0


def test_each_item_has_its_turn_the_less_met_the_sooner() -> None:
    some = candidates(1.0, 1.0, 1.0, 0.25, met=(0, 0, 3, 0))
    shown = Counter(
        explored(slate_of(5), some, f"slate-{number}", n=5, places=1)[place].item_id
        for number in range(4_000)
        for place in range(5)
    )
    # Weights 1, 1, 1/4 and 1/4 of 2.5: 1,600 turns, 1,600, 400 and 400.
    assert [shown[f"c{number}"] for number in range(4)] == pytest.approx(
        [1_600, 1_600, 400, 400], abs=150
    )


def test_each_place_but_the_first_is_used_alike() -> None:
    at = Counter(
        [
            item.item_id for item in explored(slate_of(5), candidates(1.0), str(key), n=5, places=1)
        ].index("c0")
        for key in range(4_000)
    )
    assert sorted(at) == [1, 2, 3, 4]
    assert list(at.values()) == pytest.approx([1_000] * 4, abs=150)


@pytest.fixture
def newcomers() -> Newcomers:
    """A shop where `mug` and `hose` are known well, `pot` hardly, and `cup` is new."""
    lines = [line for day in range(6) for line in views(f"v{day}", "hose", "mug", at=day * 90_000)]
    interactions = interactions_of([*lines, *views("w", "pot", at=600_000)])
    shelf = [
        catalogue_item("hose", title="Garden hose", category="", price_minor=9_000),
        catalogue_item("mug", title="Enamel mug", category=""),
        catalogue_item("pot", title="Enamel pot", category=""),
    ]
    arrays = CONTENT.fit(
        TrainingSet(interactions, content_arrays(interactions.item_ids, shelf)), {}, seed=0
    )
    arrays["fade"] = np.array([0.5, 1.0], np.float32)
    opened = Newcomers(arrays, Vocabulary(interactions.item_ids))
    sold_out = catalogue_item("jug", title="Enamel jug", category="", available=False)
    return opened.with_changes(
        [catalogue_item("cup", title="Enamel cup", category="", revision=2), sold_out]
    )


def test_with_a_path_only_what_resembles_it_is_tried(newcomers: Newcomers) -> None:
    mug = untried(newcomers, Query.of([1]), "x")
    relevant = dict(zip(mug.numbers.tolist(), mug.weights.tolist(), strict=True))
    place = {item.item_id: 3 + at for at, item in enumerate(newcomers.items)}
    assert relevant[2] > 0
    assert relevant[place["cup"]] > 0
    assert relevant[place["jug"]] == 0
    assert 1 not in relevant
    hose = untried(newcomers, Query.of([0]), "x")
    assert not hose.weights.any()


def test_without_a_path_everything_hardly_met_has_its_turn(newcomers: Newcomers) -> None:
    home = untried(newcomers, Query.of([]), "x")
    tried = home.numbers[home.weights > 0].tolist()
    cup = [item.item_id for item in newcomers.items].index("cup")
    assert sorted(tried) == [2, 3 + cup]
    # It was met once.
    assert home.weights[home.numbers == 2].tolist() == [1 / 2]


def test_places_are_counted_by_what_filled_them() -> None:
    def counted(origin: str) -> float:
        labels = {"origin": origin}
        return REGISTRY.get_sample_value("recommender_slate_places_total", labels) or 0

    before = counted("model"), counted("exploration")
    count_places((*slate_of(3), SlateItem("c0", 0.0, REASON)))
    assert (counted("model") - before[0], counted("exploration") - before[1]) == (3, 1)


def test_the_reason_has_a_text_of_its_own_in_every_language() -> None:
    texts = {reason_text(REASON, "", language) for language in LANGUAGES}
    assert len(texts) == len(LANGUAGES)
    assert not texts & {reason_text("history", "", language) for language in LANGUAGES}
