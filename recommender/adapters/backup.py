"""Backup of a running service, and its return on an empty machine.

A backup is taken in this order: database, waiting stream entries, event log. An entry leaves the
stream only after it is in the log, so every event acknowledged before `taken_at` is in one of the
two; what is in both counts once, by its id. Hot state and artifacts are not kept: they come back
by use and by training. Erasures are replayed from a file that no backup holds.
"""

import base64
import datetime as dt
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import orjson
import sqlalchemy as sa

from recommender import __version__
from recommender.adapters.backup_manifest import Manifest, read_manifest, write_manifest
from recommender.adapters.database import migrate, open_database
from recommender.adapters.database_copy import (
    Books,
    copy_database,
    is_empty_database,
    put_back_database,
)
from recommender.adapters.event_codec import decode_entry
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.log_copy import copy_log, local_log, rows_of
from recommender.adapters.log_eraser import LogEraser
from recommender.adapters.tombstone_file import FILE_NAME, TombstoneFile
from recommender.config import Settings
from recommender.errors import InconsistentError, InvalidInputError
from recommender.events.erase_rows import erase_rows
from recommender.events.subjects import Subject
from recommender.events.tombstones import (
    Tombstone,
    Tombstones,
    read_tombstones,
    store_tombstones,
)
from recommender.ports import StreamEntry
from recommender.records import Event
from recommender.shops.directory import ShopDirectory

DATABASE, LAKE, WAITING, SECRET = "database", "lake/events", "waiting.jsonl", "secret.key"
_PAGE_ENTRIES = 1_000
_WRITER = "restore"


