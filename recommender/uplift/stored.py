"""The last measurement of each shop, as it is kept (verb)."""

import dataclasses
import datetime as dt
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.records import Arm, DailySum
from recommender.shops.exclusions import RulesVersion, rules_as_json, rules_from_json
from recommender.uplift.behaviour import Behaviour
from recommender.uplift.freezing import RULES_VERSION, FrozenDay
from recommender.uplift.metrics import Moments, moments_as_json, moments_from_json
from recommender.uplift.removed import Removed
from recommender.uplift.revenue import Excluded
from recommender.uplift.views import View, views_as_json, views_from_json

_NEITHER_ARM = "none"
"""Row of table `behaviour` for what is in no arm."""
_SUM_FIELDS = [field.name for field in dataclasses.fields(DailySum)]


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that leaves the shoppers' data.

    Attributes:
        sums: Daily table since the contract began, sorted by day, stratum and arm.
        behaviour: How visitors of each arm behaved.
        excluded: Reason → orders that are in neither arm.
        last_click_minor: Revenue that last-click attribution would claim.
        in_both_arms: Persons exposed in both arms; they count in the one seen first.
        frozen: Days that count in neither arm; `sums` has no rows of them.
        views: Other cuts of the same experiment.
        moments: What `metrics.compare_metrics` needs, by stratum and arm.
        on_several_browsers: Persons exposed on more than one browser.
        removed: What the exclusions took out of both arms.
        rules: Versions of the exclusions that govern a day of it.
    """

    sums: list[DailySum]
    behaviour: dict[Arm, Behaviour]
    excluded: dict[str, Excluded]
    last_click_minor: int
    in_both_arms: int
    frozen: tuple[FrozenDay, ...] = ()
    views: tuple[View, ...] = ()
    moments: tuple[Moments, ...] = ()
    on_several_browsers: int = 0
    removed: tuple[Removed, ...] = ()
    rules: tuple[RulesVersion, ...] = ()

    @property
    def in_both_arms_share(self) -> float:
        """Return the part of all exposed persons who saw both arms."""
        return self.in_both_arms / max(1, sum(row.visitors for row in self.sums))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMeasurement(Measurement):
    """A measurement read back.

    Attributes:
        measured_at: When it was made.
    """

    measured_at: dt.datetime


def store_measurement(
    connection: sa.Connection, shop_id: str, result: Measurement, now: dt.datetime
) -> None:
    """Replace all that was stored of the shop."""
    bodies: dict[str, dict[str, object]] = {
        arm.value: asdict(behaviour) for arm, behaviour in result.behaviour.items()
    }
    bodies[_NEITHER_ARM] = {
        "excluded": {reason: asdict(orders) for reason, orders in result.excluded.items()},
        "last_click_minor": result.last_click_minor,
        "in_both_arms": result.in_both_arms,
        "on_several_browsers": result.on_several_browsers,
        "freezing_rules": RULES_VERSION,
        "frozen": [asdict(day) | {"day": day.day.isoformat()} for day in result.frozen],
        "views": views_as_json(result.views),
        "moments": moments_as_json(result.moments),
        "removed": [asdict(one) for one in result.removed],
        "rules": [rules_as_json(one) for one in result.rules],
    }
    sums = [{"shop_id": shop_id, **asdict(row), "arm": row.arm.value} for row in result.sums]
    rows = [
        {"shop_id": shop_id, "arm": arm, "body": body, "measured_at": now}
        for arm, body in bodies.items()
    ]
    for table, new in ((tables.daily_sums, sums), (tables.behaviour, rows)):
        connection.execute(table.delete().where(table.c.shop_id == shop_id))
        if new:
            connection.execute(table.insert(), new)


def read_measurement(connection: sa.Connection, shop_id: str) -> StoredMeasurement | None:
    """Return the last measurement of a shop, None before the first."""
    table = tables.behaviour
    rows = connection.execute(sa.select(table).where(table.c.shop_id == shop_id))
    found = {row.arm: row for row in rows}
    if not found:
        return None
    neither = found[_NEITHER_ARM]
    return StoredMeasurement(
        sums=read_sums(connection, shop_id),
        behaviour={arm: Behaviour(**found[arm.value].body) for arm in Arm},
        excluded={
            reason: Excluded(**orders) for reason, orders in neither.body["excluded"].items()
        },
        last_click_minor=neither.body["last_click_minor"],
        # What an earlier release measured does not say.
        in_both_arms=neither.body.get("in_both_arms", 0),
        on_several_browsers=neither.body.get("on_several_browsers", 0),
        frozen=tuple(
            FrozenDay(dt.date.fromisoformat(day["day"]), day["reason"], day["detail"])
            for day in neither.body.get("frozen", [])
        ),
        views=views_from_json(neither.body.get("views", [])),
        moments=moments_from_json(neither.body.get("moments", [])),
        removed=tuple(Removed(**one) for one in neither.body.get("removed", [])),
        rules=tuple(rules_from_json(one) for one in neither.body.get("rules", [])),
        measured_at=neither.measured_at,
    )


def read_sums(connection: sa.Connection, shop_id: str) -> list[DailySum]:
    """Return the daily sums of a shop as last measured, sorted."""
    rows = tables.daily_sums.c
    found = connection.execute(
        sa.select(*[rows[name] for name in _SUM_FIELDS])
        .where(rows.shop_id == shop_id)
        .order_by(rows.day, rows.stratum, rows.arm)
    )
    return [DailySum(**(dict(row._mapping) | {"arm": Arm(row.arm)})) for row in found]
