"""Scored candidates → the places of a slate. Pure.

Pins take their places, of one product only the best item is shown, near-ties give way to variety
of category and brand, and between page views they change places.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numba
import numpy as np
from numpy.typing import NDArray

from recommender.catalog.variants import product_key
from recommender.records import Item

REPETITION_FACTOR = 0.97
"""What each item of the same category, and each of the same brand, leaves of the next one's score.

Near one: it settles near-ties, and never prefers an item that fits much less.
"""


class Candidates(msgspec.Struct, frozen=True):
    """What may come on a slate, in any order; all arrays have one length.

    Attributes:
        scores: float32, at least 0.
        products: int64, equal for items of which a slate shows only one, see `product_code`.
        categories: int32, 0 without a category.
        brands: int32, 0 without a brand.
        hashes: uint32 of the item's id, the same in every process.
    """

    scores: NDArray[np.float32]
    products: NDArray[np.int64]
    categories: NDArray[np.int32]
    brands: NDArray[np.int32]
    hashes: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def facts(self) -> tuple[NDArray[Any], ...]:
        """Return what kernels take beside the scores."""
        return self.products, self.categories, self.brands, self.hashes

    def beside(self, others: "Candidates") -> "Candidates":
        """Return these candidates, and then the others."""
        return Candidates(
            np.concatenate([self.scores, others.scores]),
            np.concatenate([self.products, others.products]),
            np.concatenate([self.categories, others.categories]),
            np.concatenate([self.brands, others.brands]),
            np.concatenate([self.hashes, others.hashes]),
        )


class Rotation(msgspec.Struct, frozen=True):
    """How a slate differs from one page view to the next.

    Attributes:
        seed: Decides each item's share of luck; 64 bits.
        strength: Largest part of its score that an item can lose, 0–1.
    """

    seed: int = 0
    strength: float = 0.0


STILL = Rotation()


def rotation(visitor: str, turn: str, rotation_ppm: int) -> Rotation:
    """Return the rotation of one page view.

    A score s becomes s · (1 − ρ·u), where u, from 0 to 1, is a hash of visitor, turn and item.
    So an item passes another between two page views only while s₁ > (1 − ρ) · s₂: leaders by more
    than that stay, whatever the hash says.

    Args:
        visitor: Whose page view it is; empty without consent.
        turn: Changes from page view to page view, and not when a page is loaded again: their
            number, or the newest item of the path.
        rotation_ppm: ρ in parts per million.
    """
    if not rotation_ppm:
        return STILL
    digest = hashlib.blake2b(f"{visitor}\0{turn}".encode(), digest_size=8).digest()
    return Rotation(int.from_bytes(digest, "big"), rotation_ppm / 1_000_000)


def product_code(item: Item) -> int:
    """Return `product_key` as 64 bits, the same in every process."""
    digest = hashlib.blake2b(product_key(item).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def product_codes(items: Iterable[Item]) -> NDArray[np.int64]:
    """Return the codes of some items in their order."""
    return np.array([product_code(item) for item in items], np.int64)


def choose(
    candidates: Candidates,
    *,
    n: int,
    in_hand: NDArray[np.int64],
    pins: Sequence[tuple[int, int]] = (),
    rotation: Rotation = STILL,
) -> NDArray[np.int64]:
    """Return which candidates stand on the slate, at most `n`, in the order of the places.

    Greedy: every place goes to the candidate with the highest score left, where each item already
    chosen of its category, and of its brand, leaves `REPETITION_FACTOR` of the score.

    Source: Carbonell, Goldstein 1998 (SIGIR), maximal marginal relevance, with equality of
    category and brand as the similarity.

    Args:
        candidates: What may be shown, with scores behind boosts and buries.
        n: Number of places.
        in_hand: Product codes of the item looked at and of the cart; they stay away, even
            pinned ones.
        pins: Place on the slate from 1, and index of the candidate that stands there. Places
            behind the last one are ignored; where the slate is short, later pins move up.
        rotation: See `rotation`.
    """
    pinned = np.full(n, -1, np.int64)
    for place, candidate in pins:
        if place <= n:
            pinned[place - 1] = candidate
    chosen: NDArray[np.int64] = choose_places(
        candidates.scores,
        candidates.facts,
        in_hand,
        pinned,
        np.uint64(rotation.seed),
        rotation.strength,
    )
    return chosen


@numba.njit(cache=True, nogil=True)
def choose_places(
    scores: Any, facts: Any, in_hand: Any, pinned: Any, seed: Any, strength: float
) -> Any:
    """Return the numbers of the chosen candidates, see `choose`.

    Args:
        facts: Of `Candidates`.
        pinned: For each place the candidate that stands there, -1 for none, int64; overwritten.
        seed: uint64.
    """
    products, categories, brands, hashes = facts
    values = np.empty(len(scores), np.float64)
    for place in range(len(scores)):
        values[place] = scores[place] * (1.0 - strength * _luck(seed, hashes[place]))
    for product in in_hand:
        _close(values, products, product)
    for place in range(len(pinned)):
        if pinned[place] >= 0:
            if values[pinned[place]] < 0:
                pinned[place] = -1
            else:
                _close(values, products, products[pinned[place]])
    chosen = np.empty(len(pinned), np.int64)
    n_chosen = 0
    for pin in pinned:
        best = pin
        if best < 0:
            best = np.argmax(values) if len(values) else -1
            if best < 0 or values[best] < 0:
                continue
            _close(values, products, products[best])
        chosen[n_chosen] = best
        n_chosen += 1
        _repeat(values, categories, categories[best])
        _repeat(values, brands, brands[best])
    return chosen[:n_chosen]


@numba.njit(cache=True, nogil=True)
def _luck(seed: np.uint64, item: np.uint32) -> float:
    """Return a number from 0 to 1 that looks random.

    Source: Steele, Lea, Flood 2014 (OOPSLA), SplitMix64, figure 16.
    """
    mixed = seed + np.uint64(item) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) / 9007199254740992.0


@numba.njit(cache=True, nogil=True)
def _close(values: NDArray[np.float64], products: NDArray[np.int64], product: int) -> None:
    for place in range(len(values)):
        if products[place] == product:
            values[place] = -1.0


@numba.njit(cache=True, nogil=True)
def _repeat(values: NDArray[np.float64], kinds: NDArray[np.int32], kind: int) -> None:
    if kind == 0:
        return
    for place in range(len(values)):
        # What is closed stays below nought.
        if kinds[place] == kind:
            values[place] *= REPETITION_FACTOR
