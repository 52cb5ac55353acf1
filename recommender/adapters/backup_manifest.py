"""What a backup holds: every file with its hash, and what was true when it was taken.

Written last, so that a folder without it is no backup. Must not know where the files come from.
"""

import dataclasses
import datetime as dt
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from recommender.errors import InconsistentError

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup.

    Attributes:
        taken_at: Everything acknowledged before is inside; what came later is not.
        release: Release that took it.
        books: Figures of the ledger, see `database_copy.read_books`.
        log_version: Version of the event log; -1 for none.
        log_rows: Rows of the log by shop, copies of one event included.
        position: Newest place in the stream that is inside, 0 for none.
        waiting: Entries of the stream inside, which may be in the log too.
        last_event_at: When the newest of these was acknowledged, None without any.
        files: Path within the folder → SHA-256.
    """

    taken_at: dt.datetime
    release: str
    books: dict[str, int]
    log_version: int
    log_rows: dict[str, int]
    position: int
    waiting: int
    last_event_at: dt.datetime | None
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Hash and sync all files in a folder, then write the manifest; return it with the hashes."""
    files = {name: _synced_hash(folder / name) for name in _names(folder)}
    whole = dataclasses.replace(manifest, files=files)
    target = folder / MANIFEST
    with target.open("wb") as file:
        file.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        file.flush()
        os.fsync(file.fileno())
    os.sync()
    return whole


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest and check every file against it.

    Raises:
        InconsistentError: Code `damaged-backup`: names the first file that is missing, changed or
            too many; or there is no manifest, or one of another format.
    """
    try:
        told = orjson.loads((folder / MANIFEST).read_bytes())
        if told["format"] != FORMAT:
            raise _damaged(f"format {told['format']} is not known to this release")
        last = told.pop("last_event_at")
        manifest = Manifest(
            taken_at=dt.datetime.fromisoformat(told.pop("taken_at")),
            last_event_at=None if last is None else dt.datetime.fromisoformat(last),
            **told,
        )
    except FileNotFoundError as error:
        raise _damaged(f"{MANIFEST} is missing: it is no backup, or not a whole one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(f"{MANIFEST} cannot be read") from error
    _check_files(folder, manifest.files)
    return manifest


def _check_files(folder: Path, told: dict[str, str]) -> None:
    found = set(_names(folder))
    for name in sorted(told.keys() | found):
        if name not in found:
            raise _damaged(f"{name} is missing")
        if name not in told:
            raise _damaged(f"{name} does not belong to it")
        if _hash(folder / name) != told[name]:
            raise _damaged(f"{name} was changed")


def _damaged(why: str) -> InconsistentError:
    return InconsistentError(f"The backup cannot be used: {why}", code="damaged-backup")


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in files)


def _synced_hash(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
