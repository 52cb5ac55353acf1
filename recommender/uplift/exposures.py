"""Who was first exposed when, in which arm: Ibis expressions over the event log. Pure.

In comes the shop's table of events; out go expressions that run alike on every engine. Days are
not told apart here: engines disagree on time zones, so counts leave per quarter of an hour (every
zone's days begin on one) and become days in `revenue`.
"""

from typing import TYPE_CHECKING

import ibis

from recommender.events.bots import PREFETCH
from recommender.records import Arm, EventType
from recommender.uplift.days import Window

if TYPE_CHECKING:
    from ibis.expr.types import Table

QUARTER_SECONDS = 900


def exposures_within(events: "Table", window: Window) -> "Table":
    """Return the exposures of known visitors within the window."""
    return events.filter(
        events.type == EventType.EXPOSURE.value,
        events.visitor != "",
        events.arm.isin([arm.value for arm in Arm]),
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    )


def first_exposures(events: "Table", window: Window) -> "Table":
    """Return one row per exposed visitor: visitor, stratum, arm, exposed_at.

    The first exposure inside the window decides arm and stratum for good. A visitor seen in both
    arms stays in the first one: leaving such visitors out would bias the result, keeping them only
    dilutes the effect.
    """
    exposures = exposures_within(events, window)
    first = ibis.window(group_by="visitor", order_by=["occurred_at", "event_id"])
    ranked = exposures.mutate(place=ibis.row_number().over(first))
    return ranked.filter(ranked.place == 0).select(
        "visitor", "stratum", "arm", exposed_at="occurred_at"
    )


def bot_visitors(events: "Table", window: Window) -> "Table":
    """Return the visitors that are programs: visitor.

    Whoever was flagged once counts in neither arm. The flag was set, and its rule's version stored,
    when the event was received, whatever its arm; a later version of the rules judges later events
    only. A page fetched ahead flags its own event, not the person: recommendations may well have
    browsers fetch more pages ahead in one arm.
    """
    flagged = events.filter(
        events.bot != "",
        ~events.bot.endswith(f":{PREFETCH}"),
        events.visitor != "",
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    )
    return flagged.select("visitor").distinct()


def exposure_counts(exposures: "Table") -> "Table":
    """Count first exposures: quarter (since 1970), stratum, arm, visitors."""
    quarter = (exposures.exposed_at.epoch_seconds() // QUARTER_SECONDS).cast("int64")
    return (
        exposures.mutate(quarter=quarter)
        .group_by("quarter", "stratum", "arm")
        .aggregate(visitors=lambda t: t.count())
    )
