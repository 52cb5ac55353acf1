"""The unit of the experiment after logins: a person, on however many browsers. Pure.

A browser is assigned by its own id, so that anybody can recompute its arm; a person may therefore
see both arms. The person counts in the arm of the first exposure on any of the browsers, and
nobody is left out: that can only make the effect look smaller. Ibis expressions, for every engine.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from recommender.records import Arm
from recommender.uplift.exposures import exposures_within

if TYPE_CHECKING:
    from ibis.expr.types import Scalar, Table

    from recommender.uplift.days import Window


def as_persons(events: "Table", merges: Mapping[str, str]) -> "Table":
    """Return the events with `visitor` as the person, where the browser is known to be one's.

    Args:
        events: Of one shop.
        merges: Browser → person.
    """
    if not merges:
        return events
    columns = {"browser": list(merges), "person": list(merges.values())}
    known = ibis.memtable(
        pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    )
    joined = events.left_join(known, events.visitor == known.browser)
    person = ibis.coalesce(joined.person, joined.visitor)
    return joined.mutate(visitor=person).select(*events.columns)


def seen_in_both_arms(events: "Table", window: "Window") -> "Scalar":
    """Count the persons who were exposed in both arms within the window."""
    exposures = exposures_within(events, window)
    arms = exposures.group_by("visitor").aggregate(arms=exposures.arm.nunique())
    return arms.filter(arms.arms == len(Arm)).count()
