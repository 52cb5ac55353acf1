"""Who came into the experiment when, in which arm: Ibis expressions over the event log.

In comes the shop's table of events; out go expressions that run alike on every engine. Days are
not told apart here: engines disagree on time zones, so counts leave per quarter of an hour (every
zone's days begin on one) and become days afterwards.
"""

import datetime as dt
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from recommender.events.bots import PREFETCH
from recommender.records import Arm, EventType, Placement
from recommender.uplift.days import Window, microseconds

if TYPE_CHECKING:
    from ibis.expr.types import BooleanValue, IntegerValue, Table

QUARTER_SECONDS = 900
_QUARTER_US = QUARTER_SECONDS * 1_000_000
_ARMS = (Arm.CONTROL.value, Arm.TREATMENT.value)
PLACEMENTS = ("", *(placement.value for placement in Placement))
# An entry packed into 64 bits: microseconds since the window's start, stratum, placement, arm.
_ARM_BITS = 1
_PLACE_BITS = 3
_STRATUM_BITS = 10
_MAX_STRATUM = (1 << _STRATUM_BITS) - 1
"""Any stratum above counts as this one, which no shop has."""
_BELOW_TIME = _STRATUM_BITS + _PLACE_BITS + _ARM_BITS


def entries(events: "Table", window: Window) -> "Table":
    """Read one row per visitor whose arm is known; times are microseconds since 1970.

    This is the one long pass over the log: what is asked of its result goes through memory.

    Columns: visitor; stratum, arm and entered_us of the first event that tells the arm;
    exposed_stratum, exposed_arm, placement and exposed_us of the first exposure, null for whoever
    met none; in_both_arms, whether the visitor was exposed in both arms.

    The first exposure inside the window decides arm and stratum for good. A visitor seen in both
    arms stays in the first one: leaving such visitors out would bias the result, keeping them only
    dilutes the effect.
    """
    packed = ibis.memtable(_packed_entries(events, window).to_pyarrow())
    first, exposure, start_us = packed.first, packed.first_exposure, microseconds(window.start)
    return packed.select(
        "visitor",
        "in_both_arms",
        stratum=_stratum(first),
        arm=_arm(first),
        entered_us=(first >> _BELOW_TIME) + start_us,
        exposed_stratum=_stratum(exposure),
        exposed_arm=_arm(exposure),
        placement=_placement(exposure),
        exposed_us=(exposure >> _BELOW_TIME) + start_us,
    )


def _packed_entries(events: "Table", window: Window) -> "Table":
    """Return visitor, first, first_exposure, in_both_arms.

    First of all is one minimum of one number: time first, then what is asked about it. That is
    several times quicker than asking for the row with the least time, and knows no ties.
    """
    events = armed_within(events, window)
    code = _since(events, window.start) * (1 << _BELOW_TIME) + _code(events)
    is_exposure = events.type == EventType.EXPOSURE.value
    is_treatment = (events.arm == Arm.TREATMENT.value).cast("int8")
    arms = is_treatment.max(where=is_exposure) != is_treatment.min(where=is_exposure)
    return events.group_by("visitor").aggregate(
        first=code.min(),
        first_exposure=code.min(where=is_exposure),
        in_both_arms=arms.fill_null(False),
    )


def armed_within(events: "Table", window: Window) -> "Table":
    """Return the events of known visitors within the window that tell the visitor's arm."""
    return events.filter(
        events.visitor != "",
        events.arm.isin(_ARMS),
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    )


def exposures_within(events: "Table", window: Window) -> "Table":
    """Return the exposures of known visitors within the window."""
    armed = armed_within(events, window)
    return armed.filter(armed.type == EventType.EXPOSURE.value)


def exposed(entered: "Table") -> "Table":
    """Return the visitors of `entries` who met a recommendation place, as they then were.

    Columns: visitor, stratum, arm, placement, entered_us, in_both_arms.
    """
    met = entered.filter(entered.exposed_us.notnull())
    return met.select(
        "visitor",
        "placement",
        "in_both_arms",
        stratum=met.exposed_stratum,
        arm=met.exposed_arm,
        entered_us=met.exposed_us,
    )


def entry_counts(entered: "Table", *more: str) -> "Table":
    """Count visitors by when they entered: quarter (since 1970), stratum, arm, …, visitors."""
    quarter = (entered.entered_us // _QUARTER_US).cast("int64")
    return (
        entered.mutate(quarter=quarter)
        .group_by("quarter", "stratum", "arm", *more)
        .aggregate(visitors=lambda t: t.count())
    )


def contamination_counts(events: "Table", visitors: pa.Table, window: Window) -> "Table":
    """Count persons by when they met their second arm in a stratum: quarter, stratum, persons.

    A change of share draws anew, so that whoever comes back may then see the other arm; that is no
    fault, and counts only in `in_both_arms`.

    Args:
        visitors: Persons who were exposed in both arms: visitor.
    """
    exposures = exposures_within(events, window).semi_join(ibis.memtable(visitors), "visitor")
    at_us = _since(exposures, window.start) + microseconds(window.start)
    arms = exposures.group_by("visitor", "stratum").aggregate(
        control_us=at_us.min(where=exposures.arm == Arm.CONTROL.value),
        treatment_us=at_us.min(where=exposures.arm == Arm.TREATMENT.value),
    )
    arms = arms.filter(arms.control_us.notnull(), arms.treatment_us.notnull())
    second_us = ibis.greatest(arms.control_us, arms.treatment_us)
    return (
        arms.mutate(quarter=(second_us // _QUARTER_US).cast("int64"))
        .group_by("quarter", "stratum")
        .aggregate(persons=lambda t: t.count())
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


def outside(entered: "Table", stretches: "list[tuple[int, int]]") -> "Table":
    """Return the visitors who entered outside some stretches, each [from, to) in microseconds."""
    for from_us, to_us in stretches:
        entered = entered.filter(~_between(entered, from_us, to_us))
    return entered


def _between(entered: "Table", from_us: int, to_us: int) -> "BooleanValue":
    return (entered.entered_us >= from_us) & (entered.entered_us < to_us)


def _since(events: "Table", start: dt.datetime) -> "IntegerValue":
    """Return the microseconds since an instant; seconds since 1970 are rounded on some engines."""
    begin = ibis.literal(start, type=events.occurred_at.type())
    return events.occurred_at.delta(begin, unit="microsecond")


def _code(events: "Table") -> "IntegerValue":
    stratum = ibis.least(events.stratum.cast("int64"), _MAX_STRATUM)
    placements = [(name, place) for place, name in enumerate(PLACEMENTS)]
    placement = events.placement.cases(*placements, else_=0).cast("int64")
    arm = (events.arm == Arm.TREATMENT.value).cast("int64")
    return (stratum * (1 << _PLACE_BITS) + placement) * (1 << _ARM_BITS) + arm


def _stratum(code: "IntegerValue") -> "IntegerValue":
    return (code >> (_PLACE_BITS + _ARM_BITS)) & _MAX_STRATUM


def _placement(code: "IntegerValue") -> "IntegerValue":
    return (code >> _ARM_BITS) & ((1 << _PLACE_BITS) - 1)


def _arm(code: "IntegerValue") -> "IntegerValue":
    """Return 0 for control and 1 for treatment."""
    return code & 1
