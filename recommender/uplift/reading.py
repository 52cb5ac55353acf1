"""Read what a measurement is made from (verb): the ledger of orders, logins, the event log."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from recommender import tables
from recommender.events.link_orders import find_links
from recommender.events.sealing import read_sealed
from recommender.ports import EventLog
from recommender.records import Contract, OrderKind, Phase, Shop
from recommender.shops.change_exclusions import read_timeline
from recommender.shops.exclusions import RulesVersion
from recommender.table_types import as_stored
from recommender.uplift.cuts import Visitors
from recommender.uplift.days import Calendar, Window, microseconds, window
from recommender.uplift.exposures import (
    QUARTER_SECONDS,
    bot_visitors,
    contamination_counts,
    entry_counts,
)
from recommender.uplift.facts import (
    Facts,
    Owner,
    Whole,
    as_persons_facts,
    make_facts,
    with_owners,
    with_programs,
)
from recommender.uplift.persons import as_persons, entered_by
from recommender.uplift.removal import Governed, governed, staff_table, with_exclusions
from recommender.uplift.revenue import ARMS, COVARIATE_DAYS, Cell, Entrants

if TYPE_CHECKING:
    from ibis.expr.types import Table

NEVER_US = np.iinfo(np.int64).max
_NOWHERE = -1


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What is known of a shop from the contract's first day on.

    Attributes:
        browsers: Events of people, by browser.
        people: The same, by person.
        merges: Browser → person.
        facts: Orders and refunds, with the person where one is known.
        everybody: The events of `people`, and those of programs that no rule flagged one by one,
            such as exposures.
        programs: Browsers that are programs: visitor.
        staff: Who is staff when, see `removal.staff_table`; None while nobody is.
        rules: Versions of the shop's exclusions that govern a day of the span.
    """

    span: Window
    calendar: Calendar
    browsers: "Table"
    people: "Table"
    merges: Mapping[str, str]
    facts: Facts
    everybody: "Table"
    programs: pa.Table
    staff: pa.Table | None
    rules: tuple[RulesVersion, ...]

    def read(self, table: "Table") -> pa.Table:
        """Ask the event log's own engine, also about what is in memory.

        Asked by itself, such a table would go to one engine that all threads share.
        """
        return self.browsers.get_backend().to_pyarrow(table)

    def rows(self, table: "Table") -> list[dict[str, Any]]:
        """Return a small result, row by row."""
        rows: list[dict[str, Any]] = self.read(table).to_pylist()
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Entered:
    """Who came into the experiment, counted, and one by one whoever ordered.

    Attributes:
        exposed_us: By entrant, the first exposure; `NEVER_US` where there is none.
    """

    visitors: Visitors
    entrants: Entrants
    exposed_us: Whole


def read_world(
    shop: Shop,
    contract: Contract,
    *,
    event_log: EventLog,
    database: sa.Engine,
    through: dt.date,
    sealed_through: dt.date | None,
) -> World:
    """Read a shop's events and orders through a day."""
    span = window(contract.starts_on, through, shop.timezone)
    layouts = {day.day: day.layout for day in read_sealed(shop.shop_id, database=database)}
    events = event_log.events(shop.shop_id, sealed=layouts)
    if sealed_through is not None:
        events = events.filter(events.day <= sealed_through)
    events = _without_past_a_a(events, shop)
    programs = bot_visitors(events, span).to_pyarrow()
    names = set(programs["visitor"].to_pylist())
    events = events.filter(events.bot == "")
    browsers = without(events, programs)
    merged = _read_merges(shop, span, database)
    known = {browser: owner for browser, owner in merged.items() if browser not in names}
    merges = {browser: owner.visitor for browser, owner in known.items()}
    facts = _read_facts(shop, span, database)
    facts = with_owners(facts, _read_links(shop, browsers, span, database))
    facts = with_programs(facts, names)
    facts = as_persons_facts(facts, known, _first_browsers(browsers, merges, span))
    timeline = read_timeline(shop.shop_id, database=database)
    rules = governed(timeline, shop.timezone, shop.visitor_key)
    if rules:
        facts = with_exclusions(facts, rules, _read_keys(shop, span, database, rules))
    return World(
        span=span,
        calendar=Calendar(contract.starts_on, through, shop.timezone),
        browsers=browsers,
        people=as_persons(browsers, merges),
        merges=merges,
        facts=facts,
        everybody=as_persons(events, merges),
        programs=programs,
        staff=staff_table(rules),
        rules=timeline.governing(contract.starts_on, through),
    )


def read_entered(entered: "Table", world: World) -> Entered:
    """Read who entered: visitor, stratum, arm, placement, entered_us, and exposed_us or nothing."""
    calendar, rows = world.calendar, world.rows(entry_counts(entered, "placement"))
    visitors: dict[tuple[Cell, int], int] = {}
    at_us = np.array([row["quarter"] for row in rows], np.int64) * QUARTER_SECONDS * 1_000_000
    for row, day in zip(rows, calendar.number(at_us).tolist(), strict=True):
        cell = Cell(calendar.days[day], row["stratum"], ARMS[row["arm"]])
        key = cell, row["placement"]
        visitors[key] = visitors.get(key, 0) + row["visitors"]
    ordered = sorted(set(world.facts.visitor) - {""})
    wanted = ibis.memtable(pa.table({"visitor": pa.array(ordered, pa.string())}))
    found = world.read(entered.semi_join(wanted, "visitor").order_by("visitor"))
    names = found["visitor"].to_pylist()
    entrants = Entrants(
        place={name: place for place, name in enumerate(names)},
        stratum=_numbers(found, "stratum"),
        arm=_numbers(found, "arm"),
        entered_us=_numbers(found, "entered_us"),
        placement=_numbers(found, "placement"),
    )
    return Entered(visitors, entrants, _numbers(found, "exposed_us", NEVER_US))


