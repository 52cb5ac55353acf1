"""Forces commits of a local Delta table to the disk.

The Delta library leaves written files in the kernel's cache, where a power cut takes them; the
stream, whose copy we trim afterwards, is synced at every write. So a commit only counts once all
that it needs is synced as well: its files, the commits before it, and the folders that name them.
Must not know what the table holds.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

import orjson

# With more files than this one flush of everything is faster than a flush for each.
MAX_SINGLE_SYNCS = 64


def sync_commits(table: Path, versions: Iterable[int]) -> None:
    """Return when the commits `versions` of the Delta table in the folder `table` are on disk."""
    files: set[Path] = set()
    for version in versions:
        files.update(_commit_files(table, version))
    folders = {parent for file in files for parent in file.parents if parent.is_relative_to(table)}
    if len(files) + len(folders) > MAX_SINGLE_SYNCS:
        os.sync()
        return
    for path in (*files, *folders):
        _sync(path)


def _commit_files(table: Path, version: int) -> Iterator[Path]:
    log = table / "_delta_log"
    commit = log / f"{version:020}.json"
    yield commit
    yield log / f"{version:020}.checkpoint.parquet"
    yield log / "_last_checkpoint"
    # An old commit may have been folded into a checkpoint and removed.
    with contextlib.suppress(FileNotFoundError):
        for line in commit.read_bytes().splitlines():
            added = orjson.loads(line).get("add")
            if added:
                yield table / unquote(added["path"])


def _sync(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
