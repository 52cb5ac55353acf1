"""The unit of the experiment after logins: a person, on however many browsers. Pure.

A browser is assigned by its own id, so that anybody can recompute its arm; a person may therefore
see both arms. The person counts in the arm of the first exposure on any of the browsers, and
nobody is left out: that can only make the effect look smaller. Ibis expressions, for every engine.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from recommender.uplift.exposures import armed_within, exposures_within

if TYPE_CHECKING:
    from ibis.expr.types import Scalar, Table

    from recommender.uplift.days import Window


def as_persons(events: "Table", merges: Mapping[str, str], browser: str = "") -> "Table":
    """Return the events with `visitor` as the person, where the browser is known to be one's.

    Args:
        events: Of one shop.
        merges: Browser → person.
        browser: Name of a further column that keeps the browser; none when empty.
    """
    if not merges:
        return events.mutate(**{browser: events.visitor}) if browser else events
    columns = {"merged": list(merges), "person": list(merges.values())}
    known = ibis.memtable(
        pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    )
    joined = events.left_join(known, events.visitor == known.merged)
    person = ibis.coalesce(joined.person, joined.visitor)
    more = {browser: joined.visitor} if browser else {}
    return joined.select(
        *(name for name in events.columns if name != "visitor"), visitor=person, **more
    ).select(*events.columns, *more)


def on_several_browsers(events: "Table", merges: Mapping[str, str], window: "Window") -> "Scalar":
    """Count the persons who were exposed on more than one browser within the window.

    Args:
        events: By browser.
        merges: Browser → person.
    """
    exposures = as_persons(
        _of_browsers(exposures_within(events, window), merges), merges, "browser"
    )
    people = exposures.group_by("visitor").aggregate(browsers=exposures.browser.nunique())
    return people.filter(people.browsers > 1).count()


def entered_by(events: "Table", merges: Mapping[str, str], window: "Window") -> "Table":
    """Return the browser by which each merged person came into the experiment: browser."""
    armed = armed_within(events, window)
    armed = as_persons(_of_browsers(armed, merges), merges, "browser")
    first = ibis.window(group_by="visitor", order_by=["occurred_at", "event_id"])
    ranked = armed.mutate(place=ibis.row_number().over(first))
    return ranked.filter(ranked.place == 0).select("browser")


def _of_browsers(events: "Table", merges: Mapping[str, str]) -> "Table":
    wanted = ibis.memtable(pa.table({"visitor": pa.array(list(merges), pa.string())}))
    return events.semi_join(wanted, "visitor")
