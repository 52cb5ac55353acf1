"""A small, bounded part of the slates' places for items that hardly anybody has met. Pure.

In come a slate chosen on its merits and items to try out; out goes the slate with at most a few
of them, never in the first place. Everything follows from the slate's id, so that what was shown
can be computed again. Must not know how relevance was found.
"""

import hashlib
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.records import SlateItem
from recommender.serving.newcomers import PATH_ITEMS, Newcomers
from recommender.telemetry import SLATE_PLACES_TOTAL
from recommender.training.content import CONTENT
from recommender.training.prefetch import prefetch_lists
from recommender.training.source import Query, fade_path

REASON = "new"
"""Reason code of an item that stands on a slate to be tried out."""

HANDFUL = 5
"""An item with fewer events is still to be tried out."""

TRIES = 8
"""Items drawn for one place before it stays as it is."""

SAMPLE = 500
"""Items looked at where no path says what is relevant."""

_SLOTS = 4_096
"""A power of two, well over twice the items that a path's lists can name."""

_EXPLORED_TOTAL = SLATE_PLACES_TOTAL.labels(origin="exploration")
_CHOSEN_TOTAL = SLATE_PLACES_TOTAL.labels(origin="model")

Offer = Callable[[int], SlateItem | None]
"""Number of an item → what would stand on the slate, None where it may not."""


class Untried(msgspec.Struct, frozen=True):
    """Items to try out; arrays of one length.

    Attributes:
        numbers: Rows of the vocabulary, continued by the places of the newcomers, int32.
        weights: How much each is to be tried, float64: relevance on any scale, divided by
            1 + times met; 0 is never shown.
    """

    numbers: NDArray[np.int32]
    weights: NDArray[np.float64]


def places_to_explore(n: int, exploration_ppm: int, slate_id: str) -> int:
    """Draw how many places of a slate are for exploration.

    On average over slates exactly `exploration_ppm` of their places, by systematic rounding: n
    places at share p give ⌊n·p⌋ or one more. At most all places but the first.

    Args:
        n: Places of the slate as it was chosen.
    """
    share = n * exploration_ppm / 1_000_000
    return min(int(share + _unit(slate_id, "share")), max(n - 1, 0))


def untried(newcomers: Newcomers, query: Query, slate_id: str) -> Untried:
    """Collect the items to try out on one slate.

    With a path these are items that resemble one of its items; without one, any: a sample that
    moves from slate to slate, so that each item has its turn.

    Args:
        query: Only rows of the vocabulary.
    """
    content = newcomers.content
    events = content["events"]
    if len(query.items):
        rows, weights = _resembling(query.arrays, CONTENT.kernel_arrays(content), events)
    else:
        rows = _sample(events, slate_id)
        weights = 1 / (events[rows] + 1.0)
    if not len(newcomers):
        return Untried(rows, weights)
    new = newcomers.resemblance(query) if len(query.items) else newcomers.showable
    return Untried(
        np.concatenate([rows, len(events) + np.arange(len(newcomers))]).astype(np.int32),
        np.concatenate([weights, new]),
    )


