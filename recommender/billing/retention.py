"""Drop old days of the event log (verb), but never one that an open contract still needs.

In come an age and what was settled; out go dropped day partitions. Their rows in `sealed_days`
stay, with number, hash and the instant they were dropped.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.billing.terms import last_month
from recommender.crash_points import crash_point
from recommender.errors import InvalidInputError
from recommender.events.sealing import mark_dropped, seal_days
from recommender.ports import EventLog
from recommender.records import Shop
from recommender.uplift.days import day_start

LARGE_SHARE = 0.2
"""Dropping more of a shop's days than this at once wants a person's word: it may be a wrong clock
or a slip in the setting."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is old enough to go.

    Attributes:
        before: Days before this one are old enough.
        needed_from: First day an open contract needs; None when none does.
        days: Days that can go, oldest first.
        of_days: Days the shop has.
    """

    before: dt.date
    needed_from: dt.date | None
    days: tuple[dt.date, ...]
    of_days: int


def plan_retention(
    shop: Shop, *, event_log: EventLog, database: sa.Engine, keep_days: int, now: dt.datetime
) -> Retention:
    """Say which days would be dropped.

    Args:
        keep_days: Age in days up to which everything stays.
    """
    before = now.date() - dt.timedelta(days=keep_days)
    needed_from = _needed_from(shop, database)
    limit = before if needed_from is None else min(before, needed_from)
    known = event_log.day_layouts(shop.shop_id)
    days = tuple(sorted(day for day in known if day < limit))
    return Retention(before, needed_from, days, len(known))


def drop_old_days(
    shop: Shop,
    *,
    event_log: EventLog,
    database: sa.Engine,
    keep_days: int,
    now: dt.datetime,
    confirmed: bool = False,
) -> Retention:
    """Seal and then drop the days that are old enough; may be called again after any end.

    Args:
        confirmed: A person said yes to a large share of the log.

    Raises:
        InvalidInputError: It is a large share, and nobody confirmed it (`large-deletion`).
    """
    plan = plan_retention(
        shop, event_log=event_log, database=database, keep_days=keep_days, now=now
    )
    if not plan.days:
        return plan
    if len(plan.days) > LARGE_SHARE * plan.of_days and not confirmed:
        raise InvalidInputError(
            f"{len(plan.days)} of {plan.of_days} days of {shop.shop_id} are older than "
            f"{keep_days} days; confirm it with `recommender days drop --yes`",
            code="large-deletion",
        )
    seal_days(shop.shop_id, event_log=event_log, database=database, through=plan.days[-1], now=now)
    # Noted first: days that went without a note would look as if somebody had emptied them.
    mark_dropped(shop.shop_id, plan.days, database=database, now=now)
    crash_point("retention-noted")
    event_log.drop(shop.shop_id, plan.days)
    crash_point("retention-dropped")
    return plan


def _needed_from(shop: Shop, database: sa.Engine) -> dt.date | None:
    """Return the first day of the oldest contract that is not settled to its end.

    A bill is cumulative from its contract's first day on, so all of these days are needed.
    """
    contracts, statements = tables.contracts.c, tables.statements.c
    terms = sa.select(contracts.version, contracts.starts_on).where(
        contracts.shop_id == shop.shop_id
    )
    closed = sa.select(statements.contract_version, statements.month).where(
        statements.shop_id == shop.shop_id
    )
    with database.connect() as connection:
        found = connection.execute(terms.order_by(contracts.version)).all()
        settled = {(row.contract_version, row.month) for row in connection.execute(closed)}
    for (version, starts_on), later in zip(found, [*found[1:], None], strict=False):
        last = last_month(starts_on, later.starts_on) if later else None
        if later is None or (last is not None and (version, str(last)) not in settled):
            return day_start(starts_on, shop.timezone).date()
    return None
