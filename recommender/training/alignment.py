"""Learned arrays moved from one vocabulary to another, for what is not learned anew. Pure.

Names tell the structure as in `soundness`: lists by `starts`, rows of the vocabulary in `ids`; any
other array with one row an item follows its items. An item that is new knows nothing: its row is
zero and its list empty.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_of(ids: NDArray[Any], vocabulary: NDArray[Any]) -> NDArray[np.int32]:
    """Return where each id stands in an ascending vocabulary, -1 where it does not."""
    place = np.minimum(np.searchsorted(vocabulary, ids), len(vocabulary) - 1)
    return np.where(vocabulary[place] == ids, place, -1).astype(np.int32)


def aligned(
    arrays: Mapping[str, NDArray[Any]], old_ids: NDArray[Any], new_ids: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return one source's arrays under another vocabulary; both are ascending.

    Args:
        arrays: By short name. An array that is no list has one row an item, or fewer rows than
            the vocabulary has items.
        old_ids: Their vocabulary.
        new_ids: The vocabulary wanted.
    """
    place = rows_of(old_ids, new_ids)
    lists = _aligned_lists(arrays, place, len(new_ids)) if "starts" in arrays else {}
    moved = {}
    for name, array in arrays.items():
        if name in lists:
            moved[name] = lists[name]
        elif name == "ids":
            moved[name] = place[array][place[array] >= 0]
        elif array.ndim and len(array) == len(old_ids):
            moved[name] = _aligned_rows(array, place, len(new_ids))
        else:
            moved[name] = array
    return moved


def _aligned_rows(array: NDArray[Any], place: NDArray[np.int32], n_items: int) -> NDArray[Any]:
    kept = place >= 0
    moved = np.zeros((n_items, *array.shape[1:]), array.dtype)
    moved[place[kept]] = array[kept]
    return moved


def _aligned_lists(
    arrays: Mapping[str, NDArray[Any]], place: NDArray[np.int32], n_items: int
) -> dict[str, NDArray[Any]]:
    owner = np.repeat(place, np.diff(arrays["starts"]))
    listed = place[arrays["ids"]]
    kept = (owner >= 0) & (listed >= 0)
    # Both vocabularies ascend, so what is kept of the lists stays in the order of their owners.
    sizes = np.bincount(owner[kept], minlength=n_items)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
    moved = {"starts": starts, "ids": listed[kept]}
    if "scores" in arrays:
        moved["scores"] = arrays["scores"][kept]
    return moved
