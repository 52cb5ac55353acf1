"""Whole days of the event log: what files they lie in, merging them, hashing them.

In come a Delta table and the days of one shop; out go days in which each event stands once, and
the number and hash of their events. The hash depends on the events alone, never on files, order or
the engine's own text forms: docs/sealed-days.md tells how anybody can compute it again.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, WriterProperties, write_deltalake

from recommender.crash_points import crash_point
from recommender.events.columns import EVENT_SCHEMA
from recommender.ports import DayContent

MERGED_DAYS = 31
"""Days rewritten in one commit at most."""
_BATCH_ROWS = 50_000
_FILE_BYTES = 1 << 30
_HEADER = b"recommender day 1\n"

Source = Callable[[DeltaTable, str, Sequence[dt.date]], str]
"""Table, shop and days → the SQL source of their rows, copies included."""


def layouts(log: DeltaTable, shop_id: str) -> dict[dt.date, str]:
    """Return for each day of a shop a hash of its files' names."""
    files = pa.table(log.get_add_actions(flatten=True))
    own = files.filter(pc.equal(files["partition.shop_id"], shop_id))
    named = sorted(zip(own["partition.day"].to_pylist(), own["path"].to_pylist(), strict=True))
    return {
        day: hashlib.sha256("\n".join(path for _, path in group).encode()).hexdigest()
        for day, group in groupby(named, key=itemgetter(0))
    }


def unchanged(log: DeltaTable, shop_id: str, sealed: Mapping[dt.date, str]) -> list[dt.date]:
    """Return the days that lie in the one file which their sealing left or found."""
    if not sealed:
        return []
    files = pa.table(log.get_add_actions(flatten=True))
    own = files.filter(pc.equal(files["partition.shop_id"], shop_id))
    counts = {
        row["values"]: row["counts"] for row in own["partition.day"].value_counts().to_pylist()
    }
    known = layouts(log, shop_id)
    return [day for day, layout in known.items() if sealed.get(day) == layout and counts[day] == 1]


def merge_days(
    log: DeltaTable,
    shop_id: str,
    days: Sequence[dt.date],
    *,
    source: Source,
    connection: Any,
    first_copy: str,
    writer: WriterProperties,
) -> dict[dt.date, int]:
    """Put each day that has several files or copies into one file; return the copies removed.

    Another writer to these days makes the commit fail, and nothing is changed.

    Args:
        connection: Cursor of DuckDB.
        first_copy: SQL order in which the first of several copies is the one to keep.
    """
    paths = pa.table(log.get_add_actions(flatten=True))
    of_shop = paths.filter(pc.equal(paths["partition.shop_id"], shop_id))
    files = pc.value_counts(of_shop["partition.day"]).to_pylist()
    several = {count["values"] for count in files if count["counts"] > 1}
    copies = _copies(source(log, shop_id, days), connection)
    merging = [day for day in days if day in several or copies.get(day)]
    for first in range(0, len(merging), MERGED_DAYS):
        group = merging[first : first + MERGED_DAYS]
        rows = connection.sql(_merged(source(log, shop_id, group), first_copy))
        write_deltalake(
            log,
            _as_stored(rows.to_arrow_reader(_BATCH_ROWS)),
            mode="overwrite",
            predicate=days_predicate(shop_id, group),
            writer_properties=writer,
            target_file_size=_FILE_BYTES,
        )
        crash_point("seal-rewritten")
    return copies


def days_predicate(shop_id: str, days: Iterable[dt.date]) -> str:
    """Return the SQL condition that names whole days of a shop."""
    # A shop's id is a text of ours; the quote is doubled all the same.
    quoted = shop_id.replace("'", "''")
    named = " OR ".join(f"day = '{day.isoformat()}'" for day in days)
    return f"shop_id = '{quoted}' AND ({named})"


def read_content(source: str, connection: Any, first_copy: str) -> dict[dt.date, tuple[int, str]]:
    """Return for each day the number of its events and their hash, each event once."""
    rows = connection.sql(
        f"SELECT day, sha256({_CANONICAL}) AS hash FROM ({_distinct(source, first_copy)})"  # noqa: S608
        " ORDER BY day, event_id"
    )
    content = {}
    for day, hashes in groupby(_pairs(rows.to_arrow_reader(_BATCH_ROWS)), key=itemgetter(0)):
        digest, events = hashlib.sha256(_HEADER), 0
        for _, row_hash in hashes:
            digest.update(f"{row_hash}\n".encode())
            events += 1
        content[day] = (events, digest.hexdigest())
    return content


def empty_day(day: dt.date, version: int) -> DayContent:
    """Return what a day without events holds."""
    return DayContent(day, 0, hashlib.sha256(_HEADER).hexdigest(), 0, version, "")


def _copies(source: str, connection: Any) -> dict[dt.date, int]:
    counted = connection.execute(
        f"SELECT day, count(*) - count(DISTINCT event_id) FROM {source} GROUP BY day"  # noqa: S608
    )
    return dict(counted.fetchall())


def _distinct(source: str, first_copy: str) -> str:
    columns = ", ".join(f'"{name}"' for name in EVENT_SCHEMA.names)
    return (
        f"SELECT {columns} FROM {source} QUALIFY row_number() OVER "  # noqa: S608
        f"(PARTITION BY day, event_id ORDER BY {first_copy}) = 1"
    )


def _merged(source: str, first_copy: str) -> str:
    # Ids are ordered in time, so that later readers of some hours skip most of the file.
    return f"{_distinct(source, first_copy)} ORDER BY day, event_id"


def _as_stored(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(
        EVENT_SCHEMA, (batch.cast(EVENT_SCHEMA) for batch in batches)
    )


def _pairs(batches: pa.RecordBatchReader) -> Iterator[tuple[dt.date, str]]:
    for batch in batches:
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def _canonical() -> str:
    """Return the SQL of a row's canonical text: each field as `BYTES:TEXT`, in the schema's order.

    Instants are microseconds since 1970, a missing price is empty, the items' fields stand in
    one field one after another.
    """
    forms = []
    for field in EVENT_SCHEMA:
        name = f'"{field.name}"'
        if pa.types.is_timestamp(field.type):
            name = f"CAST(epoch_us({name}) AS VARCHAR)"
        elif field.name == "items":
            item = " || ".join(
                _counted(f"COALESCE(CAST(item.{part} AS VARCHAR), '')")
                for part in ("item_id", "quantity", "price_minor")
            )
            name = f"array_to_string(list_transform(items, lambda item: {item}), '')"
        else:
            name = f"CAST({name} AS VARCHAR)"
        forms.append(_counted(name))
    return " || ".join(forms)


def _counted(text: str) -> str:
    return f"CAST(strlen({text}) AS VARCHAR) || ':' || {text}"


_CANONICAL = _canonical()
