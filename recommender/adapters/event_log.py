"""The event log: one Delta table, `events` under the lake, partitioned by shop and day.

In come events with the writer's position; out goes an Ibis table per shop, each event once. Data
and position are one Delta commit (an application transaction), so a batch that is delivered again
is recognised, and of two writers with one name the slower one is refused. Must not know the
stream.
"""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from recommender.adapters import event_days
from recommender.adapters.delta_sync import (
    MAX_UNSYNCED_COMMITS,
    discard_torn_commits,
    sync_commits,
)
from recommender.adapters.event_rows import check_rows, events_to_table
from recommender.adapters.event_sql import (
    COLUMNS,
    NO_ROWS,
    open_duckdb,
    quoted,
    with_all_columns,
)
from recommender.crash_points import crash_point
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.events.columns import EVENT_SCHEMA
from recommender.ports import DayContent
from recommender.records import Event

if TYPE_CHECKING:
    import duckdb
    from ibis.expr.types import Table

_PARTITIONS = ["shop_id", "day"]
_TABLE_SETTINGS = {
    # A commit a second would leave 86,400 small files of log a day for a month.
    "delta.logRetentionDuration": "interval 1 days",
    # Done by `compact`, once the checkpoint that replaces the old log is on disk.
    "delta.enableExpiredLogCleanup": "false",
    "delta.deletedFileRetentionDuration": "interval 24 hours",
}
_WRITER = WriterProperties(compression="ZSTD", compression_level=3)

_EVENT_KEY = ["shop_id", "day", "event_id"]
# Of several copies the one received first counts; the further columns only break ties.
_FIRST_RECEIVED = ["received_at", "occurred_at", "type", "visitor", "order_id", "slate_id"]
_SCHEMA = ibis.Schema.from_pyarrow(EVENT_SCHEMA)


