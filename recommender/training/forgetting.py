"""Pasts of single visitors in published artifacts (verb): told to who asks, or taken out.

Nothing else in an artifact belongs to anybody: sessions are rows of items, factors belong to
items. In come pseudonyms; what leaves them out has new ids, and the pointers move there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InconsistentError
from recommender.training.artifact import ArtifactStore
from recommender.training.interactions import Kind
from recommender.training.pasts import past_of

_COLUMNS = ("past_items", "past_kinds", "past_seconds")


class VisitorPasts:
    """The pasts of single visitors in all artifacts of a store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def past(self, shop_id: str, visitor: str) -> list[dict[str, Any]]:
        """Return what the published artifact keeps of a visitor, newest first."""
        artifact_id = self._artifacts.current(shop_id)
        if artifact_id is None:
            return []
        arrays = self._artifacts.load(shop_id, artifact_id).arrays
        past = past_of(arrays, visitor)
        items = arrays["item_ids"][past.items].tolist()
        return [
            {"item_id": item_id.decode(), "kind": Kind(kind).name.lower(), "at_seconds": at_seconds}
            for item_id, kind, at_seconds in zip(
                items, past.kinds.tolist(), past.at_seconds.tolist(), strict=True
            )
        ]

    def forget(self, shop_id: str, visitors: Sequence[str]) -> dict[str, str]:
        """Publish anew, without these visitors, every artifact of a shop that knows one of them.

        Returns:
            Old id → new id of the artifacts that were replaced.

        Raises:
            UnavailableError: Code `already-training`: another process works on this shop.
        """
        if not self._artifacts.ids(shop_id):
            return {}
        with self._artifacts.exclusive(shop_id):
            renamed = {
                artifact_id: self._without(shop_id, artifact_id, visitors)
                for artifact_id in self._artifacts.ids(shop_id)
            }
        return {old: new for old, new in renamed.items() if new}

    def _without(self, shop_id: str, artifact_id: str, visitors: Sequence[str]) -> str:
        try:
            artifact = self._artifacts.load(shop_id, artifact_id)
        except InconsistentError:
            # Nothing serves from what is damaged, and the next training removes it.
            return ""
        arrays = without_pasts(artifact.arrays, visitors)
        if arrays is None:
            return ""
        new_id = self._artifacts.write(
            shop_id, arrays, artifact.meta, created_at=artifact.created_at
        )
        self._artifacts.replace(shop_id, artifact_id, new_id)
        return new_id


def without_pasts(
    arrays: Mapping[str, NDArray[Any]], visitors: Sequence[str]
) -> dict[str, NDArray[Any]] | None:
    """Return an artifact's arrays without some visitors' pasts; None when it knows none of them.

    Args:
        arrays: As `pasts.past_arrays` lays them out, among others.
        visitors: Pseudonyms.
    """
    known = arrays.get("past_visitors")
    if known is None:
        return None
    gone = np.isin(known, np.array([one.encode() for one in visitors], np.bytes_))
    if not gone.any():
        return None
    starts = arrays["past_starts"]
    lengths = np.diff(starts)
    kept_rows = np.repeat(~gone, lengths)
    return {
        **arrays,
        "past_visitors": known[~gone],
        "past_starts": np.concatenate([[0], np.cumsum(lengths[~gone])]).astype(starts.dtype),
        **{name: arrays[name][kept_rows] for name in _COLUMNS},
    }
