"""Tombstones in an append-only file: they outlive the database, and every backup of it.

One JSON object a line, synced before the erasure goes on. A torn last line is an erasure that was
never acknowledged.
"""

import datetime as dt
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from recommender.errors import InconsistentError
from recommender.events.tombstones import Tombstone

FILE_NAME = "erasures.jsonl"


class TombstoneFile:
    """The file at `path`; safe beside other processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, tombstones: Sequence[Tombstone]) -> None:
        """Add erasures; returns when they are on disk."""
        lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in tombstones)
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _end_torn_line(file.fileno())
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self._path.parent)

    def read(self) -> list[Tombstone]:
        """Return all erasures, in the order they were asked for; none without a file.

        Raises:
            InconsistentError: Code `damaged-tombstones`: a line other than a torn last one cannot
                be read.
        """
        if not self._path.exists():
            return []
        *whole, torn = self._path.read_bytes().split(b"\n")
        del torn
        return [_tombstone(line, number) for number, line in enumerate(whole, 1) if line.strip()]


def _end_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        content = os.pread(descriptor, size, 0)
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def _tombstone(line: bytes, number: int) -> Tombstone:
    try:
        told = orjson.loads(line)
        requested_at = dt.datetime.fromisoformat(told["requested_at"]).astimezone(dt.UTC)
        return Tombstone(str(told["shop_id"]), str(told["visitor"]), requested_at)
    except (ValueError, KeyError, TypeError) as error:
        raise InconsistentError(
            f"Line {number} of {FILE_NAME} cannot be read", code="damaged-tombstones"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
