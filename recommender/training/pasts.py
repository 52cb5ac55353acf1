"""What known visitors did, kept in the artifact for when they come back. Pure.

The hot state remembers the newest steps of a path; a customer's orders of last year are here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.evaluation import PATH_MEETINGS
from recommender.training.interactions import ANONYMOUS, Interactions, Kind


@dataclass(frozen=True, slots=True)
class Past:
    """Meetings of one visitor, newest first.

    Attributes:
        items: Vocabulary rows, int32.
        kinds: `interactions.Kind`, int8.
        at_seconds: Unix time, int64.
    """

    items: NDArray[np.int32]
    kinds: NDArray[np.int8]
    at_seconds: NDArray[np.int64]

    def before(self, at_seconds: int) -> "Past":
        """Return what happened before an instant."""
        older = slice(int(np.count_nonzero(self.at_seconds >= at_seconds)), None)
        return Past(self.items[older], self.kinds[older], self.at_seconds[older])


NO_PAST = Past(np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.int64))


def past_arrays(interactions: Interactions) -> dict[str, NDArray[Any]]:
    """Lay out the newest `PATH_MEETINGS` interactions of every visitor who ever ordered.

    Returns:
        `past_visitors` pseudonyms, ascending; row i of `past_items`, `past_kinds` and
        `past_seconds` lies from `past_starts[i]` to `past_starts[i + 1]`, newest first.
    """
    buyers = np.unique(interactions.visitor[interactions.kind == Kind.ORDER])
    buyers = buyers[buyers != ANONYMOUS]
    if not len(interactions.visitor_ids):
        buyers = buyers[:0]
    ids = interactions.visitor_ids[buyers]
    order_of_buyers = np.argsort(ids, kind="stable")
    place = np.full(int(interactions.visitor.max(initial=0)) + 1, -1, np.int64)
    place[buyers[order_of_buyers]] = np.arange(len(buyers))
    rows = np.flatnonzero((interactions.visitor != ANONYMOUS) & (place[interactions.visitor] >= 0))
    rows = rows[::-1]
    rows = rows[np.argsort(place[interactions.visitor[rows]], kind="stable")]
    owner = place[interactions.visitor[rows]]
    first = np.searchsorted(owner, np.arange(len(buyers)))
    rows = rows[np.arange(len(rows)) - first[owner] < PATH_MEETINGS] if len(rows) else rows
    owner = place[interactions.visitor[rows]]
    return {
        "past_visitors": ids[order_of_buyers],
        "past_starts": np.searchsorted(owner, np.arange(len(buyers) + 1)).astype(np.int64),
        "past_items": interactions.item[rows],
        "past_kinds": interactions.kind[rows],
        "past_seconds": interactions.at_seconds[rows],
    }


def past_of(arrays: Mapping[str, NDArray[Any]], visitor: str) -> Past:
    """Return what is kept of one visitor; nothing where the artifact keeps no pasts."""
    visitors = arrays.get("past_visitors")
    if visitors is None or not visitor or not len(visitors):
        return NO_PAST
    asked = visitor.encode()
    place = int(np.searchsorted(visitors, np.array(asked, visitors.dtype)))
    if place == len(visitors) or visitors[place] != asked:
        return NO_PAST
    own = slice(arrays["past_starts"][place], arrays["past_starts"][place + 1])
    return Past(arrays["past_items"][own], arrays["past_kinds"][own], arrays["past_seconds"][own])
