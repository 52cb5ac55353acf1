"""Put an import's rows where they belong (verb), in steps that can all be repeated.

In comes what the noun modules made of the files; out go rows in the event log and in the ledger.
Chunks of events carry a position of the import's own writer, orders have their id as a key.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import sqlalchemy as sa

from recommender import tables
from recommender.errors import UnavailableError
from recommender.events.history_log import order_rows
from recommender.events.order_fold import IMPORTED_REVISION
from recommender.events.record_order import names_of, refold
from recommender.ports import EventLog
from recommender.records import OrderKind, Shop, Source

Report = dict[str, Any]
Progress = Callable[[int, int], None]
"""Told how many of how many chunks are done."""
Known = dict[tuple[str, str], tuple[int, str]]
"""Amount and currency by kind and id."""

_CHUNK_FACTS = 10_000
_CHUNK_EVENTS = 500_000


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a set of files, and where it writes.

    Attributes:
        files: Names, for people.
        sha256: Identity of the files' bytes and kind.
    """

    files: str
    sha256: str
    shop: Shop
    database: sa.Engine
    event_log: EventLog
    now: dt.datetime
    progress: Progress

    @property
    def import_id(self) -> str:
        """Return the key of this import within its shop."""
        return self.sha256[:40]


def finished_report(job: Import) -> Report | None:
    """Return the report of this import when it was finished before."""
    rows = tables.imports.c
    query = sa.select(rows.report).where(
        rows.shop_id == job.shop.shop_id, rows.import_id == job.import_id
    )
    with _database_answers(), job.database.connect() as connection:
        report: Report | None = connection.execute(query).scalar_one_or_none()
    return report


def note_finished(job: Import, report: Report) -> None:
    """Note that everything of this import is stored."""
    row = {
        "shop_id": job.shop.shop_id,
        "import_id": job.import_id,
        "file_name": job.files[:300],
        "file_sha256": job.sha256,
        "report": report,
        "finished_at": job.now,
    }
    with _database_answers(), job.database.begin() as connection:
        tables.insert_ignore(connection, tables.imports, [row])


def store_rows(job: Import, facts: Any, events: Any) -> int:
    """Store orders and refunds with their events, then the other events.

    Args:
        job: The import.
        facts: Table with `kind`, `fact_id`, `order_id`, `net_minor`, `placed_at`, `visitor`,
            `items`, `body_hash`; the same rows in the same order whenever the files are read.
        events: Rows of the event log, likewise.

    Returns:
        Number of facts that contradict what was told before; they are listed for the shop.

    Raises:
        UnavailableError: Start the same import again.
        InconsistentError: Another process imports the same files now.
    """
    # Positions start anew for every shop: two shops may be given the same file.
    writer = f"import:{job.shop.shop_id}:{job.import_id}"
    committed = job.event_log.committed_position(writer)
    chunks = list(_chunks(facts, events))
    conflicts = 0
    for position, (chunk, others) in enumerate(chunks, start=1):
        known = _known(job, chunk)
        if position > committed:
            orders = order_rows(job.shop.shop_id, _new_orders(chunk, known))
            job.event_log.append_table(pa.concat_tables([orders, others]), writer, position)
        conflicts += _insert(job, chunk, known)
        job.progress(position, len(chunks))
    return conflicts


def _chunks(facts: Any, events: Any) -> Iterator[tuple[Any, Any]]:
    for start in range(0, facts.num_rows, _CHUNK_FACTS):
        yield facts.slice(start, _CHUNK_FACTS), events.slice(0, 0)
    for start in range(0, events.num_rows, _CHUNK_EVENTS):
        yield facts.slice(0, 0), events.slice(start, _CHUNK_EVENTS)


def _known(job: Import, facts: Any) -> Known:
    rows = tables.order_facts.c
    query = (
        sa.select(rows.kind, rows.fact_id, rows.net_minor, rows.currency)
        .where(rows.shop_id == job.shop.shop_id, rows.fact_id.in_(facts["fact_id"].to_pylist()))
        .order_by(rows.revision)
    )
    with _database_answers(), job.database.connect() as connection:
        # Of several revisions the newest one stays.
        return {
            (row.kind, row.fact_id): (row.net_minor, row.currency)
            for row in connection.execute(query)
        }


def _new_orders(facts: Any, known: Known) -> Any:
    keys = zip(facts["kind"].to_pylist(), facts["fact_id"].to_pylist(), strict=True)
    fresh = [key[0] == OrderKind.ORDER.value and key not in known for key in keys]
    return facts.filter(pa.array(fresh, pa.bool_()))


def _insert(job: Import, facts: Any, known: Known) -> int:
    fresh, conflicts = [], []
    names = [name for name in facts.column_names if name in tables.orders.columns]
    for fact in facts.select(names).to_pylist():
        amount = known.get((fact["kind"], fact["fact_id"]))
        if amount is None:
            fresh.append(_fact_row(job, fact))
        elif amount != (fact["net_minor"], job.shop.currency):
            conflicts.append(_conflict_row(job, fact))
    history = {"revision": IMPORTED_REVISION, "source": Source.IMPORT.value}
    with _database_answers(), job.database.begin() as connection:
        tables.insert_ignore(connection, tables.order_facts, [row | history for row in fresh])
        tables.insert_ignore(connection, tables.orders, fresh)
        tables.insert_ignore(connection, tables.order_conflicts, conflicts)
        for order_id in _told_otherwise(connection, job, fresh):
            refold(connection, job.shop.shop_id, order_id)
    return len(conflicts)


def _told_otherwise(connection: sa.Connection, job: Import, rows: list[Report]) -> Sequence[str]:
    """Return the orders of which the shop's server told something too, such as a refund."""
    facts = tables.order_facts.c
    query = sa.select(facts.order_id).where(
        facts.shop_id == job.shop.shop_id,
        facts.order_id.in_([row["order_id"] for row in rows]),
        facts.revision > IMPORTED_REVISION,
    )
    numbers = sa.select(facts.order_number).where(
        facts.shop_id == job.shop.shop_id,
        facts.order_number.in_(
            [name for row in rows for name in (row["order_id"], f"#{row['order_id']}")]
        ),
        facts.revision > IMPORTED_REVISION,
    )
    told = {name for number in connection.scalars(numbers) for name in names_of(number)}
    own = {row["order_id"] for row in rows}
    return sorted({*connection.scalars(query), *(told & own)})


def _fact_row(job: Import, fact: Report) -> Report:
    shop = {"shop_id": job.shop.shop_id, "currency": job.shop.currency}
    return {**fact, **shop, "received_at": job.now}


def _conflict_row(job: Import, fact: Report) -> Report:
    return {
        "shop_id": job.shop.shop_id,
        "kind": fact["kind"],
        "fact_id": fact["fact_id"],
        "body_hash": fact["body_hash"],
        "body": orjson.dumps({"import": job.import_id, **fact}).decode(),
        "received_at": job.now,
    }


@contextlib.contextmanager
def _database_answers() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "The control database does not answer; start the same import again",
            code="database-unavailable",
        ) from error
