"""Catalogue item → weighted features of its title, category, brand and price. Pure.

The same features describe items at training and items that arrive later; what is rare or common
is learned elsewhere. English and French shops; other languages work with fewer stop words.
"""

import math
import re
import unicodedata
import zlib
from collections.abc import Iterator

from recommender.records import Item

TITLE_WEIGHT = 1.0
NUMBER_WEIGHT = 0.6
"""Of a title's word with a digit in it: sizes and years are seldom what a shopper likes."""
CATEGORY_WEIGHT = 0.7
BRAND_WEIGHT = 1.0
PRICE_WEIGHT = 0.5

CATEGORY_SEPARATOR = ">"
BANDS_PER_DOUBLING = 2
WORDS_MAX = 40
"""Words of a title that count; the rest of an overlong one is advertising."""

_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    "a an and as at by for from in is it of on or our the this to with your "
    "au aux avec ce ces d dans de des du en et l la le les leur ou par pour sa se ses son sur un "
    "une votre".split()
)


def features(item: Item) -> Iterator[tuple[int, float]]:
    """Yield hashed features with their weights; a repeated feature is yielded once.

    A feature is a 32-bit number that means the same in every process. Two of 100,000 features
    share a number now and then; that only makes a few items a little more alike.
    """
    named = {
        **dict.fromkeys(_brand(item.brand), BRAND_WEIGHT),
        **dict.fromkeys(_levels(item.category), CATEGORY_WEIGHT),
        **dict.fromkeys(_price_bands(item.price_minor), PRICE_WEIGHT),
        **{f"t:{word}": weight for word, weight in _words(item.title)},
    }
    for name, weight in named.items():
        yield zlib.crc32(name.encode()), weight


def folded(text: str) -> str:
    """Return a text without case and accents, so that `Théière` is `theiere`."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _words(title: str) -> Iterator[tuple[str, float]]:
    for word in _WORD.findall(folded(title))[:WORDS_MAX]:
        if not word.isalpha():
            yield word, NUMBER_WEIGHT
        elif len(word) > 1 and word not in _STOP_WORDS:
            yield word, TITLE_WEIGHT


def _brand(brand: str) -> Iterator[str]:
    if name := folded(brand).strip():
        yield f"b:{name}"


def _levels(category: str) -> Iterator[str]:
    """Name each level of a path with the levels above it."""
    path = "c:"
    for level in folded(category).split(CATEGORY_SEPARATOR):
        if name := level.strip():
            path += f">{name}"
            yield path


def _price_bands(price_minor: int) -> Iterator[str]:
    """Name two staggered bands, so that near prices always share at least one."""
    if price_minor > 0:
        step = math.floor(BANDS_PER_DOUBLING * math.log2(price_minor))
        yield f"p0:{step // 2}"
        yield f"p1:{(step + 1) // 2}"
