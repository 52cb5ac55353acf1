"""What was searched in vain → items that answer to its words. Pure.

A search that found nothing still says what the shopper wants: some of its words may stand in
titles. Must not know how candidates are ranked.
"""

import numpy as np
from numpy.typing import NDArray

from recommender.records import Item
from recommender.training.content import nearest, vectors_of
from recommender.training.source import Arrays

REASON = "searched"
"""Reason code of an item that answers to the words of a search."""

BEST_SHARE = 0.25
"""Part of the best answer's resemblance below which an item has only the commonest of the words.

How much the best resembles says nothing: titles are longer than searches, and some words of a
search are in no title.
"""

BUDGET = 200_000
"""Postings read, rarest words first: two words that many titles have are read whole."""


def answering(
    content: Arrays, term: str, allowed: NDArray[np.bool_], n: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the rows of the vocabulary that answer best to a search term.

    The term is compared as an item would be whose title it is.

    Args:
        content: Arrays of `training.content.CONTENT`.
        allowed: Which rows may answer, shape (vocabulary,).
        n: Most rows.

    Returns:
        Rows and their resemblances from 0 to 1, best first.
    """
    asked = Item("", "", title=term, url="", image_url="", price_minor=0, currency="")
    nobody = np.full(1, -1, np.int32)
    vectors = vectors_of(content, [asked])
    (rows,), (found,) = nearest(content, vectors, allowed, own=nobody, k=n, budget=BUDGET)
    met = (found > 0) & (found >= BEST_SHARE * found.max())
    return rows[met], found[met]
