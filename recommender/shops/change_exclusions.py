"""State who and what is no part of a shop's comparison (verb): versions, audited, never edited."""

import datetime as dt
import zoneinfo

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.records import Shop
from recommender.shops.audit import record_audit
from recommender.shops.exclusions import (
    MARK_KINDS,
    ExclusionChange,
    Exclusions,
    RulesVersion,
    Timeline,
    before_any,
    content_sha256,
    plain_mark,
)

MAX_STAFF = 1_000
MAX_MARKS = 100


def read_timeline(shop_id: str, *, database: sa.Engine) -> Timeline:
    """Return all versions of a shop, what held before the first one included."""
    with database.connect() as connection:
        return _timeline(connection, shop_id)


def change_exclusions(
    shop: Shop, change: ExclusionChange, *, database: sa.Engine, now: dt.datetime
) -> Exclusions:
    """Store the next version, which governs from the shop's next day on; return the newest.

    A change that changes nothing stores nothing.

    Raises:
        InvalidInputError: `bad-exclusions`: a mark is none, or a list is too long.
    """
    _check_marks(change)
    with database.execution_options(sqlite_begin="IMMEDIATE").begin() as connection:
        _lock(connection, shop.shop_id)
        newest = _timeline(connection, shop.shop_id).newest
        staff = tuple(sorted((set(newest.staff) | change.add_staff) - change.drop_staff))
        marks = tuple(sorted((set(newest.marks) | change.add_marks) - change.drop_marks))
        if (staff, marks) == (newest.staff, newest.marks):
            return newest
        _check_sizes(staff, marks)
        today = now.astimezone(zoneinfo.ZoneInfo(shop.timezone)).date()
        told = RulesVersion(
            version=newest.told.version + 1,
            governs_from=today + dt.timedelta(days=1),
            stated_at=now,
            sha256=content_sha256(staff, marks),
        )
        stated = Exclusions(told, staff, marks)
        _store(connection, shop.shop_id, stated)
    return stated


def _check_marks(change: ExclusionChange) -> None:
    wrong = sorted(mark for mark in change.add_marks if plain_mark(mark) != mark)
    if wrong:
        raise InvalidInputError(
            f"{wrong[0][:60]!r} is no mark: write kind:value, with the kind "
            f"{', '.join(MARK_KINDS)}",
            code="bad-exclusions",
        )


def _check_sizes(staff: tuple[str, ...], marks: tuple[str, ...]) -> None:
    if len(staff) > MAX_STAFF or len(marks) > MAX_MARKS:
        raise InvalidInputError(
            f"The lists hold at most {MAX_STAFF:,} people and {MAX_MARKS} marks",
            code="bad-exclusions",
        )


def _lock(connection: sa.Connection, shop_id: str) -> None:
    """Let one statement of a shop's at a time find its number."""
    shops = tables.shops.c
    query = sa.select(shops.shop_id).where(shops.shop_id == shop_id)
    connection.execute(query.with_for_update()).one()


def _store(connection: sa.Connection, shop_id: str, stated: Exclusions) -> None:
    told = stated.told
    connection.execute(
        tables.exclusions.insert().values(
            shop_id=shop_id,
            version=told.version,
            governs_from=told.governs_from,
            stated_at=told.stated_at,
            staff=list(stated.staff),
            marks=list(stated.marks),
            sha256=told.sha256,
        )
    )
    record_audit(
        connection,
        "exclusions.stated",
        shop_id=shop_id,
        subject=f"version {told.version}",
        governs_from=str(told.governs_from),
        sha256=told.sha256,
        staff=len(stated.staff),
        marks=" ".join(stated.marks),
    )


def _timeline(connection: sa.Connection, shop_id: str) -> Timeline:
    rows = tables.exclusions.c
    found = connection.execute(
        sa.select(tables.exclusions).where(rows.shop_id == shop_id).order_by(rows.version)
    )
    stated = (
        Exclusions(
            RulesVersion(row.version, row.governs_from, row.stated_at, row.sha256),
            tuple(row.staff),
            tuple(row.marks),
        )
        for row in found
    )
    return Timeline((before_any(), *stated))
