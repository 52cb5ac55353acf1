"""Acknowledged entries on this machine's disk, for as long as the stream's server is away.

In come the bytes of stream entries; `append` returns once they are synced. Out they come again,
whole or not at all, by one process at a time. Must not know what the bytes mean.

One folder for all processes of the machine. A process writes to a file of its own, `….open`,
under a lock that ends with the process; a full or finished file becomes `….closed`. A file with
records that can be read no more is kept as `….damaged`, for a person to look at.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from recommender.adapters.spool_records import encode_record, read_spool_file
from recommender.crash_points import crash_point
from recommender.errors import UnavailableError
from recommender.telemetry import get_logger

FILE_BYTES = 8 << 20
"""A file is closed when it has grown to this."""
BATCH_ENTRIES = 100
"""Entries handed over at once when they are brought back."""


class Spool:
    """The spool of one process; safe for threads, opens nothing before first use.

    Args:
        folder: Shared by the processes of this machine; made when needed.
        limit_bytes: Most that the folder may hold, over all processes.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder = folder
        self.limit_bytes = limit_bytes
        self._file_bytes = max(1, min(FILE_BYTES, limit_bytes // 8))
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._file: _OpenFile | None = None

    def append(self, *entries: bytes) -> None:
        """Return once the entries are on disk.

        Raises:
            UnavailableError: `spool-full`, or `spool-failed` when the disk refuses; the entries
                count as not stored.
        """
        records = b"".join(map(encode_record, entries))
        try:
            with self._writing:
                file = self._file_for(len(records))
                end = file.write(records)
            # Whoever comes first syncs for all that wrote meanwhile.
            with self._syncing:
                file.sync(end)
        except OSError as error:
            self._give_up()
            raise UnavailableError(
                f"The spool cannot be written: {error.strerror}", code="spool-failed"
            ) from error
        crash_point("spool-written")

    def close(self) -> None:
        """Close this process's file, so that it can be brought back; the next one is another."""
        with self._writing:
            self._close_file()

    def _close_file(self) -> None:
        with self._syncing:
            if self._file is not None:
                file, self._file = self._file, None
                file.close()

    def _give_up(self) -> None:
        # After a failed sync nobody can tell what of the file is on disk.
        with self._writing, self._syncing, contextlib.suppress(OSError):
            if self._file is not None:
                file, self._file = self._file, None
                file.release()

    def size_bytes(self) -> int:
        """Return what the folder holds, over all processes."""
        return sum(map(_size, self._files("open", "closed")))

    def drain(self, accept: Callable[[Sequence[bytes]], None]) -> int:
        """Hand over what waits, oldest file first, and forget each file that was taken whole.

        Files that another process writes to are left to it. Entries are handed over again when
        `accept` or this process fails before its file is forgotten.

        Args:
            accept: Stores entries durably, or raises.

        Returns:
            Entries handed over; 0 while another process is at it.
        """
        if not self.size_bytes():
            return 0
        self.close()
        with self._alone() as is_alone:
            return sum(self._drain_file(path, accept) for path in self._ended() if is_alone)

    def _drain_file(self, path: Path, accept: Callable[[Sequence[bytes]], None]) -> int:
        contents = read_spool_file(path.read_bytes())
        for start in range(0, len(contents.entries), BATCH_ENTRIES):
            accept(contents.entries[start : start + BATCH_ENTRIES])
        crash_point("spool-replayed")
        if contents.damaged:
            get_logger().error("spool-damaged", file=path.name, records=contents.damaged)
            path.rename(path.with_suffix(".damaged"))
        else:
            path.unlink()
        _sync_folder(self._folder)
        return len(contents.entries)

    def _file_for(self, more_bytes: int) -> "_OpenFile":
        if self._file is not None and self._file.size + more_bytes > self._file_bytes:
            self._close_file()
        if self._file is None:
            if self.size_bytes() + max(self._file_bytes, more_bytes) > self.limit_bytes:
                raise UnavailableError(
                    "Redis does not answer, and the spool on disk is full", code="spool-full"
                )
            self._file = self._open()
        return self._file

    def _open(self) -> "_OpenFile":
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(self._folder.parent)
        while True:
            file = _OpenFile(self._folder / f"{time.time_ns():020}-{os.getpid()}.open")
            if file.is_ours():
                return file
            file.release()

    def _ended(self) -> Iterator[Path]:
        for path in self._files("open", "closed"):
            if path.suffix == ".closed":
                yield path
            elif closed := _claim_orphan(path):
                yield closed

    def _files(self, *kinds: str) -> list[Path]:
        found = [path for kind in kinds for path in self._folder.glob(f"*.{kind}")]
        return sorted(found, key=lambda path: path.name)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        with (self._folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


class _OpenFile:
    """A file that this process appends to, under a lock that lasts as long as the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        _sync_folder(path.parent)
        self.size = 0
        self._synced = 0

    def is_ours(self) -> bool:
        """Tell whether nobody claimed the file before it was locked."""
        return self._path.exists()

    def write(self, record: bytes) -> int:
        """Append a whole record or nothing; return where it ends."""
        written = 0
        try:
            while written < len(record):
                written += os.write(self._descriptor, record[written:])
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(record)
        return self.size

    def sync(self, end: int) -> None:
        """Return once everything before `end` is on disk."""
        if self._synced < end:
            size = self.size
            os.fdatasync(self._descriptor)
            self._synced = size

    def close(self) -> None:
        self.sync(self.size)
        self.release()

    def release(self) -> None:
        """Leave the file to whoever brings it back; who still waits for a sync gets an error."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.rename(self._path.with_suffix(".closed"))
        finally:
            os.close(descriptor)
        _sync_folder(self._path.parent)


def _claim_orphan(path: Path) -> Path | None:
    """Close a file whose process is gone; None while it is there."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under the lock: a process that has just made the file will notice.
            return path.rename(path.with_suffix(".closed"))
    except (BlockingIOError, FileNotFoundError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
