"""Can kernels run over these arrays? Pure.

Kernels do not check bounds, so what they follow must lead into the arrays: rows of the vocabulary,
and starts of lists. Names tell the structure: `ids` and `…_ids` hold rows of the vocabulary;
`starts` says where each item's list begins in `ids`, `scores`, `sessions` and `matches`, and
`…_starts` where each list begins in `…_ids`; the last entry is the end. `sessions` holds numbers of
lists of `session_starts`, `matches` places in `session_ids`.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recommender.errors import InconsistentError

_OF_STARTS = ("ids", "scores", "sessions", "matches")


def check_vocabulary(item_ids: NDArray[Any]) -> None:
    """Refuse a vocabulary in which no search would find its way.

    Raises:
        InconsistentError: Code `damaged-artifact`.
    """
    _check(item_ids.ndim == 1 and item_ids.dtype.kind == "S", "item_ids is no list of ids")
    _check(bool((item_ids[1:] > item_ids[:-1]).all()), "item_ids is not in ascending order")


def check_source(name: str, arrays: Mapping[str, NDArray[Any]], n_items: int) -> None:
    """Refuse one source's arrays if they lead beyond themselves.

    Args:
        name: The source, for the message.
        arrays: Its arrays by short name.
        n_items: Size of the vocabulary.

    Raises:
        InconsistentError: Code `damaged-artifact`.
    """
    for short, array in arrays.items():
        full = f"{name}.{short}"
        if short == "starts":
            governed = [arrays[listed] for listed in _OF_STARTS if listed in arrays]
            _check_starts(full, array, governed)
            _check(len(array) == n_items + 1, f"{full} has not one list an item")
        elif short.endswith("_starts"):
            _check_starts(full, array, [arrays[f"{short.removesuffix('_starts')}_ids"]])
        elif short == "ids" or short.endswith("_ids"):
            _check_below(full, array, n_items, "the vocabulary")
        elif short == "sessions":
            _check_below(full, array, len(arrays["session_starts"]) - 1, "the sessions")
        elif short == "matches":
            _check_below(full, array, len(arrays["session_ids"]), "the sessions' items")


def check_pasts(arrays: Mapping[str, NDArray[Any]], n_items: int) -> None:
    """Refuse visitors' pasts if they lead beyond themselves, see `pasts.past_arrays`.

    Raises:
        InconsistentError: Code `damaged-artifact`.
    """
    if "past_visitors" not in arrays:
        return
    columns = [arrays[f"past_{name}"] for name in ("items", "kinds", "seconds")]
    _check_starts("past_starts", arrays["past_starts"], columns)
    n_visitors = len(arrays["past_visitors"])
    _check(len(arrays["past_starts"]) == n_visitors + 1, "past_starts has not one list a visitor")
    _check_below("past_items", arrays["past_items"], n_items, "the vocabulary")
    _check_below("past_kinds", arrays["past_kinds"], 3, "the kinds")


def _check_starts(full: str, starts: NDArray[Any], lists: list[NDArray[Any]]) -> None:
    whole = starts.ndim == 1 and starts.dtype.kind == "i" and len(starts) > 0
    _check(whole, f"{full} is no list of places")
    _check(int(starts[0]) == 0, f"{full} does not begin at 0")
    _check(bool((starts[1:] >= starts[:-1]).all()), f"{full} goes back")
    _check(
        all(len(one) == int(starts[-1]) for one in lists), f"{full} ends elsewhere than its list"
    )


def _check_below(full: str, rows: NDArray[Any], limit: int, whole: str) -> None:
    _check(rows.dtype.kind == "i", f"{full} holds no rows")
    inside = not rows.size or 0 <= int(rows.min()) <= int(rows.max()) < limit
    _check(inside, f"{full} leaves {whole}")


def _check(holds: bool, why: str) -> None:
    if not holds:
        raise InconsistentError(why, code="damaged-artifact")
