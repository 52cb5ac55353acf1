"""A table whose every row is sealed with the row before it (verb).

The chain runs over all shops of the vendor; a row apart keeps its end, so that removing the newest
rows is noticed too. Audit log and ledger are such tables. Triggers refuse to change a row of them;
the seals show it to whoever may not trust the database.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from recommender.errors import InconsistentError
from recommender.shops.acting import all_shops
from recommender.table_types import UtcInstant

FIRST_HASH = "0" * 64
_AT_ONCE = 1_000


def append(
    connection: sa.Connection, table: sa.Table, end: sa.Table, body: Mapping[str, Any]
) -> None:
    """Add a row, in the transaction of what it tells of.

    The time is the database's, which nobody who writes can choose. The chain's end stays locked
    until the transaction ends; who needs two chains takes the ledger's first.

    Args:
        body: Columns of the row without sequence, time and hashes.
    """
    row = connection.execute(
        end.update()
        .values(sequence=end.c.sequence + 1)
        .returning(end.c.sequence, end.c.entry_hash, sa.func.now(type_=UtcInstant))
    ).one()
    entry = {**body, "sequence": row[0], "at": row[2], "previous_hash": row[1]}
    entry["entry_hash"] = seal(entry)
    connection.execute(table.insert().values(entry))
    connection.execute(end.update().values(entry_hash=entry["entry_hash"]))


def seal(entry: Mapping[str, Any]) -> str:
    """Return the hash that a row must carry: SHA-256 of all else in it as canonical JSON."""
    body = {name: value for name, value in entry.items() if name != "entry_hash"}
    body["at"] = body["at"].astimezone(dt.UTC).isoformat()
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed_rows(
    connection: sa.Connection, table: sa.Table, end: sa.Table, *, name: str, code: str
) -> Iterator["sa.Row[Any]"]:
    """Recompute the whole chain and yield its rows, each one seen to be as it was written.

    Args:
        name: What the chain is called in an error.
        code: Of the error.

    Raises:
        InconsistentError: Names the first row that was changed or is missing.
    """
    sequence, previous = 0, FIRST_HASH
    kept = connection.execute(sa.select(end.c.sequence, end.c.entry_hash)).one()
    query = sa.select(table).where(table.c.sequence <= kept.sequence).order_by(table.c.sequence)
    with connection.execute(query.execution_options(yield_per=_AT_ONCE)) as found:
        for row in found:
            sequence += 1
            if row.sequence != sequence:
                raise InconsistentError(f"Entry {sequence} of {name} is missing", code=code)
            if row.previous_hash != previous or seal(row._asdict()) != row.entry_hash:
                raise InconsistentError(f"Entry {sequence} of {name} was changed", code=code)
            previous = row.entry_hash
            yield row
    if (sequence, previous) != tuple(kept):
        raise InconsistentError(f"Entry {sequence + 1} of {name} is missing", code=code)


def verify_chain(
    table: sa.Table, end: sa.Table, *, database: sa.Engine, name: str, code: str
) -> int:
    """Recompute a whole chain and return its number of rows; see `sealed_rows`."""
    with all_shops(), database.connect() as connection:
        return sum(1 for _ in sealed_rows(connection, table, end, name=name, code=code))