def has_more(entered: "Table", world: World) -> bool:
    """Tell whether anybody's arm was known before an exposure, or without one."""
    earlier = entered.exposed_us.isnull() | (entered.entered_us < entered.exposed_us)
    (row,) = world.rows(entered.filter(earlier).aggregate(n=lambda t: t.count()))
    return bool(row["n"])


def read_contamination(exposed: "Table", world: World) -> dict[dt.date, dict[int, int]]:
    """Return day → stratum → persons who met their second arm of that stratum on that day."""
    in_both = world.read(exposed.filter(exposed.in_both_arms).select("visitor"))
    if not in_both.num_rows:
        return {}
    rows = world.rows(contamination_counts(world.people, in_both, world.span))
    at_us = np.array([row["quarter"] for row in rows], np.int64) * QUARTER_SECONDS * 1_000_000
    found: dict[dt.date, dict[int, int]] = {}
    for row, place in zip(rows, world.calendar.number(at_us).tolist(), strict=True):
        own = found.setdefault(world.calendar.days[place], {})
        own[row["stratum"]] = own.get(row["stratum"], 0) + row["persons"]
    return found


def without(table: "Table", visitors: pa.Table) -> "Table":
    """Return the rows of all other visitors."""
    return table.anti_join(ibis.memtable(visitors), "visitor") if visitors.num_rows else table


def _without_past_a_a(events: "Table", shop: Shop) -> "Table":
    """Forget the arms of A/A stretches that are over: nobody was shown anything in either arm.

    Whoever was met in one is met anew afterwards, in an arm that was drawn by another salt.
    """
    over = [stratum.stratum for stratum in shop.strata[:-1] if stratum.phase == Phase.A_A]
    if not over:
        return events
    return events.mutate(arm=events.stratum.isin(over).ifelse("", events.arm))


def _read_merges(shop: Shop, span: Window, database: sa.Engine) -> dict[str, Owner]:
    merges = tables.merges.c
    query = sa.select(merges.visitor, merges.person, merges.merged_at).where(
        merges.shop_id == shop.shop_id, merges.merged_at < span.end
    )
    with database.connect() as connection:
        found = connection.execute(query).all()
    return {browser: Owner(person, microseconds(at)) for browser, person, at in found}


def _read_facts(shop: Shop, span: Window, database: sa.Engine) -> Facts:
    """Read orders and refunds, those before the window too: they are covariates."""
    rows = tables.orders.c
    query = sa.select(
        rows.kind, rows.order_id, rows.net_minor, as_stored(rows.placed_at), rows.visitor
    ).where(
        rows.shop_id == shop.shop_id,
        rows.placed_at >= span.start - dt.timedelta(days=COVARIATE_DAYS),
        rows.placed_at < span.end,
    )
    with database.connect() as connection:
        return make_facts(connection.execute(query).all())


def _read_keys(
    shop: Shop, span: Window, database: sa.Engine, rules: Sequence[Governed]
) -> dict[str, set[str]]:
    """Return the keys of orders that a version of the exclusions names."""
    staff = frozenset().union(*(one.staff for one in rules))
    wanted = staff.union(*(one.marks for one in rules))
    rows = tables.orders.c
    query = sa.select(rows.order_id, rows.email_key, rows.marks).where(
        rows.shop_id == shop.shop_id,
        rows.kind == OrderKind.ORDER.value,
        rows.placed_at >= span.start - dt.timedelta(days=COVARIATE_DAYS),
        rows.placed_at < span.end,
        sa.or_(rows.email_key.in_(staff), rows.marks != ""),
    )
    with database.connect() as connection:
        carried = {
            row.order_id: wanted.intersection([row.email_key, *row.marks.split()])
            for row in connection.execute(query)
        }
    return {order_id: set(keys) for order_id, keys in carried.items() if keys}


def _read_links(
    shop: Shop, browsers: "Table", span: Window, database: sa.Engine
) -> dict[str, Owner]:
    links = find_links(
        shop.shop_id,
        events=browsers,
        database=database,
        starts_at=span.start - dt.timedelta(days=COVARIATE_DAYS),
        ends_at=span.end,
        unstated_only=True,
    )
    return {
        order_id: Owner(link.visitor, microseconds(link.told_at))
        for order_id, link in links.items()
        if link.visitor and link.told_at
    }


def _first_browsers(browsers: "Table", merges: Mapping[str, str], span: Window) -> set[str]:
    if not merges:
        return set()
    return set(entered_by(browsers, merges, span).to_pyarrow()["browser"].to_pylist())


def _numbers(table: pa.Table, name: str, missing: int = _NOWHERE) -> Whole:
    if name not in table.column_names:
        return np.full(len(table), missing, np.int64)
    column = table[name].combine_chunks().cast(pa.int64()).fill_null(missing)
    numbers: Whole = column.to_numpy(zero_copy_only=False)
    return numbers
