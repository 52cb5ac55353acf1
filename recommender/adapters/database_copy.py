"""Copies of the control database: taken while it is written to, put back into an empty one.

In come the database's URL and a folder; out goes one file, and the sums that its copy must have.
SQLite is copied by its own backup interface, PostgreSQL by pg_dump under the snapshot in which the
sums were taken. Must not know what the tables mean.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.adapters.database import open_database
from recommender.errors import InconsistentError, UnavailableError
from recommender.shops.acting import all_shops

SQLITE_COPY = "control.db"
POSTGRESQL_COPY = "control.dump"
_PAGES_AT_ONCE = 2_000

Books = dict[str, int]
"""Name of a figure → its value: what a copy is compared by."""


def copy_database(url: str, folder: Path) -> Books:
    """Write a copy of the database as of one instant into a folder, and return its books.

    Raises:
        UnavailableError: The database does not answer, or pg_dump is missing or failed.
    """
    if _is_sqlite(url):
        return _copy_sqlite(url, folder / SQLITE_COPY)
    return _dump_postgresql(url, folder / POSTGRESQL_COPY)


def put_back_database(folder: Path, url: str) -> Books:
    """Fill an empty database from a copy, and return the books it then has.

    Raises:
        UnavailableError: The database does not answer, or pg_restore is missing or failed.
        InconsistentError: Code `other-database`: the copy is of the other kind of server.
    """
    kind = SQLITE_COPY if _is_sqlite(url) else POSTGRESQL_COPY
    if not (folder / kind).is_file():
        raise InconsistentError(
            "The backup was taken from the other kind of database; set RECOMMENDER_DATABASE_URL "
            "to the kind it was taken from",
            code="other-database",
        )
    if _is_sqlite(url):
        path = _sqlite_path(url)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / kind, path)
        path.chmod(0o600)
    else:
        _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction",
             "--dbname", _libpq(url)["PGDATABASE"], str(folder / kind))  # fmt: skip
    engine = open_database(url)
    try:
        with all_shops(), engine.connect() as connection:
            return read_books(connection)
    finally:
        engine.dispose()


def is_empty_database(url: str) -> bool:
    """Return whether a database holds no table yet."""
    if _is_sqlite(url) and not _sqlite_path(url).exists():
        return True
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            return not sa.inspect(connection).get_table_names()
    except sa.exc.OperationalError as error:
        raise _unavailable(str(error.orig)) from error
    finally:
        engine.dispose()


def read_books(connection: sa.Connection) -> Books:
    """Return the figures by which the ledger of two databases is compared."""
    books = {}
    for table in (tables.shops, tables.orders, tables.statements, tables.invoices):
        books[str(table.name)] = _one(connection, sa.select(sa.func.count()).select_from(table))
    for column in (tables.orders.c.net_minor, tables.invoices.c.amount_minor):
        books[f"{column.table.name}_minor"] = _one(connection, sa.select(sa.func.sum(column)))
    entries, amount_minor = tables.postings.c.transaction_id, tables.postings.c.amount_minor
    books["postings"] = _one(connection, sa.select(sa.func.count(entries)))
    debits = sa.select(sa.func.sum(amount_minor)).where(amount_minor > 0)
    return books | {"postings_debit_minor": _one(connection, debits)}


def _one(connection: sa.Connection, query: "sa.Select[Any]") -> int:
    found: int | None = connection.scalar(query)
    return int(found or 0)


def _copy_sqlite(url: str, target: Path) -> Books:
    target.touch(mode=0o600)
    try:
        with (
            contextlib.closing(
                sqlite3.connect(f"file:{_sqlite_path(url)}?mode=ro", uri=True)
            ) as ours,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            ours.backup(copy, pages=_PAGES_AT_ONCE)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise _unavailable(str(error)) from error
    engine = sa.create_engine(f"sqlite:///{target}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        if connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() != "ok":
            raise InconsistentError("The copied database is damaged", code="damaged-backup")
        return read_books(connection)


def _dump_postgresql(url: str, target: Path) -> Books:
    engine = open_database(url)
    try:
        reading = engine.execution_options(isolation_level="REPEATABLE READ")
        with all_shops(), reading.connect() as connection:
            snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            books = read_books(connection)
            target.touch(mode=0o600)
            _run("pg_dump", url, "--format=custom", "--no-owner", "--enable-row-security",
                 f"--snapshot={snapshot}", f"--file={target}")  # fmt: skip
            return books
    except sa.exc.OperationalError as error:
        raise _unavailable(str(error.orig)) from error
    finally:
        engine.dispose()


def _run(program: str, url: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise UnavailableError(
            f"{program} is not on PATH; install PostgreSQL's client programs",
            code="postgresql-client-missing",
        )
    environ = {"PATH": os.defpath, "LC_ALL": "C", **_libpq(url)}
    done = subprocess.run(
        [found, *arguments], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise _unavailable(f"{program}: {last}")


def _libpq(url: str) -> Mapping[str, str]:
    """Return a URL as the variables that PostgreSQL's programs read."""
    parts = sa.engine.make_url(url)
    told = {"host": parts.host, "port": parts.port, "user": parts.username,
            "password": parts.password, "dbname": parts.database, **parts.query}  # fmt: skip
    names = {"dbname": "PGDATABASE"}
    variables = {
        names.get(name, f"PG{name.upper()}"): str(value) for name, value in told.items() if value
    }
    # Row-level security shows a dump the rows of the shop it acts for: here, all.
    return variables | {"PGOPTIONS": "-c recommender.all_shops=on"}


def _is_sqlite(url: str) -> bool:
    return sa.engine.make_url(url).get_backend_name() == "sqlite"


def _sqlite_path(url: str) -> Path:
    return Path(sa.engine.make_url(url).database or "")


def _unavailable(why: str) -> UnavailableError:
    return UnavailableError(f"The database does not answer: {why}", code="database-unavailable")
