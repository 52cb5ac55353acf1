"""Seal days (verb): what the event log holds of a day, counted, hashed and written down.

In come the event log and what was sealed before; out go sealed days. A day that changed since (a
late event, an erased visitor) gets a new revision; the earlier ones stay, because statements name
them.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.crash_points import crash_point
from recommender.ports import DayContent, EventLog


@dataclass(frozen=True, slots=True)
class SealedDay:
    """One revision of one day of one shop.

    Attributes:
        revision: From 1; the next one when the day's events changed.
        events: Number of events, each once.
        copies: Copies that were removed when it was sealed.
        sha256: Hash of the events; docs/sealed-days.md says how to compute it.
        log_version: Version of the event log in which it was sealed.
        layout: The day's layout when it was sealed or looked at last.
        dropped_at: When retention removed the day's events; None while they are there.
    """

    shop_id: str
    day: dt.date
    revision: int
    events: int
    copies: int
    sha256: str
    log_version: int
    layout: str
    sealed_at: dt.datetime
    dropped_at: dt.datetime | None = None


def seal_days(
    shop_id: str,
    *,
    event_log: EventLog,
    database: sa.Engine,
    through: dt.date,
    now: dt.datetime,
) -> list[SealedDay]:
    """Seal all days through `through` that are not sealed yet, or changed since.

    Looks at nothing but file names where nothing changed. Several processes may do it at once.

    Args:
        through: Last day, as the event log counts days (UTC).

    Returns:
        The newest revision of each day through `through` whose events were not dropped, oldest
        first.

    Raises:
        UnavailableError: Events of these days came meanwhile, or the log does not answer; call
            again.
    """
    layouts = {
        day: layout for day, layout in event_log.day_layouts(shop_id).items() if day <= through
    }
    known = {sealed.day: sealed for sealed in read_sealed(shop_id, database=database)}
    changed = [
        day for day, layout in layouts.items() if day not in known or known[day].layout != layout
    ]
    gone = [
        sealed
        for sealed in known.values()
        if sealed.events and not sealed.dropped_at and sealed.day not in layouts
        if sealed.day <= through
    ]
    if changed or gone:
        contents = event_log.seal(shop_id, sorted(changed + [sealed.day for sealed in gone]))
        crash_point("seal-counted")
        with database.begin() as connection:
            for content in contents:
                _note(connection, shop_id, content, known.get(content.day), now)
    return [
        sealed
        for sealed in read_sealed(shop_id, database=database)
        if sealed.day <= through and not sealed.dropped_at
    ]


def read_sealed(shop_id: str, *, database: sa.Engine) -> list[SealedDay]:
    """Return the newest revision of each sealed day, oldest day first."""
    newest = {}
    for sealed in read_revisions(shop_id, database=database):
        newest[sealed.day] = sealed
    return list(newest.values())


def read_revisions(shop_id: str, *, database: sa.Engine) -> list[SealedDay]:
    """Return all revisions of a shop's sealed days, by day and revision."""
    rows = tables.sealed_days
    query = sa.select(rows).where(rows.c.shop_id == shop_id).order_by(rows.c.day, rows.c.revision)
    with database.connect() as connection:
        return [SealedDay(**row._mapping) for row in connection.execute(query)]


def _note(
    connection: sa.Connection,
    shop_id: str,
    content: DayContent,
    known: SealedDay | None,
    now: dt.datetime,
) -> None:
    rows = tables.sealed_days
    if known and not known.dropped_at and known.sha256 == content.sha256:
        # The same events in other files: merged, or told once more.
        connection.execute(
            rows.update()
            .where(
                rows.c.shop_id == shop_id,
                rows.c.day == content.day,
                rows.c.revision == known.revision,
            )
            .values(layout=content.layout, copies=rows.c.copies + content.copies)
        )
        return
    row = {
        "shop_id": shop_id,
        "day": content.day,
        "revision": known.revision + 1 if known else 1,
        "events": content.events,
        "copies": content.copies,
        "sha256": content.sha256,
        "log_version": content.log_version,
        "layout": content.layout,
        "sealed_at": now,
        "dropped_at": None,
    }
    # Another process may have sealed it at the same moment; then the next look compares.
    tables.insert_ignore(connection, rows, [row])


def mark_dropped(
    shop_id: str, days: Iterable[dt.date], *, database: sa.Engine, now: dt.datetime
) -> None:
    """Write down that the events of these days are gone by right."""
    rows = tables.sealed_days
    with database.begin() as connection:
        connection.execute(
            rows.update()
            .where(
                rows.c.shop_id == shop_id,
                rows.c.day.in_(list(days)),
                rows.c.dropped_at.is_(None),
            )
            .values(dropped_at=now)
        )
