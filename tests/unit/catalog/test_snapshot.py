import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item


def item(item_id: str, category: str = "", price_minor: int = 100) -> Item:
    return Item("s", item_id, f"Title “{item_id}”", "/p", "/i", price_minor, "EUR", category)


def test_an_empty_catalogue_knows_nothing() -> None:
    empty = CatalogueSnapshot()
    assert (empty.revision, len(empty), empty.get("a"), dict(empty.by_category)) == (0, 0, None, {})


def test_a_fragment_becomes_a_slate_item_with_its_reason() -> None:
    snapshot = CatalogueSnapshot().with_changes([item("a")], 1)
    assert json.loads(snapshot.fragment("a") + b',"reason":"viewed"}') == {
        "id": "a",
        "title": "Title “a”",
        "url": "/p",
        "image": "/i",
        "price_minor": 100,
        "currency": "EUR",
        "reason": "viewed",
    }


def test_a_change_leaves_the_earlier_snapshot_as_it_was() -> None:
    first = CatalogueSnapshot().with_changes([item("a", "mugs"), item("b", "mugs")], 1)
    second = first.with_changes([replace(item("a", "bags"), price_minor=5)], 2)
    assert first.get("a") == item("a", "mugs")
    assert dict(first.by_category) == {"mugs": ("a", "b")}
    assert second.get("a") == item("a", "bags", 5)
    assert b'"price_minor":5' in second.fragment("a")
    assert dict(second.by_category) == {"mugs": ("b",), "bags": ("a",)}


def test_a_category_without_items_disappears() -> None:
    first = CatalogueSnapshot().with_changes([item("a", "mugs")], 1)
    assert dict(first.with_changes([item("a", "")], 2).by_category) == {}


def test_readers_cannot_change_a_snapshot() -> None:
    snapshot = CatalogueSnapshot().with_changes([item("a", "mugs")], 1)
    with pytest.raises(TypeError):
        snapshot.by_category["mugs"] = ()  # type: ignore[index]
    with pytest.raises(AttributeError):
        snapshot.revision = 9  # type: ignore[misc]


ITEMS = st.builds(
    item, st.sampled_from("abcdef"), st.sampled_from(["", "x", "y", "z"]), st.integers(1, 3)
)


@given(st.lists(st.lists(ITEMS, max_size=6), max_size=6))
def test_any_way_of_changes_leads_to_the_same_catalogue(steps: list[list[Item]]) -> None:
    snapshot = CatalogueSnapshot()
    final: dict[str, Item] = {}
    for revision, changes in enumerate(steps, start=1):
        snapshot = snapshot.with_changes(changes, revision)
        final |= {changed.item_id: changed for changed in changes}
    assert {known.item_id: known for known in snapshot.items()} == final
    assert set(snapshot) == set(final)
    assert all(
        json.loads(snapshot.fragment(item_id) + b"}")["price_minor"] == final[item_id].price_minor
        for item_id in snapshot
    )
    grouped = {
        category: {i for i, known in final.items() if known.category == category}
        for category in {known.category for known in final.values()} - {""}
    }
    assert {category: set(ids) for category, ids in snapshot.by_category.items()} == grouped
    assert sum(map(len, snapshot.by_category.values())) == sum(map(len, grouped.values()))
