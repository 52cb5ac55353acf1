"""Who was first exposed when, in which arm: Ibis expressions over the event log. Pure.

In comes the shop's table of events; out go expressions that run alike on every engine. Days are
not told apart here: engines disagree on time zones, so counts leave per quarter of an hour (every
zone's days begin on one) and become days in `revenue`.
"""

from typing import TYPE_CHECKING

import ibis

from recommender.records import Arm, EventType
from recommender.uplift.days import Window

if TYPE_CHECKING:
    from ibis.expr.types import Table

QUARTER_SECONDS = 900


def first_exposures(events: "Table", window: Window) -> "Table":
    """Return one row per exposed visitor: visitor, stratum, arm, exposed_at.

    The first exposure inside the window decides arm and stratum for good. A visitor seen in both
    arms stays in the first one: leaving such visitors out would bias the result, keeping them only
    dilutes the effect.
    """
    exposures = events.filter(
        events.type == EventType.EXPOSURE.value,
        events.visitor != "",
        events.arm.isin([arm.value for arm in Arm]),
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    )
    first = ibis.window(group_by="visitor", order_by=["occurred_at", "event_id"])
    ranked = exposures.mutate(place=ibis.row_number().over(first))
    return ranked.filter(ranked.place == 0).select(
        "visitor", "stratum", "arm", exposed_at="occurred_at"
    )


def exposure_counts(exposures: "Table") -> "Table":
    """Count first exposures: quarter (since 1970), stratum, arm, visitors."""
    quarter = (exposures.exposed_at.epoch_seconds() // QUARTER_SECONDS).cast("int64")
    return (
        exposures.mutate(quarter=quarter)
        .group_by("quarter", "stratum", "arm")
        .aggregate(visitors=lambda t: t.count())
    )


def purchase_links(events: "Table", window: Window) -> "Table":
    """Return which visitor's browser saw which order first: order_id, visitor."""
    seen = events.filter(
        events.type == EventType.PURCHASE.value,
        events.visitor != "",
        events.order_id != "",
        events.occurred_at >= window.start,
    )
    first = ibis.window(group_by="order_id", order_by=["occurred_at", "event_id"])
    ranked = seen.mutate(place=ibis.row_number().over(first))
    return ranked.filter(ranked.place == 0).select("order_id", "visitor")