class DeltaEventLog:
    """`ports.EventLog` on Delta; safe for threads, opens nothing before first use.

    Args:
        lake_url: Folder of the lake, or its address in an object store.
        engine: Query engine behind `events`; only `duckdb` so far.

    Raises:
        InvalidInputError: The engine is not supported, or the folder's name is not.
    """

    def __init__(self, lake_url: str, *, engine: str = "duckdb") -> None:
        if engine != "duckdb":
            raise InvalidInputError(
                f"The event log cannot be read with engine {engine} yet; use duckdb",
                code="engine-unsupported",
            )
        self._uri = f"{lake_url.rstrip('/')}/events"
        self._folder = _local_folder(self._uri)
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None
        self._synced_version = -1
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._of_thread = threading.local()

    def recover(self) -> int:
        """Take back what a power cut tore of the newest commits; return how many.

        Call once before ingesting. Their events are still in the stream: only commits that are
        whole on disk are ever told of.
        """
        with self._lock, self._delta_errors():
            self._table = None
            return 0 if self._folder is None else discard_torn_commits(self._folder)

    def committed_position(self, writer: str) -> int:
        """Return the highest position on disk for `writer`, 0 before the first commit.

        Raises:
            UnavailableError: The table cannot be read.
        """
        with self._lock, self._delta_errors():
            table = self._refreshed()
            if table is None:
                return 0
            self._sync(table)
            return table.transaction_version(writer) or 0

    def append(self, events: Sequence[Event], writer: str, position: int) -> None:
        """Append events and remember `position` for `writer`, in one atomic commit.

        Returns when the commit is on disk. Without events only the position is stored.

        Raises:
            InconsistentError: Another process committed for this writer meanwhile, or `position`
                is not behind the committed one; nothing was stored. Read `committed_position`.
            InvalidInputError: An event cannot be stored; nothing was.
            UnavailableError: Nobody can tell whether the commit happened; `committed_position`
                will.
        """
        self.append_table(events_to_table(events), writer, position)

    def check(self, events: Sequence[Event]) -> None:
        """Raise InvalidInputError when one of the events can never be stored; stores nothing."""
        check_rows(events_to_table(events))

    def append_table(self, table: pa.Table, writer: str, position: int) -> None:
        """Append rows that are columns already; otherwise as `append`.

        Args:
            table: Rows of `EVENT_SCHEMA`.
            writer: Name whose positions grow with every call.
            position: Above every position committed for `writer`.
        """
        check_rows(table)
        with self._lock, self._delta_errors():
            log = _evolved(self._table or self._refreshed() or self._create())
            committed = log.transaction_version(writer) or 0
            if position <= committed:
                raise InconsistentError(
                    f"{writer} committed position {committed} before {position}",
                    code="already-committed",
                )
            write_deltalake(
                log,
                table,
                mode="append",
                writer_properties=_WRITER,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(writer, position)]
                ),
            )
            crash_point("ingest-committed")
            self._sync(log)

    def events(
        self, shop_id: str, *, sealed: Mapping[dt.date, str] = MappingProxyType({})
    ) -> "Table":
        """Return all events of a shop as they are now, each event id once, as an Ibis table.

        Columns are those of `EVENT_SCHEMA`. The table belongs to the calling thread and can be
        read for a day; after that its files may be gone.

        Args:
            shop_id: The shop.
            sealed: Layout of days as they were sealed: of such a day copies were removed, and as
                long as it is the same one file there are none.

        Raises:
            UnavailableError: The log cannot be read.
        """
        with self._lock, self._delta_errors():
            backend = self._backend()
            log = self._refreshed()
            if log is None:
                return self._rows(backend, NO_ROWS)
            pure = event_days.unchanged(log, shop_id, sealed)
            others = [day for day in event_days.layouts(log, shop_id) if day not in pure]
            rows = self._rows(backend, self._source(log, shop_id, backend, others))
            copy = ibis.row_number().over(group_by=_EVENT_KEY, order_by=_FIRST_RECEIVED)
            once = rows.filter(copy == 0)
            if not pure:
                return once
            return self._rows(backend, self._source(log, shop_id, backend, pure)).union(once)

    @staticmethod
    def _rows(backend: Any, source: str) -> "Table":
        rows: Table = backend.sql(f"SELECT {COLUMNS} FROM {source}", schema=_SCHEMA)  # noqa: S608
        return rows

    def rows_by_shop(self) -> dict[str, int]:
        """Return how many rows the log has for each shop, copies included, without reading them."""
        with self._lock, self._delta_errors():
            log = self._refreshed()
            if log is None:
                return {}
            files = _files(log)
        sums = files.group_by("partition.shop_id").aggregate([("num_records", "sum")])
        return {row["partition.shop_id"]: row["num_records_sum"] for row in sums.to_pylist()}

    def rows_by_day(self, shop_id: str) -> dict[dt.date, int]:
        """Return how many rows a shop's partitions have, copies included, without reading them.

        Raises:
            UnavailableError: The log cannot be read.
        """
        with self._lock, self._delta_errors():
            log = self._refreshed()
            if log is None:
                return {}
            files = _files(log).filter(pc.field("partition.shop_id") == shop_id)
        sums = files.group_by("partition.day").aggregate([("num_records", "sum")])
        return {row["partition.day"]: row["num_records_sum"] for row in sums.to_pylist()}

    def compact(self) -> None:
        """Merge small files and drop those that nothing has read for a day.

        Safe beside readers and writers; an interrupted run leaves the log as it was.

        Raises:
            UnavailableError: The table cannot be read, or another process compacts it.
        """
        with self._delta_errors():
            try:
                log = DeltaTable(self._uri)
            except TableNotFoundError:
                return
            log.optimize.compact(writer_properties=_WRITER)
            crash_point("compact-merged")
            log.create_checkpoint()
            self._sync_since(log.version() - MAX_UNSYNCED_COMMITS, log)
            crash_point("compact-noted")
            log.cleanup_metadata()
            log.vacuum(dry_run=False, full=True)

    def day_layouts(self, shop_id: str) -> dict[dt.date, str]:
        """Return for each day with events a hash of its files' names.

        Raises:
            UnavailableError: The log cannot be read.
        """
        with self._lock, self._delta_errors():
            log = self._refreshed()
            return {} if log is None else event_days.layouts(log, shop_id)

    def seal(self, shop_id: str, days: Sequence[dt.date]) -> list[DayContent]:
        """Leave each event of these days once, in one file a day, and tell what they hold.

        Safe beside readers and writers; an interrupted call leaves every event in place.

        Raises:
            UnavailableError: Events of these days were stored meanwhile, or the log does not
                answer; call again.
        """
        with self._lock:
            connection = self._backend().con
        with self._delta_errors():
            log = _evolved(DeltaTable(self._uri))
            order = ", ".join(_FIRST_RECEIVED)
            copies = event_days.merge_days(
                log,
                shop_id,
                days,
                source=self._days_source,
                connection=connection,
                first_copy=order,
                writer=_WRITER,
            )
            self._sync_since(log.version() - MAX_UNSYNCED_COMMITS, log)
            content = event_days.read_content(
                self._days_source(log, shop_id, days), connection, order
            )
            layouts = event_days.layouts(log, shop_id)
        return [
            DayContent(day, *content[day], copies.get(day, 0), log.version(), layouts[day])
            if day in content
            else event_days.empty_day(day, log.version())
            for day in days
        ]

    def drop(self, shop_id: str, days: Sequence[dt.date]) -> None:
        """Remove all events of these days; what reads them already may go on for a day.

        Raises:
            UnavailableError: Events of these days were stored meanwhile; call again.
        """
        if days:
            with self._delta_errors():
                log = DeltaTable(self._uri)
                log.delete(event_days.days_predicate(shop_id, days))
                self._sync_since(log.version() - MAX_UNSYNCED_COMMITS, log)

    def _refreshed(self) -> DeltaTable | None:
        if self._table is None:
            try:
                self._table = DeltaTable(self._uri)
            except TableNotFoundError:
                return None
        else:
            self._table.update_incremental()
        return self._table

    def _create(self) -> DeltaTable:
        # Another process may have made it since: then the existing one is taken.
        with contextlib.suppress(CommitFailedError):
            DeltaTable.create(
                self._uri,
                schema=EVENT_SCHEMA,
                mode="ignore",
                partition_by=_PARTITIONS,
                configuration=_TABLE_SETTINGS,
            )
        self._table = DeltaTable(self._uri)
        return self._table

    def _sync(self, log: DeltaTable) -> None:
        version = log.version()
        if version > self._synced_version:
            self._sync_since(max(self._synced_version + 1, version - MAX_UNSYNCED_COMMITS), log)
            self._synced_version = version

    def _sync_since(self, first: int, log: DeltaTable) -> None:
        if self._folder is not None:
            sync_commits(self._folder, range(max(0, first), log.version() + 1))

    @contextlib.contextmanager
    def _delta_errors(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError) as error:
            # The handle may be behind, or ahead of what it believes.
            self._table = None
            if isinstance(error, CommitFailedError) and "Concurrent transaction" in str(error):
                raise InconsistentError(
                    "Another process commits for the same writer", code="concurrent-writer"
                ) from error
            raise UnavailableError(
                f"The event log cannot be used: {error}", code="event-log-unavailable"
            ) from error

    def _backend(self) -> Any:
        backend = getattr(self._of_thread, "backend", None)
        if backend is None:
            if self._duckdb is None:
                self._duckdb = open_duckdb()
            backend = ibis.duckdb.from_connection(self._duckdb.cursor())
            self._of_thread.backend = backend
        return backend

    def _days_source(self, log: DeltaTable, shop_id: str, days: Sequence[dt.date]) -> str:
        with self._lock:
            source = self._source(log, shop_id, self._backend(), days)
        return f"(SELECT {COLUMNS} FROM {source})"  # noqa: S608

    def _source(
        self, log: DeltaTable, shop_id: str, backend: Any, days: Sequence[dt.date] | None = None
    ) -> str:
        wanted = pc.field("partition.shop_id") == shop_id
        if days is not None:
            wanted &= pc.field("partition.day").isin(pa.array(days, pa.date32()))
        paths = _files(log).filter(wanted).column("path").to_pylist()
        if not paths:
            return NO_ROWS
        if self._folder is None:
            # DuckDB would need an extension for object stores; the Delta library reads them.
            name = f"lake_{shop_id}"
            dataset = log.to_pyarrow_dataset(file_pruning_predicate=[("shop_id", "=", shop_id)])
            backend.con.register(name, dataset)
            own = with_all_columns(quoted(name, '"'))
            return own if days is None else _of_days(own, days)
        # Delta's paths are URLs: quoted once more than the names on disk.
        files = ", ".join(quoted(str(self._folder / unquote(path)), "'") for path in paths)
        return with_all_columns(
            f"read_parquet([{files}], hive_partitioning = true, union_by_name = true, "
            "hive_types = {'shop_id': VARCHAR, 'day': DATE})"
        )


def _of_days(source: str, days: Sequence[dt.date]) -> str:
    named = ", ".join(quoted(day.isoformat(), "'") for day in days)
    return f"(SELECT * FROM {source} WHERE day IN ({named}))"  # noqa: S608


def _evolved(log: DeltaTable) -> DeltaTable:
    """Add the columns that a table of an earlier release lacks; null in its rows means empty."""
    known = {field.name for field in log.schema().fields}
    missing = [field for field in EVENT_SCHEMA if field.name not in known]
    if missing:
        log.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
    return log


def _files(log: DeltaTable) -> pa.Table:
    return pa.table(log.get_add_actions(flatten=True))


def _local_folder(uri: str) -> Path | None:
    if "://" in uri:
        return None
    unusable = set(uri) & set("%*?[")
    if unusable:
        raise InvalidInputError(
            f"The lake's path may not contain {' '.join(sorted(unusable))}", code="lake-path"
        )
    return Path(uri).absolute()
