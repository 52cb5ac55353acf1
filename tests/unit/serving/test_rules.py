import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import catalogue_item
from recommender.catalog.eligibility import is_showable
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item
from recommender.serving.rules import CatalogueView, Vocabulary

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


def test_a_category_nobody_knows_is_empty():
    view = CatalogueView(VOCABULARY, CatalogueSnapshot())
    assert view.category("x").tolist() == []
    with pytest.raises(KeyError):
        view.catalogue.fragments(["a"])
