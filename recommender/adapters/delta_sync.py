"""Makes the commits of a local Delta table survive a power cut.

The Delta library leaves written files in the kernel's cache, where a power cut takes them; the
stream, whose copy we trim afterwards, is synced at every write. So a commit only counts once all
that it needs is synced as well: its files, the commits before it, and the folders that name them
(`sync_commits`). What a power cut tore before that is taken back (`discard_torn_commits`): nobody
was told of it, and the stream still has its events. Must not know what the table holds.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

# Never are more commits than this between two syncs.
MAX_UNSYNCED_COMMITS = 100
# With more files than this one flush of everything is faster than a flush for each.
MAX_SINGLE_SYNCS = 64


def sync_commits(table: Path, versions: Iterable[int]) -> None:
    """Return when the commits `versions` of the Delta table in the folder `table` are on disk."""
    log = table / "_delta_log"
    files = {log / "_last_checkpoint"}
    for version in versions:
        commit = log / f"{version:020}.json"
        files |= {commit, commit.with_suffix(".checkpoint.parquet")}
        # An old commit may have been folded into a checkpoint and removed.
        with contextlib.suppress(FileNotFoundError):
            files |= {table / unquote(file["path"]) for file in _told(_actions(commit), "add")}
    folders = {parent for file in files for parent in file.parents if parent.is_relative_to(table)}
    if len(files) + len(folders) > MAX_SINGLE_SYNCS:
        os.sync()
        return
    for path in (*files, *folders):
        _sync(path)


def discard_torn_commits(table: Path) -> int:
    """Take back the commits that a power cut tore, and those upon them; return how many.

    Every synced commit stands upon synced ones only, so nothing that counts is lost. Call before
    writing; safe beside others who call it or commit, because a commit appears whole.
    """
    log = table / "_delta_log"
    if not log.is_dir():
        return 0
    with (log / ".recovery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        recent = sorted(log.glob("*.json"))[-MAX_UNSYNCED_COMMITS:]
        discarded = _from_first_torn(table, recent)
        checkpoints = [commit.with_suffix(".checkpoint.parquet") for commit in recent]
        sound = [file for file in checkpoints[: len(recent) - len(discarded)] if _is_parquet(file)]
        unusable = [file for file in checkpoints if file.exists() and file not in sound]
        if discarded or unusable:
            # Only a hint where to begin reading; without it the folder is listed.
            for file in (log / "_last_checkpoint", *unusable, *reversed(discarded)):
                file.unlink(missing_ok=True)
            _sync(log)
    return len(discarded)


def _from_first_torn(table: Path, commits: Sequence[Path]) -> Sequence[Path]:
    read = [_read(commit) for commit in commits]
    # A file that another commit merged into a larger one may be gone by right.
    removed = {file["path"] for actions in read for file in _told(actions, "remove")}
    for index, actions in enumerate(read):
        if not _is_whole(table, actions, removed):
            return commits[index:]
    return []


def _is_whole(table: Path, actions: Sequence[dict[str, Any]], removed: set[str]) -> bool:
    info = next(iter(_told(actions, "commitInfo")), None)
    if info is None:
        return False
    added = _told(actions, "add")
    metrics = info.get("operationMetrics", {})
    promised = metrics.get("num_added_files", metrics.get("numFilesAdded", len(added)))
    return len(added) == promised and all(
        file["path"] in removed or _size(table / unquote(file["path"])) == file["size"]
        for file in added
    )


def _is_parquet(path: Path) -> bool:
    if _size(path) < 8:
        return False
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return file.read() == b"PAR1"


def _read(commit: Path) -> list[dict[str, Any]]:
    try:
        return _actions(commit)
    except orjson.JSONDecodeError:
        return []


def _actions(commit: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in commit.read_bytes().splitlines()]


def _told(actions: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in actions if kind in action]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _sync(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
