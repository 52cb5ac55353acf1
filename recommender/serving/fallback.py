"""What answers when the models do not. Pure."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item, Placement, SlateItem
from recommender.serving.model import Model
from recommender.training.popularity import POPULAR

NEWEST_LOOKED_AT = 1_000
NEWEST = "newest"
"""Reason code of items shown while nothing is learned. Its words say neither that they are popular
nor that they are new in the shop: on a catalogue's first day all of it became known at once."""


class Fallback(StrEnum):
    """Why a slate is not what the models made; told with the slate and counted."""

    NO_MODEL = "no-model"
    """Nothing was trained yet: the newest items of the catalogue."""
    DEADLINE = "deadline"
    """Time was up: what is popular in the shop."""
    TOO_FEW = "too-few"
    """Fewer items than the placement's minimum: none, in either arm."""
    PLACEMENT_OFF = "placement-off"
    """The shop has switched the placement off."""
    FAILED = "failed"
    """A fault of ours."""


def popular_items(
    model: Model, catalogue: CatalogueSnapshot, *, may_show: Callable[[Item], bool], n: int
) -> tuple[SlateItem, ...]:
    """Return the most popular items of late that may be shown."""
    rows = model.sources[POPULAR.name]["ids"]
    items = (catalogue.get(model.vocabulary.item_id(row)) for row in rows)
    return _slate_items((item for item in items if item), "popular", may_show, n)


def newest_items(
    catalogue: CatalogueSnapshot,
    *,
    placement: Placement,
    category: str,
    may_show: Callable[[Item], bool],
    n: int,
) -> tuple[SlateItem, ...]:
    """Return the items that became known last; on a category's page only its own.

    Looks at the last `NEWEST_LOOKED_AT` items only.
    """
    if placement is Placement.CATEGORY:
        ids = catalogue.by_category.get(category, ())[-NEWEST_LOOKED_AT:]
        found: Iterable[Item | None] = [catalogue.get(item_id) for item_id in reversed(ids)]
        return _slate_items((item for item in found if item), NEWEST, may_show, n)
    newest = catalogue.newest(NEWEST_LOOKED_AT)
    return _slate_items(newest, NEWEST, may_show, n)


def _slate_items(
    items: Iterable[Item], reason: str, may_show: Callable[[Item], bool], n: int
) -> tuple[SlateItem, ...]:
    return tuple(
        SlateItem(item.item_id, 0.0, reason) for item in islice(_distinct(items, may_show), n)
    )


def _distinct(items: Iterable[Item], may_show: Callable[[Item], bool]) -> Iterator[Item]:
    """Yield what may be shown, one of each group of variants."""
    groups: set[str] = set()
    for item in items:
        if not may_show(item) or item.group_id in groups:
            continue
        if item.group_id:
            groups.add(item.group_id)
        yield item