def explore(
    slate: Sequence[SlateItem],
    candidates: Untried,
    *,
    n: int,
    places: int,
    slate_id: str,
    offer: Offer,
    fixed: AbstractSet[str] = frozenset(),
) -> tuple[SlateItem, ...]:
    """Put items to be tried out on a slate.

    An item is drawn with a probability proportional to relevance / (1 + times met), and inserted
    behind the first place; what falls off the end of the slate was its weakest item.

    Args:
        slate: Best first.
        n: Most places the slate may have.
        places: Items to insert, see `places_to_explore`.
        offer: Asked for each drawn item; says no to what is hidden, not allowed, or a variant of
            what stands on the slate already.
        fixed: Ids of items that keep their places, as pinned ones do.
    """
    if not slate:
        return ()
    kept = {0: slate[0]}
    if fixed:
        kept |= {place: item for place, item in enumerate(slate) if item.item_id in fixed}
    on_slate, weights = {item.item_id for item in slate}, candidates.weights.copy()
    drawn: list[SlateItem] = []
    for turn in range(min(places, n - len(kept))):
        item = _draw(candidates.numbers, weights, on_slate, f"{slate_id}/{turn}", offer)
        if item is not None:
            on_slate.add(item.item_id)
            drawn.append(item)
    moving = list(slate[1:])
    if len(kept) > 1:
        moving = [item for place, item in enumerate(slate) if place not in kept]
    moving = moving[: n - len(kept) - len(drawn)]
    for turn, item in enumerate(drawn):
        moving.insert(int(_unit(slate_id, f"place/{turn}") * (len(moving) + 1)), item)
    if len(kept) == 1:
        return (slate[0], *moving)
    following = iter(moving)
    length = len(kept) + len(moving)
    return tuple(kept.get(place) or next(following) for place in range(length))


def count_places(items: Sequence[SlateItem]) -> None:
    """Count the places of slates that are shown, by what put the items there."""
    explored = sum([item.reason == REASON for item in items])
    _EXPLORED_TOTAL.inc(explored)
    _CHOSEN_TOTAL.inc(len(items) - explored)


def _draw(
    numbers: NDArray[np.int32],
    weights: NDArray[np.float64],
    on_slate: AbstractSet[str],
    key: str,
    offer: Offer,
) -> SlateItem | None:
    """Draw an item by its weight; each is looked at once, then its weight becomes 0."""
    for attempt in range(TRIES):
        place = _pick(weights, _unit(key, f"item/{attempt}"))
        if place < 0:
            return None
        weights[place] = 0
        item = offer(int(numbers[place]))
        if item is not None and item.item_id not in on_slate:
            return item
    return None


@njit(cache=True)
def _pick(weights: Any, unit: float) -> int:
    """Return the first place up to which the weights sum to over `unit` of them all, or -1."""
    left = unit * weights.sum()
    for place in range(len(weights)):
        left -= weights[place]
        if left < 0 < weights[place]:
            return place
    return -1


@njit(nogil=True, cache=True)
def _resembling(query: Any, lists: Any, events: Any) -> tuple[Any, Any]:
    """Return rows hardly met that resemble items of the path, and their weights."""
    fade, starts, ids, scores = lists
    items, weights = fade_path(query, fade, PATH_ITEMS)
    prefetch_lists(items, starts, ids, scores, events)
    slots = np.full(_SLOTS, -1, np.int32)
    rows = np.empty(_SLOTS // 2, np.int32)
    relevance = np.zeros(_SLOTS // 2, np.float32)
    n = 0
    for place in range(len(items)):
        for entry in range(starts[items[place]], starts[items[place] + 1]):
            row = ids[entry]
            if events[row] >= HANDFUL:
                continue
            slot = (row * 40_503) & (_SLOTS - 1)
            while slots[slot] >= 0 and rows[slots[slot]] != row:
                slot = (slot + 1) & (_SLOTS - 1)
            if slots[slot] < 0:
                if n == len(rows):
                    continue
                slots[slot] = n
                rows[n] = row
                n += 1
            relevance[slots[slot]] += weights[place] * scores[entry]
    drawn_by = np.empty(n, np.float64)
    for at in range(n):
        drawn_by[at] = relevance[at] / (events[rows[at]] + 1.0)
    return rows[:n], drawn_by


def _sample(events: NDArray[np.int32], slate_id: str) -> NDArray[np.int32]:
    rows = np.flatnonzero(events < HANDFUL).astype(np.int32)
    first = int(_unit(slate_id, "sample") * len(rows))
    return np.roll(rows, -first)[:SAMPLE]


def _unit(slate_id: str, purpose: str) -> float:
    """Return a number from 0 to below 1 that looks random, the same in every process."""
    digest = hashlib.blake2b(f"{slate_id}/{purpose}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)
