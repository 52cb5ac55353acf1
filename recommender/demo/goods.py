"""The storefront's own list of goods: a real shop has its own database. Pure.

In comes the list that the demo's loader wrote, best-selling first; out go shelves, pages of them,
and search.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_SIZE = 24


@dataclass(frozen=True, slots=True)
class Good:
    """One product as the storefront sells it."""

    item_id: str
    title: str
    category: str
    price_minor: int
    currency: str
    url: str
    image_url: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page of a list of goods.

    Attributes:
        number: Of this page, from 1.
        n_pages: At least 1.
    """

    goods: Sequence[Good]
    number: int
    n_pages: int
    n_goods: int


class Goods:
    """All products, best-selling first."""

    def __init__(self, goods: Iterable[Good]) -> None:
        self._all = list(goods)
        self._by_id = {good.item_id: good for good in self._all}
        self._by_slug: dict[str, list[Good]] = {}
        for good in self._all:
            self._by_slug.setdefault(slug_of(good.category), []).append(good)
        self._words = [set(_words(f"{good.title} {good.category}")) for good in self._all]

    @classmethod
    def read(cls, path: Path) -> "Goods":
        """Read the list from its file."""
        return cls(Good(**row) for row in json.loads(path.read_text()))

    def get(self, item_id: str) -> Good | None:
        """Return a product, None when there is none of this id."""
        return self._by_id.get(item_id)

    def best(self, n: int) -> Sequence[Good]:
        """Return the n best-selling products, no more than two of a category."""
        taken: dict[str, int] = {}
        chosen = []
        for good in self._all:
            taken[good.category] = taken.get(good.category, 0) + 1
            if taken[good.category] <= 2:
                chosen.append(good)
        return chosen[:n]

    def categories(self) -> Sequence[str]:
        """Return all categories, the largest first."""
        largest = sorted(self._by_slug.values(), key=len, reverse=True)
        return [goods[0].category for goods in largest]

    def category(self, slug: str) -> str | None:
        """Return the name of a category by the last part of its address."""
        goods = self._by_slug.get(slug)
        return goods[0].category if goods else None

    def in_category(self, slug: str, page: int) -> Shelf:
        """Return one page of a category."""
        return _shelf(self._by_slug.get(slug, []), page)

    def search(self, term: str, page: int) -> Shelf:
        """Return one page of the products whose title has all words of the term."""
        wanted = set(_words(term))
        found = [
            good
            for good, words in zip(self._all, self._words, strict=True)
            if wanted and wanted <= words
        ]
        return _shelf(found, page)


def slug_of(category: str) -> str:
    """Return a category's part of an address: "Bags & purses" → "bags-purses"."""
    return "-".join(re.findall(r"[a-z0-9]+", category.lower()))


def _words(text: str) -> list[str]:
    # Singular and plural find each other.
    return [word.removesuffix("s") for word in re.findall(r"[a-z0-9]+", text.lower())]


def _shelf(goods: Sequence[Good], page: int) -> Shelf:
    n_pages = max(1, -(-len(goods) // PAGE_SIZE))
    number = min(max(page, 1), n_pages)
    start = (number - 1) * PAGE_SIZE
    return Shelf(goods[start : start + PAGE_SIZE], number, n_pages, len(goods))
