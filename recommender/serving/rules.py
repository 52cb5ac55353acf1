"""What may be on a slate: stock, what the shopper has in hand, variants, variety. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.eligibility import is_showable
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item

REPETITION_FACTOR = 0.97
"""What each item of the same category, and each of the same brand, leaves of the next one's score.

Near one: it settles near-ties, and never prefers an item that fits much less.
"""


class Vocabulary:
    """The item ids of an artifact: text on one side, rows on the other.

    Args:
        item_ids: UTF-8 bytes in ascending order.
    """

    __slots__ = ("_ids",)

    def __init__(self, item_ids: NDArray[np.bytes_]) -> None:
        self._ids = item_ids

    def __len__(self) -> int:
        return len(self._ids)

    def item_id(self, row: int) -> str:
        """Return the id in a row."""
        item_id: bytes = self._ids[row]
        return item_id.decode()

    def rows(self, item_ids: Iterable[str]) -> NDArray[np.int32]:
        """Return the rows of the known ids in their order; unknown ones are left out."""
        width = self._ids.itemsize
        # A longer id is unknown; compared as it is, it would widen a copy of all the others.
        asked = [encoded for item_id in item_ids if len(encoded := item_id.encode()) <= width]
        ids = np.array(asked, dtype=self._ids.dtype)
        place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        known: NDArray[np.int32] = place[self._ids[place] == ids].astype(np.int32)
        return known


class CatalogueView:
    """A catalogue as a vocabulary sees it.

    Attributes:
        catalogue: What is seen.
        showable: Whether the item of each row may be shown now, shape (vocabulary,).
    """

    __slots__ = ("_categories", "_vocabulary", "catalogue", "showable")

    def __init__(
        self,
        vocabulary: Vocabulary,
        catalogue: CatalogueSnapshot,
        before: "CatalogueView | None" = None,
    ) -> None:
        """Align a catalogue.

        Args:
            before: View of the same vocabulary on an earlier revision: then only what changed
                since is looked up.
        """
        self.catalogue = catalogue
        self._vocabulary = vocabulary
        self._categories: dict[str, NDArray[np.int32]] = {}
        since = -1
        self.showable = np.zeros(len(vocabulary), bool)
        if before is not None and before.catalogue.revision <= catalogue.revision:
            since = before.catalogue.revision
            self.showable = before.showable.copy()
        changed = [item for item in catalogue.items() if item.revision > since]
        for showable in (False, True):
            ids = (item.item_id for item in changed if is_showable(item) == showable)
            self.showable[vocabulary.rows(ids)] = showable

    def category(self, name: str) -> NDArray[np.int32]:
        """Return the rows of a category's items."""
        if name not in self.catalogue.by_category:
            return np.zeros(0, np.int32)
        if name not in self._categories:
            self._categories[name] = self._vocabulary.rows(self.catalogue.by_category[name])
        return self._categories[name]


def pick(
    candidates: Sequence[tuple[Item, float]], *, n: int, in_hand: Iterable[Item]
) -> Iterator[int]:
    """Yield the places of at most `n` candidates to show, best first.

    Of variants (items of one group) only the best is shown, and none of an item in hand. Each
    item of a category or brand makes the next one of it count a little less.

    Source: Carbonell, Goldstein 1998 (SIGIR), maximal marginal relevance, with equality of
    category and brand as the similarity.

    Args:
        candidates: Item and score, at least 0, best first.
        in_hand: The item looked at, and the cart.
    """
    groups = {item.group_id for item in in_hand if item.group_id}
    taken: Counter[str] = Counter()
    left = list(range(len(candidates)))
    while left and n > 0:
        place = _next(candidates, left, taken)
        left.remove(place)
        item = candidates[place][0]
        if item.group_id and item.group_id in groups:
            continue
        groups.add(item.group_id)
        taken.update(_kinds(item))
        n -= 1
        yield place


def _next(
    candidates: Sequence[tuple[Item, float]], left: Sequence[int], taken: Counter[str]
) -> int:
    best, best_score = left[0], -1.0
    for place in left:
        item, score = candidates[place]
        if score <= best_score:
            break
        varied = score * REPETITION_FACTOR ** sum(taken[kind] for kind in _kinds(item))
        if varied > best_score:
            best, best_score = place, varied
    return best


def _kinds(item: Item) -> list[str]:
    named = (("category", item.category), ("brand", item.brand))
    return [f"{what} {name}" for what, name in named if name]
