from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import catalogue_item
from recommender.catalog.eligibility import is_showable
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item
from recommender.serving.rules import CatalogueView, Vocabulary, pick

NAMES = ["a", "b", "ba", "ünïcode", "z"]
VOCABULARY = Vocabulary(np.array(sorted(name.encode() for name in NAMES)))


def test_rows_and_ids_are_each_others_inverse_and_unknown_ids_are_left_out():
    asked = ["z", "nothing", "ünïcode", "a", "aa", "a" * 99, ""]
    rows = VOCABULARY.rows(asked)
    assert [VOCABULARY.item_id(row) for row in rows] == ["z", "ünïcode", "a"]
    assert VOCABULARY.rows([]).tolist() == []


CHANGES = st.lists(
    st.lists(
        st.builds(
            catalogue_item,
            st.sampled_from([*NAMES, "unknown to the model"]),
            available=st.booleans(),
            category=st.sampled_from(["", "c", "d"]),
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


@given(CHANGES)
def test_a_view_that_was_kept_up_equals_a_fresh_one(batches):
    catalogue, view = CatalogueSnapshot(), None
    for revision, batch in enumerate(batches, 1):
        changed = [_at(item, revision) for item in batch]
        catalogue = catalogue.with_changes(changed, revision)
        view = CatalogueView(VOCABULARY, catalogue, view)
    fresh = CatalogueView(VOCABULARY, catalogue)
    assert view.showable.tolist() == fresh.showable.tolist()
    for row, name in enumerate(sorted(name.encode() for name in NAMES)):
        item = catalogue.get(name.decode())
        assert fresh.showable[row] == (item is not None and is_showable(item))
    for category in ("c", "d", "other"):
        assert view.category(category).tolist() == fresh.category(category).tolist()


def _at(item: Item, revision: int) -> Item:
    from dataclasses import replace

    return replace(item, revision=revision)


def test_a_catalogue_that_went_back_is_read_anew():
    ahead = CatalogueSnapshot().with_changes([catalogue_item("a", revision=9)], 9)
    restored = CatalogueSnapshot().with_changes([catalogue_item("a", available=False)], 1)
    view = CatalogueView(VOCABULARY, restored, CatalogueView(VOCABULARY, ahead))
    assert not view.showable.any()


def candidates(*items: tuple[str, float, dict[str, Any]]) -> list[tuple[Item, float]]:
    return [(catalogue_item(name, **more), score) for name, score, more in items]


def picked(found: list[tuple[Item, float]], n: int, *in_hand: Item) -> list[str]:
    return [found[place][0].item_id for place in pick(found, n=n, in_hand=in_hand)]


def test_of_variants_the_best_stands_for_all():
    found = candidates(
        ("red", 0.9, {"group_id": "g"}),
        ("blue", 0.8, {"group_id": "g"}),
        ("hat", 0.1, {}),
        ("sock", 0.05, {}),
    )
    assert picked(found, 3) == ["red", "hat", "sock"]


def test_variants_of_what_is_in_hand_stay_away():
    found = candidates(("red", 0.9, {"group_id": "g"}), ("hat", 0.1, {}))
    assert picked(found, 2, catalogue_item("blue", group_id="g")) == ["hat"]


def test_near_ties_are_settled_by_variety():
    found = candidates(
        ("a1", 1.00, {"category": "a"}),
        ("a2", 0.99, {"category": "a"}),
        ("b1", 0.98, {"category": "b"}),
    )
    # 0.99 × 0.97 = 0.9603 < 0.98
    assert picked(found, 3) == ["a1", "b1", "a2"]


def test_variety_never_beats_a_much_better_fit():
    same = [(f"a{number}", 1.0 - number / 100, {"category": "a"}) for number in range(8)]
    found = candidates(*same, ("b", 0.6, {"category": "b"}))
    assert picked(found, 8) == [name for name, _, _ in same]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1, width=32), st.sampled_from(["", "g", "h"]), st.sampled_from("xyz")
        ),
        max_size=30,
    ),
    st.integers(0, 12),
)
def test_picks_are_distinct_and_as_many_as_can_be(drawn, n):
    drawn.sort(key=lambda one: -one[0])
    found = [
        (catalogue_item(f"i{place}", group_id=group, category=category), score)
        for place, (score, group, category) in enumerate(drawn)
    ]
    places = list(pick(found, n=n, in_hand=[]))
    groups = [found[place][0].group_id for place in places if found[place][0].group_id]
    assert len(set(places)) == len(places)
    assert len(set(groups)) == len(groups)
    alone = sum(not group for _, group, _ in drawn)
    possible = alone + len({group for _, group, _ in drawn if group})
    assert len(places) == min(n, possible)


def test_a_category_nobody_knows_is_empty():
    view = CatalogueView(VOCABULARY, CatalogueSnapshot())
    assert view.category("x").tolist() == []
    with pytest.raises(KeyError):
        view.catalogue.fragment("a")
