"""An artifact without one visitor's past tells the same of all others."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.training.forgetting import without_pasts
from recommender.training.pasts import past_of

Pasts = dict[str, list[int]]


def laid_out(pasts: Pasts) -> dict[str, NDArray[Any]]:
    """As `pasts.past_arrays` does: visitors ascending, each one's rows together."""
    visitors = sorted(pasts)
    rows = [item for one in visitors for item in pasts[one]]
    return {
        "item_ids": np.array([b"a", b"b"]),
        "past_visitors": np.array([one.encode() for one in visitors], "S8"),
        "past_starts": np.cumsum([0, *[len(pasts[one]) for one in visitors]]),
        "past_items": np.array(rows, np.int32),
        "past_kinds": np.zeros(len(rows), np.int8),
        "past_seconds": np.arange(len(rows))[::-1],
    }


_NAMES = st.text("abc", min_size=1, max_size=3)


@given(st.dictionaries(_NAMES, st.lists(st.integers(0, 1), max_size=4)), st.sets(_NAMES))
def test_only_the_forgotten_are_missing(pasts: Pasts, gone: set[str]) -> None:
    arrays = laid_out(pasts)
    left = without_pasts(arrays, sorted(gone))
    if not gone & pasts.keys():
        assert left is None
        return
    assert left is not None
    assert left["past_visitors"].tolist() == [one.encode() for one in sorted(pasts.keys() - gone)]
    for one in pasts:
        expected = [] if one in gone else pasts[one]
        assert past_of(left, one).items.tolist() == expected
    assert left["past_starts"][-1] == len(left["past_items"])
    assert left["item_ids"] is arrays["item_ids"]


def test_an_artifact_without_pasts_needs_no_change() -> None:
    assert without_pasts({"item_ids": np.array([b"a"])}, ["a"]) is None