class Waiting(Protocol):
    """What a backup needs of the stream."""

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]: ...


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back.

    Attributes:
        manifest: Of the backup.
        erased: Tombstones that were replayed.
        waiting_events: Events that were still in the stream and are now in the log.
        unreadable: Of the waiting entries, those that nobody can read.
        has_secret: Whether the service's secret came along.
    """

    manifest: Manifest
    erased: int
    waiting_events: int
    unreadable: int
    has_secret: bool


def back_up(
    target: Path,
    *,
    settings: Settings,
    stream: Waiting,
    now: Callable[[], dt.datetime],
    with_secret: bool = False,
) -> Manifest:
    """Write a backup into a new folder, beside a service at work.

    Raises:
        InvalidInputError: Code `not-empty`: the folder holds something; `lake-not-local`.
        UnavailableError: A part does not answer, or a program is missing.
    """
    if target.exists() and any(target.iterdir()):
        raise InvalidInputError(f"{target} is not empty", code="not-empty")
    local_log(settings.lake_url)
    (target / DATABASE).mkdir(parents=True, exist_ok=True, mode=0o700)
    target.chmod(0o700)
    taken_at = now()
    books = copy_database(settings.database_url, target / DATABASE)
    waiting = _copy_waiting(stream, target / WAITING)
    log = copy_log(settings.lake_url, target / LAKE)
    if with_secret:
        shutil.copyfile(settings.secret_key_file, target / SECRET)
        (target / SECRET).chmod(0o600)
    return write_manifest(
        target,
        Manifest(
            taken_at=taken_at,
            release=__version__,
            books=books,
            log_version=log.version,
            log_rows=log.rows,
            position=waiting.position,
            waiting=waiting.entries,
            last_event_at=max(
                filter(None, (waiting.last_event_at, log.last_event_at)), default=None
            ),
        ),
    )


def restore(source: Path, *, settings: Settings, erasures: Sequence[Path] = ()) -> Restored:
    """Bring a backup back into an empty home; the service must not run.

    Args:
        source: Folder that `back_up` wrote.
        settings: Where it goes.
        erasures: Further files of tombstones, beside the one in the home.

    Raises:
        InconsistentError: Code `damaged-backup`; nothing was written.
        InvalidInputError: Code `not-empty`: the home, database or lake holds something; nothing
            was written.
    """
    manifest = read_manifest(source)
    _require_empty(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    books = put_back_database(source / DATABASE, settings.database_url)
    if manifest.log_version >= 0:
        shutil.copytree(source / LAKE, local_log(settings.lake_url))
    _require_equal(manifest, books, rows_of(local_log(settings.lake_url)))
    has_secret = _put_back_secret(source / SECRET, settings.secret_key_file)
    engine = open_database(settings.database_url)
    try:
        migrate(engine)
        tombstones = _replay(engine, settings, erasures)
        events, unreadable = _store_waiting(source / WAITING, engine, settings)
    finally:
        engine.dispose()
    return Restored(manifest, len(tombstones), events, unreadable, has_secret)


@dataclass(frozen=True, slots=True)
class _Copied:
    position: int
    entries: int
    last_event_at: dt.datetime | None


def _copy_waiting(stream: Waiting, target: Path) -> _Copied:
    position, entries, last = 0, 0, None
    with target.open("xb") as file:
        target.chmod(0o600)
        while page := stream.read(position, _PAGE_ENTRIES):
            for entry in page:
                line = {"position": entry.position, "entry": base64.b64encode(entry.raw).decode()}
                file.write(orjson.dumps(line) + b"\n")
                for event in entry.events:
                    last = max(event.received_at, last or event.received_at)
            position, entries = page[-1].position, entries + len(page)
    return _Copied(position, entries, last)


def _require_empty(settings: Settings) -> None:
    taken = [
        name
        for name in ("artifacts", "spool", "redis")
        if (settings.home / name).exists() and any((settings.home / name).iterdir())
    ]
    if local_log(settings.lake_url).exists():
        taken.append("the event log")
    if not is_empty_database(settings.database_url):
        taken.append("the database")
    if taken:
        raise InvalidInputError(
            f"A backup is restored into an empty home only; here are {', '.join(taken)}",
            code="not-empty",
        )


def _require_equal(manifest: Manifest, books: Books, rows: dict[str, int]) -> None:
    if (books, rows) != (manifest.books, manifest.log_rows):
        raise InconsistentError(
            f"What was restored has other books than the backup: {books} and {rows} rows",
            code="damaged-backup",
        )


def _put_back_secret(source: Path, target: Path) -> bool:
    if not source.exists():
        return False
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
    return True


def _replay(engine: sa.Engine, settings: Settings, erasures: Sequence[Path]) -> list[Tombstone]:
    """Erase anew who was erased, as the backup knows it and as it came to pass since."""
    own = TombstoneFile(settings.home / FILE_NAME)
    kept = own.read()
    told = [one for path in erasures for one in TombstoneFile(path).read()]
    if new := [one for one in dict.fromkeys(told) if one not in kept]:
        own.append(new)
    shops = {shop.shop_id: shop for shop in ShopDirectory(engine).all()}
    with engine.begin() as connection:
        known = {*kept, *told, *read_tombstones(connection)}
        tombstones = [one for one in known if one.shop_id in shops]
        store_tombstones(connection, tombstones)
        for one in tombstones:
            erase_rows(connection, Subject(shops[one.shop_id], (one.visitor,)), one.requested_at)
    eraser = LogEraser(settings.lake_url)
    for shop_id, group in groupby(sorted(tombstones, key=_by_shop), key=_by_shop):
        eraser.erase(shop_id, {one.visitor: one.requested_at for one in group})
    if tombstones:
        eraser.purge(0)
    return tombstones


def _by_shop(tombstone: Tombstone) -> str:
    return tombstone.shop_id


def _store_waiting(path: Path, engine: sa.Engine, settings: Settings) -> tuple[int, int]:
    """Put what waited in the stream into the log; return its events, and unreadable entries."""
    log, tombstones = DeltaEventLog(settings.lake_url, engine=settings.engine), Tombstones(engine)
    stored = unreadable = 0
    for position, entries in _waiting_batches(path):
        decoded = [_decoded(entry) for entry in entries]
        unreadable += sum(is_damaged for _, is_damaged in decoded)
        events = tombstones.without_erased([event for found, _ in decoded for event in found])
        if events:
            log.append(events, _WRITER, position)
            stored += len(events)
    return stored, unreadable


def _decoded(entry: bytes) -> tuple[Sequence[Event], bool]:
    try:
        events, refused = decode_entry(entry)
    except InvalidInputError:
        return (), True
    return events, bool(refused)


def _waiting_batches(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the last position and the entries of each batch, in stream order."""
    with path.open("rb") as file:
        while lines := list(itertools.islice(file, _PAGE_ENTRIES)):
            told = [orjson.loads(line) for line in lines]
            yield told[-1]["position"], [base64.b64decode(one["entry"]) for one in told]
