"""What the catalogue says of a vocabulary's items, one array for each fact. Pure.

In come items; out go arrays by row of the vocabulary, which rules and slates read at once.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.catalog.eligibility import is_showable
from recommender.catalog.rules import lineage, margin_ppm
from recommender.records import Item, RuleMatch
from recommender.serving.slates import product_codes
from recommender.training.prefetch import prefetch

UNKNOWN = np.iinfo(np.int64).min
CHUNK = 10_000


class Vocabulary:
    """Item ids, those of an artifact as a rule: text on one side, rows on the other.

    Args:
        item_ids: UTF-8 bytes; in ascending order where `rows_in` leads to them.
    """

    __slots__ = ("_hashes", "_ids", "_slots", "_texts")

    def __init__(self, item_ids: NDArray[np.bytes_]) -> None:
        self._ids = item_ids
        self._texts = item_ids.view(np.uint8).reshape(len(item_ids), item_ids.itemsize)
        self._texts.flags.writeable = False
        self._slots = _slots_of(self._texts)
        self._hashes: NDArray[np.uint32] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def item_id(self, row: int) -> str:
        """Return the id in a row."""
        item_id: bytes = self._ids[row]
        return item_id.decode()

    def item_ids(self, rows: NDArray[np.int32]) -> list[str]:
        """Return the ids in some rows, in their order."""
        return [item_id.decode() for item_id in self._ids[rows].tolist()]

    @property
    def index(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what `find` looks ids up in."""
        return self._texts, self._slots

    @property
    def hashes(self) -> NDArray[np.uint32]:
        """Return `item_hash` of every row's id, shape (vocabulary,)."""
        if self._hashes is None:
            self._hashes = np.array([zlib.crc32(item_id) for item_id in self._ids], np.uint32)
        return self._hashes

    def rows(self, item_ids: Iterable[str]) -> NDArray[np.int32]:
        """Return the rows of the known ids in their order; unknown ones are left out."""
        places = self.places(list(item_ids))
        return places[places >= 0]

    def lacking(self, item_ids: Iterable[str]) -> Iterator[str]:
        """Yield the ids that are not in the vocabulary, in their order."""
        ids = iter(item_ids)
        while chunk := list(itertools.islice(ids, CHUNK)):
            yield from itertools.compress(chunk, self.places(chunk) < 0)

    def places(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """Return the row of each id, -1 for an unknown one."""
        asked = [item_id.encode() for item_id in item_ids]
        lengths = np.array(list(map(len, asked)), np.int64)
        texts = np.frombuffer(b"".join(asked), np.uint8)
        places: NDArray[np.int32] = _find_all(texts, lengths, self.index)
        return places

    def rows_in(self, other: "Vocabulary") -> NDArray[np.int32]:
        """Return the row that each row's id has in another vocabulary, -1 where it has none."""
        ids = self._ids.astype(np.promote_types(self._ids.dtype, other._ids.dtype), copy=False)
        place = np.minimum(np.searchsorted(other._ids, ids), len(other) - 1)
        return np.where(other._ids[place] == ids, place, -1).astype(np.int32)


@njit(cache=True)
def _slots_of(texts: Any) -> Any:
    """Return a table of rows that finds an id at once, at most half full; -1 where it is free."""
    size = 16
    while size < 2 * len(texts):
        size *= 2
    slots = np.full(size, -1, np.int32)
    for row in range(len(texts)):
        text = texts[row]
        slot = _hash(text, 0, _length(text)) & (size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = row
    return slots


@njit(cache=True)
def _find_all(asked: Any, lengths: Any, index: Any) -> Any:
    """Return the row of each id, of texts one behind the other; -1 where there is none."""
    spans = np.empty((len(lengths), 2), np.int64)
    end = 0
    for at in range(len(lengths)):
        spans[at, 0], spans[at, 1] = end, end + lengths[at]
        end += lengths[at]
    return find(asked, spans, index)


@njit(cache=True)
def find(asked: Any, spans: Any, index: Any) -> Any:
    """Return the row of each id asked for, -1 where there is none.

    Args:
        asked: A text with all the ids in it.
        spans: Where in it each starts and ends, shape (ids, 2).
        index: See `Vocabulary.index`.
    """
    texts, slots = index
    first = np.empty(len(spans), np.int64)
    for at in range(len(spans)):
        first[at] = _hash(asked, spans[at, 0], spans[at, 1]) & (len(slots) - 1)
        prefetch(slots, first[at])
    for slot in first:
        if slots[slot] >= 0:
            prefetch(texts, slots[slot] * np.int64(texts.shape[1]))
    rows = np.full(len(spans), -1, np.int32)
    for at in range(len(spans)):
        slot = first[at]
        while slots[slot] >= 0:
            if _is_text(texts[slots[slot]], asked, spans[at, 0], spans[at, 1]):
                rows[at] = slots[slot]
                break
            slot = (slot + 1) & (len(slots) - 1)
    return rows


@njit(cache=True)
def _hash(text: Any, start: int, end: int) -> Any:
    """Return 63 bits of some bytes.

    Source: Fowler, Noll, Vo, FNV-1a.
    """
    mixed = np.uint64(0xCBF29CE484222325)
    for at in range(start, end):
        mixed = (mixed ^ np.uint64(text[at])) * np.uint64(0x100000001B3)
    # The low bits alone know little of the first bytes.
    return np.int64((mixed ^ (mixed >> np.uint64(32))) >> np.uint64(1))


@njit(cache=True)
def _length(text: Any) -> int:
    end = len(text)
    while end and text[end - 1] == 0:
        end -= 1
    return end


@njit(cache=True)
def _is_text(text: Any, asked: Any, start: int, end: int) -> bool:
    if end - start > len(text) or (end - start < len(text) and text[end - start] != 0):
        return False
    # A generator's expression is no machine code.
    for at in range(end - start):  # noqa: SIM110
        if text[at] != asked[start + at]:
            return False
    return True


@njit(cache=True)
def taken(rows: Any, facts: Any) -> Any:
    """Return four columns at some rows, in one pass."""
    first, second, third, fourth = facts
    n = len(rows)
    a, b = np.empty(n, first.dtype), np.empty(n, second.dtype)
    c, d = np.empty(n, third.dtype), np.empty(n, fourth.dtype)
    for at in range(n):
        row = rows[at]
        a[at], b[at], c[at], d[at] = first[row], second[row], third[row], fourth[row]
    return a, b, c, d


def item_hash(item_id: str) -> int:
    """Return 32 bits of an item's id, the same in every process."""
    return zlib.crc32(item_id.encode())


class Columns:
    """Facts of items by row of a vocabulary; what is not in the catalogue is not showable.

    Attributes:
        showable: bool, whether the item may be shown now.
        products: int64, see `slates.product_code`.
        categories: int32 code, 0 for none.
        brands: int32 code, 0 for none.
        prices_minor: int64.
        margins_ppm: int64, `UNKNOWN` without price or cost.
        stocks: int64, `UNKNOWN` where it is not counted.
        category_codes: Code of every category met, also those of items beyond the vocabulary.
        brand_codes: Code of every brand met.
        below: Codes of a category and of all below it, by its path.
    """

    __slots__ = (
        "below",
        "brand_codes",
        "brands",
        "categories",
        "category_codes",
        "margins_ppm",
        "prices_minor",
        "products",
        "showable",
        "stocks",
    )

    def __init__(self, n: int) -> None:
        self.showable = np.zeros(n, bool)
        self.products = np.zeros(n, np.int64)
        self.categories = np.zeros(n, np.int32)
        self.brands = np.zeros(n, np.int32)
        self.prices_minor = np.zeros(n, np.int64)
        self.margins_ppm = np.full(n, UNKNOWN)
        self.stocks = np.full(n, UNKNOWN)
        self.category_codes: dict[str, int] = {"": 0}
        self.brand_codes: dict[str, int] = {"": 0}
        self.below: dict[str, tuple[int, ...]] = {}

    @property
    def nbytes(self) -> int:
        """Return the size of all arrays."""
        columns = (getattr(self, name) for name in self.__slots__)
        return sum(column.nbytes for column in columns if isinstance(column, np.ndarray))

    def copy(self) -> "Columns":
        """Return columns that can be written without changing these."""
        other = Columns(0)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name).copy())
        return other

    def moved(self, rows: NDArray[np.int32]) -> "Columns":
        """Return columns along another vocabulary.

        Args:
            rows: Row here of each row there, -1 for one that has none here.
        """
        other = Columns(len(rows))
        known = rows >= 0
        for name in self.__slots__:
            mine = getattr(self, name)
            if isinstance(mine, np.ndarray):
                getattr(other, name)[known] = mine[rows[known]]
            else:
                setattr(other, name, mine.copy())
        return other

    def write(self, vocabulary: Vocabulary, items: Iterable[Item]) -> NDArray[np.int32]:
        """Overwrite what is known of some items and return their rows."""
        items, written = iter(items), [np.zeros(0, np.int32)]
        # Not all at once: a catalogue may yield more items than memory should hold.
        while chunk := list(itertools.islice(items, CHUNK)):
            written.append(self._write(vocabulary, chunk))
        return np.concatenate(written)

    def _write(self, vocabulary: Vocabulary, items: Sequence[Item]) -> NDArray[np.int32]:
        for item in items:
            self.brand_codes.setdefault(item.brand, len(self.brand_codes))
            if item.category not in self.category_codes:
                self._meet(item.category)
        rows = vocabulary.places([item.item_id for item in items])
        known = [item for item, row in zip(items, rows.tolist(), strict=True) if row >= 0]
        rows = rows[rows >= 0]
        self.showable[rows] = [is_showable(item) for item in known]
        self.products[rows] = product_codes(known)
        self.categories[rows] = [self.category_codes[item.category] for item in known]
        self.brands[rows] = [self.brand_codes[item.brand] for item in known]
        self.prices_minor[rows] = [item.price_minor for item in known]
        self.margins_ppm[rows] = [_known(margin_ppm(item)) for item in known]
        self.stocks[rows] = [_known(item.stock) for item in known]
        return rows

    def matching(
        self, match: RuleMatch, vocabulary: Vocabulary, rows: NDArray[np.int32] | slice
    ) -> NDArray[np.bool_]:
        """Return which rows meet every criterion; says of an item what `rules.fits` says."""
        met = np.ones(len(self.showable), bool)[rows]
        if match.item_ids:
            named = np.zeros(len(self.showable), bool)
            named[vocabulary.rows(match.item_ids)] = True
            met = named[rows]
        if match.categories:
            wanted = [code for path in match.categories for code in self.below.get(path, ())]
            met &= _table(wanted, len(self.category_codes))[self.categories[rows]]
        if match.brands:
            wanted = [code for name in match.brands if (code := self.brand_codes.get(name))]
            met &= _table(wanted, len(self.brand_codes))[self.brands[rows]]
        _bound(met, self.prices_minor[rows], match.price_min_minor, match.price_max_minor)
        _bound(met, self.margins_ppm[rows], match.margin_min_ppm, match.margin_max_ppm)
        _bound(met, self.stocks[rows], match.stock_min, match.stock_max)
        return met

    def _meet(self, category: str) -> None:
        code = self.category_codes[category] = len(self.category_codes)
        for path in lineage(category):
            self.below[path] = (*self.below.get(path, ()), code)


def _known(value: int | None) -> int:
    return UNKNOWN if value is None else value


def _table(wanted: list[int], n: int) -> NDArray[np.bool_]:
    table = np.zeros(n, bool)
    table[wanted] = True
    return table


def _bound(
    met: NDArray[np.bool_], column: NDArray[np.int64], least: int | None, most: int | None
) -> None:
    if least is None and most is None:
        return
    met &= column != UNKNOWN
    if least is not None:
        met &= column >= least
    if most is not None:
        met &= column <= most
