"""What a page shows and what its visitor met, from bytes to a query, in one kernel. Pure.

In come texts as they were sent and kept (`paths`); out go rows of the vocabulary with what each
meeting counts and how long ago it was. Must not know what is asked of the model.
"""

from typing import Any

import numpy as np
from numba import njit

from recommender.paths import DAY_SECONDS, LETTERS, PathKind
from recommender.serving.columns import find
from recommender.serving.newcomers import let_speak

_VIEW, _CART, _ORDER = range(len(PathKind))
_IS_CART, _IS_ORDER = ord(LETTERS[PathKind.CART]), ord(LETTERS[PathKind.ORDER])
_ZERO, _NINE = ord("0"), ord("9")
_END = np.iinfo(np.int64).max


@njit(cache=True)
def meet(  # noqa: PLR0913, PLR0917 - a kernel takes arrays, not objects
    text: Any,
    lengths: Any,
    in_cart: int,
    kind_weights: Any,
    path_share: float,
    now_seconds: int,
    vocabulary: Any,
    newcomers: Any,
    known: Any,
    resembled: Any,
) -> Any:
    """Return what was met, and the query that it makes.

    The page's own item is told before its slate is asked for, as a rule: then it is left out, for
    it is the newest of the path.

    Args:
        text: Ids of the items in the cart, that of the page's item, then the path, see `paths`.
        lengths: Length of each of the page's own ids.
        in_cart: How many of them lie in the cart.
        kind_weights: What a meeting counts by its kind, see `PathKind`, float64.
        path_share: What one of the path counts of that.
        now_seconds: Unix time.
        vocabulary: `Vocabulary.index` of the model.
        newcomers: Likewise of the newcomers.
        known: See `newcomers.let_speak`.
        resembled: Likewise.

    Returns:
        Rows of the cart, the page's item and the path, -1 for what the vocabulary lacks; how
        many it lacks; the time of the path's oldest step, or the end of all times; the arrays
        of a `Query`; and, of each row in it that only stands in for an item, that row and where
        the item's id starts and ends in the text, shape (3, rows).
    """
    spans, kinds, at_seconds, own = _steps(text, lengths, in_cart)
    rows = find(text, spans, vocabulary)
    weights = np.empty(len(rows), np.float32)
    for at in range(len(rows)):
        weights[at] = kind_weights[kinds[at]] * (1.0 if at < own else path_share)
    places, ages_days = _since(at_seconds, in_cart, own, now_seconds)
    lacking = 0
    for row in rows:
        lacking += row < 0
    beyond = find(text, spans, newcomers) if lacking else rows
    query, stand_ins = let_speak((rows, weights, places, ages_days), known, beyond, resembled)
    told = np.empty((3, stand_ins.shape[1]), np.int64)
    for at in range(stand_ins.shape[1]):
        told[0, at] = stand_ins[0, at]
        told[1:, at] = spans[stand_ins[1, at]]
    oldest_seconds = at_seconds[-1] if len(rows) > own else _END
    return rows, lacking, oldest_seconds, query, told


@njit(cache=True)
def _steps(text: Any, lengths: Any, in_cart: int) -> Any:
    """Return ids, kinds and times of the page's own items and the path, and how many are own."""
    most, start = len(lengths) + 1, 0
    for length in lengths:
        start += length
    for at in range(start, len(text) - 1):
        most += text[at] == 0 and text[at + 1] == 0
    spans = np.empty((most, 2), np.int64)
    kinds = np.full(most, _VIEW, np.int64)
    at_seconds = np.zeros(most, np.int64)
    kinds[:in_cart] = _CART
    own, begin = len(lengths), 0
    for at in range(own):
        spans[at, 0], spans[at, 1] = begin, begin + lengths[at]
        begin += lengths[at]
    n = own
    # What is not as we keep it must not lead beyond the arrays.
    while start < len(text) and n < most:
        start = _step(text, start, n, spans, kinds, at_seconds)
        if n == own > in_cart and _is_same(text, spans, own - 1, own):
            own = n = own - 1
            spans[n], kinds[n], at_seconds[n] = spans[n + 1], kinds[n + 1], at_seconds[n + 1]
        n += not _is_repeated(text, own, n, spans, kinds, at_seconds)
    return spans[:n], kinds[:n], at_seconds[:n], own


@njit(cache=True)
def _step(text: Any, start: int, n: int, spans: Any, kinds: Any, at_seconds: Any) -> int:
    """Read the step that starts somewhere into the n-th place, and return where the next does."""
    at = start
    while at < len(text) and text[at]:
        at += 1
    spans[n, 0], spans[n, 1] = start, at
    kinds[n], at_seconds[n] = _VIEW, 0
    at += 1
    # An earlier release kept the bare id.
    if at < len(text) and text[at]:
        if text[at] == _IS_CART:
            kinds[n] = _CART
        elif text[at] == _IS_ORDER:
            kinds[n] = _ORDER
        at += 1
        while at < len(text) and _ZERO <= text[at] <= _NINE:
            at_seconds[n] = at_seconds[n] * 10 + text[at] - _ZERO
            at += 1
        while at < len(text) and text[at]:
            at += 1
        at += 1
    return at + 1


@njit(cache=True)
def _is_repeated(text: Any, own: int, n: int, spans: Any, kinds: Any, at_seconds: Any) -> bool:
    """Tell whether a step of the path was there before, of the same kind and on the same day."""
    for before in range(own, n):
        if (
            kinds[before] == kinds[n]
            and at_seconds[before] // DAY_SECONDS == at_seconds[n] // DAY_SECONDS
            and _is_same(text, spans, before, n)
        ):
            return True
    return False


@njit(cache=True)
def _is_same(text: Any, spans: Any, one: int, other: int) -> bool:
    start, length = spans[one, 0], spans[one, 1] - spans[one, 0]
    if spans[other, 1] - spans[other, 0] != length:
        return False
    # Ids of one shop begin alike, as a rule, and differ at the end.
    for at in range(length - 1, -1, -1):  # noqa: SIM110 - a generator is no machine code
        if text[start + at] != text[spans[other, 0] + at]:
            return False
    return True


@njit(cache=True)
def _since(at_seconds: Any, in_cart: int, own: int, now_seconds: int) -> Any:
    """Return for cart, item shown and path how many steps and days ago each was met."""
    places = np.zeros(len(at_seconds), np.int32)
    ages_days = np.zeros(len(at_seconds), np.float32)
    place = min(in_cart, 1)
    places[in_cart:own] = place
    place += own - in_cart
    for at in range(own, len(at_seconds)):
        if at > own and at_seconds[at] != at_seconds[at - 1]:
            place += 1
        places[at] = place
        # What time is not known any more counts as now.
        if at_seconds[at]:
            ages_days[at] = max(now_seconds - at_seconds[at], 0) / DAY_SECONDS
    return places, ages_days
