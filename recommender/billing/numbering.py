"""Gapless numbers (verb): the counter is a locked row of the transaction that uses the number.

A transaction that fails gives its number back, because the counter's change fails with it; two
transactions cannot hold the row at once, so no number comes twice.
"""

import datetime as dt

import sqlalchemy as sa

from recommender import tables


def lock_series(connection: sa.Connection, series: str) -> None:
    """Hold a series until the transaction ends; everyone else who wants it waits.

    It must be the transaction's first statement: it takes SQLite's write lock, which a
    transaction that read before might no longer get, and PostgreSQL's row lock.
    """
    rows = tables.invoice_series
    tables.insert_ignore(connection, rows, [{"series": series, "last_number": 0}])
    # On PostgreSQL an ignored insert locks nothing; an update that changes nothing does.
    connection.execute(
        rows.update().where(rows.c.series == series).values(last_number=rows.c.last_number)
    )


def take_number(connection: sa.Connection, series: str) -> str:
    """Return the next number of a locked series, such as `2027-000042`."""
    rows = tables.invoice_series
    number = connection.execute(
        rows.update()
        .where(rows.c.series == series)
        .values(last_number=rows.c.last_number + 1)
        .returning(rows.c.last_number)
    ).scalar_one()
    return f"{series}-{number:06}"


def date_of_number(connection: sa.Connection, series: str, on: dt.date) -> dt.date:
    """Return the date for the next number of a locked series: never before the last one's.

    A settlement that began before midnight may come to its number after one that began later.
    """
    rows = tables.invoice_series
    last_on = connection.execute(
        sa.select(rows.c.last_on).where(rows.c.series == series)
    ).scalar_one()
    date = on if last_on is None else max(on, last_on)
    connection.execute(rows.update().where(rows.c.series == series).values(last_on=date))
    return date
