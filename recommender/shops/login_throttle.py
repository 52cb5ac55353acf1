"""Slow down who guesses passwords (verb): counts failed logins by account and by address.

The counts lie in the control database, beside the passwords: without it nobody logs in anyway, so
there is no state in which guessing is free. Kept are keyed hashes, neither names nor addresses.
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping

import sqlalchemy as sa

from recommender import tables

WINDOW = dt.timedelta(minutes=15)
MOST_BY_ACCOUNT = 10
MOST_BY_ADDRESS = 50


def attempt_keys(email: str, address: str, *, service_secret: bytes) -> dict[str, int]:
    """Return what an attempt is counted under, with the most failures each may have."""
    named = {
        f"account:{email.strip().lower()}": MOST_BY_ACCOUNT,
        f"address:{address}": MOST_BY_ADDRESS,
    }
    return {
        hmac.new(service_secret, f"login:{name}".encode(), hashlib.sha256).hexdigest(): most
        for name, most in named.items()
    }


def take_attempt(keys: Mapping[str, int], *, database: sa.Engine, now: dt.datetime) -> bool:
    """Count an attempt as failed, before it is made, and tell whether it may be made.

    Counting first keeps many attempts at once from passing the same count. One that succeeds is
    taken back by `forgive`.
    """
    rows = tables.login_failures
    with database.begin() as connection:
        connection.execute(rows.delete().where(rows.c.started_at <= now - WINDOW))
        counts = [_count(connection, key, now) <= most for key, most in keys.items()]
    return all(counts)


def _count(connection: sa.Connection, key: str, now: dt.datetime) -> int:
    rows = tables.login_failures
    tables.insert_ignore(connection, rows, [{"key_hash": key, "failures": 0, "started_at": now}])
    failures = connection.execute(
        rows.update()
        .where(rows.c.key_hash == key)
        .values(failures=rows.c.failures + 1)
        .returning(rows.c.failures)
    ).scalar_one()
    return int(failures)


def forgive(keys: Mapping[str, int], *, database: sa.Engine) -> None:
    """Take an attempt back that succeeded; the account's earlier failures are forgotten too."""
    rows = tables.login_failures
    account, address = keys
    with database.begin() as connection:
        connection.execute(rows.delete().where(rows.c.key_hash == account))
        connection.execute(
            rows.update().where(rows.c.key_hash == address).values(failures=rows.c.failures - 1)
        )
