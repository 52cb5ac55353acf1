"""A copy of the event log as of one version, taken beside its writers.

In comes the lake; out goes a folder that is the same table at that version, with the positions of
all its writers. The files of a version never change, so they are copied without a lock. Must not
know what the table holds.
"""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from recommender.errors import InvalidInputError, UnavailableError

LOG = "_delta_log"
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class LogCopy:
    """What was copied.

    Attributes:
        version: Version of the table; -1 when there is none yet.
        rows: Rows by shop, copies of one event included.
        last_event_at: When the newest of them was received.
    """

    version: int
    rows: dict[str, int]
    last_event_at: dt.datetime | None = None


def copy_log(lake_url: str, target: Path) -> LogCopy:
    """Copy the newest version of the event log into the folder `target`.

    Raises:
        InvalidInputError: Code `lake-not-local`: the lake lies in an object store, whose own
            versions are its backup.
        UnavailableError: The table cannot be read.
    """
    folder = local_log(lake_url)
    for attempt in range(_ATTEMPTS):
        try:
            return _copy(folder, target)
        except TableNotFoundError:
            return LogCopy(-1, {})
        except (DeltaError, OSError) as error:
            # Compaction may have folded old commits into a checkpoint meanwhile.
            shutil.rmtree(target, ignore_errors=True)
            if attempt == _ATTEMPTS - 1:
                raise UnavailableError(
                    f"The event log cannot be copied: {error}", code="event-log-unavailable"
                ) from error
    raise AssertionError("the last attempt returns or raises")


def local_log(lake_url: str) -> Path:
    """Return the folder of the event log.

    Raises:
        InvalidInputError: Code `lake-not-local`.
    """
    if "://" in lake_url:
        raise InvalidInputError(
            "The event log lies in an object store, which keeps versions itself: only a log in a "
            "folder is backed up",
            code="lake-not-local",
        )
    return Path(lake_url).absolute() / "events"


def rows_of(folder: Path) -> dict[str, int]:
    """Return the rows by shop of the table in a folder; none without a table."""
    try:
        return _rows(DeltaTable(str(folder)))
    except TableNotFoundError:
        return {}


def _copy(folder: Path, target: Path) -> LogCopy:
    table = DeltaTable(str(folder))
    paths = [unquote(path) for path in _files(table)["path"].to_pylist()]
    for path in paths:
        copied = target / path
        copied.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / path, copied)
    _copy_commits(folder / LOG, target / LOG, table.version())
    # Reads what was copied as a table: a commit that vanished meanwhile shows itself here.
    copy = DeltaTable(str(target))
    if copy.version() != table.version():
        raise OSError(f"version {table.version()} of the log was changed while it was copied")
    instants = [at for at in _files(copy)["max.received_at"].to_pylist() if at is not None]
    return LogCopy(table.version(), _rows(copy), max(instants, default=None))


def _copy_commits(source: Path, target: Path, version: int) -> None:
    """Copy the commits of a version: from the newest checkpoint on, if there is one."""
    target.mkdir(parents=True, mode=0o700)
    commits = {int(path.name[:20]): path for path in source.glob("[0-9]*.json")}
    checkpoints = [int(path.name[:20]) for path in source.glob("[0-9]*.checkpoint.parquet")]
    first = max((number for number in checkpoints if number <= version), default=0)
    wanted = [path for number, path in commits.items() if first <= number <= version]
    checkpoint = source / f"{first:020}.checkpoint.parquet"
    for path in (*wanted, checkpoint) if checkpoint.exists() else wanted:
        shutil.copyfile(path, target / path.name)


def _files(table: DeltaTable) -> pa.Table:
    return pa.table(table.get_add_actions(flatten=True))


def _rows(table: DeltaTable) -> dict[str, int]:
    files = _files(table)
    if not files.num_rows:
        return {}
    sums = files.group_by("partition.shop_id").aggregate([("num_records", "sum")])
    return {row["partition.shop_id"]: row["num_records_sum"] for row in sums.to_pylist()}
