"""A shop's catalogue at one revision, held in memory for the shopper's request. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson

from recommender.records import Item


@dataclass(frozen=True, slots=True)
class CatalogueSnapshot:
    """Items of one shop with everything a slate needs ready-made; never changes.

    Attributes:
        revision: Revision of the shop's catalogue this snapshot shows; 0 is an empty one.
        by_category: Category → ids of all its items, also those not showable now; items
            without a category are left out.
    """

    revision: int = 0
    by_category: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    _items: Mapping[str, Item] = field(default_factory=dict, repr=False)
    _fragments: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def get(self, item_id: str) -> Item | None:
        """Return an item, or None when the catalogue has none of this id."""
        return self._items.get(item_id)

    def fragment(self, item_id: str) -> bytes:
        """Return the beginning of an item's JSON object in a slate.

        It has `id`, `title`, `url`, `image`, `price_minor`, `currency` and lacks the closing
        brace, so that the reason can be appended: `fragment + b',"reason":"viewed"}'`.

        Raises:
            KeyError: The catalogue has no such item.
        """
        return self._fragments[item_id]

    def items(self) -> Iterable[Item]:
        """Return all items, in the order in which their ids became known."""
        return self._items.values()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def with_changes(self, changes: Iterable[Item], revision: int) -> "CatalogueSnapshot":
        """Return the catalogue after some items were added or changed.

        Costs the changed items, plus a flat copy of the lookup tables.
        """
        items, fragments = dict(self._items), dict(self._fragments)
        moved: dict[str, set[str]] = {}
        for item in changes:
            before = items.get(item.item_id)
            if before is None or before.category != item.category:
                moved.setdefault(item.category, set()).add(item.item_id)
                if before is not None:
                    moved.setdefault(before.category, set()).add(item.item_id)
            items[item.item_id] = item
            fragments[item.item_id] = _fragment(item)
        by_category = _regroup(self.by_category, moved, items)
        return CatalogueSnapshot(revision, MappingProxyType(by_category), items, fragments)


def _fragment(item: Item) -> bytes:
    return orjson.dumps(
        {
            "id": item.item_id,
            "title": item.title,
            "url": item.url,
            "image": item.image_url,
            "price_minor": item.price_minor,
            "currency": item.currency,
        }
    )[:-1]


def _regroup(
    before: Mapping[str, tuple[str, ...]], moved: Mapping[str, set[str]], items: Mapping[str, Item]
) -> dict[str, tuple[str, ...]]:
    groups = dict(before)
    for category, ids in moved.items():
        stay = [item_id for item_id in groups.get(category, ()) if item_id not in ids]
        come = sorted(item_id for item_id in ids if items[item_id].category == category)
        groups[category] = (*stay, *come)
    return {category: ids for category, ids in groups.items() if category and ids}
