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
    assert json.loads(snapshot.fragments(["a"])[0] + b',"reason":"viewed"}') == {
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
    assert b'"price_minor":5' in second.fragments(["a"])[0]
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


def test_the_newest_items_come_first() -> None:
    first = CatalogueSnapshot().with_changes([item("a"), item("b")], 1)
    second = first.with_changes([item("c"), item("a", price_minor=7)], 2)
    assert [known.item_id for known in second.newest(2)] == ["c", "b"]
    assert list(second.newest(9))[-1] == item("a", price_minor=7)


def test_membership_is_by_id() -> None:
    snapshot = CatalogueSnapshot().with_changes([item("a")], 1)
    assert "a" in snapshot
    assert "b" not in snapshot


def test_the_size_follows_the_texts() -> None:
    first = CatalogueSnapshot().with_changes([item("a"), item("b")], 1)
    longer = first.with_changes([replace(item("a"), url="/p" + 500 * "x")], 2)
    assert longer.n_bytes == first.n_bytes + 500
    assert longer.with_changes([item("a")], 3).n_bytes == first.n_bytes


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
        json.loads(snapshot.fragments([item_id])[0] + b"}")["price_minor"]
        == final[item_id].price_minor
        for item_id in snapshot
    )
    grouped = {
        category: {i for i, known in final.items() if known.category == category}
        for category in {known.category for known in final.values()} - {""}
    }
    assert {category: set(ids) for category, ids in snapshot.by_category.items()} == grouped
    assert sum(map(len, snapshot.by_category.values())) == sum(map(len, grouped.values()))


@given(st.lists(st.lists(ITEMS, max_size=4), max_size=70), st.integers(0, 70))
def test_what_changed_since_a_revision_is_told(steps: list[list[Item]], since: int) -> None:
    snapshot = CatalogueSnapshot()
    for revision, changes in enumerate(steps, start=1):
        snapshot = snapshot.with_changes(
            [replace(one, revision=revision) for one in changes], revision
        )
    told = {one.item_id: one for one in snapshot.changed_since(since)}
    later = {one.item_id for changes in steps[since:] for one in changes}
    assert set(told) == later
    assert all(snapshot.get(item_id) == one for item_id, one in told.items())


def test_a_large_change_is_told_as_well() -> None:
    many = [replace(item(f"i{number}"), revision=1) for number in range(1_500)]
    snapshot = CatalogueSnapshot().with_changes(many, 1)
    snapshot = snapshot.with_changes([replace(item("new"), revision=2)], 2)
    assert len(list(snapshot.changed_since(0))) == 1_501
    assert [one.item_id for one in snapshot.changed_since(1)] == ["new"]
