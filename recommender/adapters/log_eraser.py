"""Takes visitors out of the event log's files.

In come pseudonyms with the instant until which each is erased; afterwards no file that the table
names holds a row of theirs, and `purge` deletes the files that did. Orders stay without their
visitor. The changed days have other files, so that the sealing of days sees them and opens a new
revision. Must not know why somebody is erased.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from recommender.adapters.delta_sync import sync_commits
from recommender.errors import UnavailableError
from recommender.records import EventType

_WRITER = WriterProperties(compression="ZSTD", compression_level=3)
_ATTEMPTS = 5
_AT_ONCE = 200
"""Visitors named in one statement."""


class LogEraser:
    """Erases in the event log of one lake, beside its readers and writers."""

    def __init__(self, lake_url: str) -> None:
        self._uri = f"{lake_url.rstrip('/')}/events"

    def erase(self, shop_id: str, until: Mapping[str, dt.datetime]) -> list[dt.date]:
        """Take visitors' rows until an instant each out of the log.

        Returns:
            The days whose files changed.

        Raises:
            UnavailableError: The log cannot be read, or others changed the same days again and
                again.
        """
        days: set[dt.date] = set()
        for visitors in _groups(sorted(until)):
            condition = _condition(shop_id, {one: until[one] for one in visitors})
            for attempt in range(_ATTEMPTS):
                try:
                    days |= self._rewrite(shop_id, condition)
                    break
                except CommitFailedError as error:
                    if attempt == _ATTEMPTS - 1:
                        raise _unavailable(error) from error
                except (DeltaError, OSError) as error:
                    raise _unavailable(error) from error
        return sorted(days)

    def purge(self, after_hours: int) -> None:
        """Delete the files that the log gave up longer than some hours ago.

        With 0 also those that a reader may be in the middle of. Files that a writer has not
        committed yet are never touched.

        Raises:
            UnavailableError: The log cannot be read.
        """
        try:
            log = DeltaTable(self._uri)
            log.vacuum(after_hours, dry_run=False, enforce_retention_duration=False, full=False)
        except TableNotFoundError:
            return
        except (DeltaError, OSError) as error:
            raise _unavailable(error) from error

    def _rewrite(self, shop_id: str, condition: str) -> set[dt.date]:
        try:
            log = DeltaTable(self._uri)
        except TableNotFoundError:
            return set()
        before, first = _files(log, shop_id), log.version() + 1
        is_order = f"type = '{EventType.ORDER.value}'"
        log.update(
            new_values={"visitor": ""},
            predicate=f"{condition} AND {is_order}",
            writer_properties=_WRITER,
        )
        log.delete(f"{condition} AND NOT ({is_order})", writer_properties=_WRITER)
        if "://" not in self._uri and log.version() >= first:
            sync_commits(Path(self._uri).absolute(), range(first, log.version() + 1))
        after = _files(log, shop_id)
        return {day for path, day in before.items() if path not in after}


def _groups(visitors: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(visitors), _AT_ONCE):
        yield visitors[first : first + _AT_ONCE]


def _condition(shop_id: str, until: Mapping[str, dt.datetime]) -> str:
    """Return the SQL condition that names the rows; the partition first, so that it prunes."""
    by_instant: dict[dt.datetime, list[str]] = {}
    for visitor, instant in until.items():
        by_instant.setdefault(instant, []).append(visitor)
    return f"shop_id = {_quoted(shop_id)} AND ({' OR '.join(_named(by_instant))})"


def _named(by_instant: Mapping[dt.datetime, list[str]]) -> Iterator[str]:
    for instant, visitors in by_instant.items():
        names = ", ".join(map(_quoted, visitors))
        utc = instant.astimezone(dt.UTC).isoformat(timespec="microseconds")
        yield f"(visitor IN ({names}) AND occurred_at <= '{utc}')"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _files(log: DeltaTable, shop_id: str) -> dict[str, dt.date]:
    files = pa.table(log.get_add_actions(flatten=True))
    columns = (files[name].to_pylist() for name in ("path", "partition.shop_id", "partition.day"))
    return {path: day for path, shop, day in zip(*columns, strict=True) if shop == shop_id}


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"The event log cannot be changed now: {error}", code="event-log-unavailable"
    )
