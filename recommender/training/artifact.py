"""Artifacts: folders of arrays with a manifest, written once, checked on every load.

`<root>/<shop>/<artifact id>/` holds one .npy file per array and manifest.json; the pointer files
`current`, `previous` and `trained` beside the folders say which artifact serves. Knows nothing of
what the arrays mean.

A file that was hashed once on this machine is not hashed again while it stays the same file, by
inode, size and times: workers that start, or take up a shop again, then map it at once.
"""

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import (
    InconsistentError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)

SCHEMA = 1
KEEP = 3
"""Newest artifacts kept per shop; what a pointer names is kept in any case."""

VERIFIED = "verified.json"
"""Beside the arrays: the files whose hashes were found right, as the file system knows them."""

_SHOP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_ARTIFACT = re.compile(r"(\d{8}T\d{6})Z-[0-9a-f]{12}")
_ARRAY = re.compile(r"[a-z][a-z0-9_.]{0,79}")
_WRITING = ".writing-"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact.

    Attributes:
        arrays: Read-only arrays by name, mapped from disk.
        meta: What the training said of itself.
    """

    shop_id: str
    artifact_id: str
    created_at: dt.datetime
    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]

    @property
    def mapped_bytes(self) -> int:
        """Return the size of all arrays; all processes that map them share it."""
        return sum(array.nbytes for array in self.arrays.values())


class ArtifactStore:
    """All artifacts of all shops under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(
        self,
        shop_id: str,
        arrays: Mapping[str, NDArray[Any]],
        meta: Mapping[str, Any],
        *,
        created_at: dt.datetime,
    ) -> str:
        """Write an artifact durably, without publishing it.

        It appears whole or not at all. Equal content at an equal instant gives an equal id.

        Returns:
            The artifact's id: sortable time and a hash of the content.
        """
        folder = self._folder(shop_id)
        folder.mkdir(parents=True, exist_ok=True)
        stamp = created_at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        writing = folder / f"{_WRITING}{stamp}-{os.getpid()}"
        writing.mkdir()
        try:
            body = {
                "schema": SCHEMA,
                "shop_id": shop_id,
                "created_at": created_at.isoformat(),
                "arrays": {name: _save(writing, name, array) for name, array in arrays.items()},
                "meta": dict(meta),
            }
            artifact_id = f"{stamp}-{_body_hash(body)}"
            _write_synced(writing / "manifest.json", _canonical(body))
            _sync_folder(writing)
            if not (folder / artifact_id).exists():
                writing.rename(folder / artifact_id)
            _sync_folder(folder)
        finally:
            shutil.rmtree(writing, ignore_errors=True)
        return artifact_id

    def publish(self, shop_id: str, artifact_id: str, *, is_refresh: bool = False) -> None:
        """Let `artifact_id` serve; readers see the old or the new one, never neither.

        Args:
            is_refresh: The artifact is the current one with newer events. What was published
                before the current one's training then stays the one to go back to.

        Raises:
            NotFoundError: No such artifact was written.
        """
        folder = self._folder(shop_id)
        if not (self._artifact_folder(shop_id, artifact_id) / "manifest.json").is_file():
            raise NotFoundError(f"Artifact {artifact_id} of shop {shop_id} does not exist")
        replaced = self.current(shop_id)
        if not is_refresh:
            if replaced and replaced != artifact_id:
                _point(folder / "previous", replaced)
            _point(folder / "trained", artifact_id)
        _point(folder / "current", artifact_id)

    @contextlib.contextmanager
    def exclusive(self, shop_id: str) -> Iterator[None]:
        """Hold a shop, so that no two trainings or refreshes work on it; freed by any end.

        Raises:
            UnavailableError: Code `already-training`: another process or thread holds it.
        """
        folder = self._folder(shop_id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".training").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnavailableError(
                    f"Shop {shop_id} is being trained already", code="already-training"
                ) from error
            yield

    def go_back(self, shop_id: str) -> str:
        """Let the previous artifact serve again; the current one becomes the previous.

        Returns:
            The id of the artifact that serves now.

        Raises:
            NotFoundError: Code `no-previous-artifact`: there is none, or it is gone.
            InconsistentError: Code `damaged-artifact`: it would not serve.
        """
        earlier = self.previous(shop_id)
        if earlier is None:
            raise NotFoundError(
                f"Shop {shop_id} has no earlier artifact to go back to", code="no-previous-artifact"
            )
        self.load(shop_id, earlier)
        self.publish(shop_id, earlier)
        return earlier

    def replace(self, shop_id: str, artifact_id: str, new_id: str) -> None:
        """Let `new_id` stand wherever `artifact_id` did, and remove the latter.

        A process that has it mapped keeps reading it until it looks at the pointers again.
        """
        folder = self._folder(shop_id)
        for name in ("current", "previous", "trained"):
            if _pointed(folder / name) == artifact_id:
                _point(folder / name, new_id)
        shutil.rmtree(self._artifact_folder(shop_id, artifact_id))

    def ids(self, shop_id: str) -> list[str]:
        """Return the ids of all artifacts of a shop, oldest first."""
        folder = self._folder(shop_id)
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if _ARTIFACT.fullmatch(path.name))

    def current(self, shop_id: str) -> str | None:
        """Return the id of the published artifact."""
        return _pointed(self._folder(shop_id) / "current")

    def previous(self, shop_id: str) -> str | None:
        """Return the id of the artifact that served before the current one's training."""
        return _pointed(self._folder(shop_id) / "previous")

    def trained(self, shop_id: str) -> str | None:
        """Return the id of the artifact that the current one is, or is a refresh of."""
        return _pointed(self._folder(shop_id) / "trained")

    def prune(self, shop_id: str) -> None:
        """Remove all but the newest `KEEP` artifacts, and what a crash left half-written.

        A process that has an old artifact mapped keeps reading it.
        """
        folder = self._folder(shop_id)
        found = self.ids(shop_id)
        pointed = (self.current(shop_id), self.previous(shop_id), self.trained(shop_id))
        kept = {*found[-KEEP:], *pointed}
        # A second training may be writing right now, but not one that began a whole artifact ago.
        newest = _WRITING + (found[-1] if found else "")
        left = [path.name for path in folder.iterdir() if path.name.startswith(_WRITING)]
        for name in {*found, *(name for name in left if name < newest)} - kept:
            shutil.rmtree(folder / name, ignore_errors=True)

    def load(self, shop_id: str, artifact_id: str) -> Artifact:
        """Map an artifact into memory after checking every byte of it.

        Raises:
            NotFoundError: There is no such artifact.
            InconsistentError: Code `damaged-artifact`: a hash, shape, dtype or number is not what
                the manifest says, or the artifact belongs to another shop.
        """
        folder = self._artifact_folder(shop_id, artifact_id)
        try:
            body = json.loads((folder / "manifest.json").read_bytes())
            _check(_body_hash(body) == artifact_id[-12:], "the manifest was changed")
            _check(body["schema"] == SCHEMA, f"schema {body['schema']} is not {SCHEMA}")
            _check(body["shop_id"] == shop_id, f"it belongs to shop {body['shop_id']}")
            arrays = _open_all(folder, body["arrays"])
        except FileNotFoundError as error:
            if not folder.is_dir():
                raise NotFoundError(f"Artifact {artifact_id} of shop {shop_id} is gone") from error
            raise _damaged(artifact_id, f"{error.filename} is missing") from error
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            raise _damaged(artifact_id, str(error)) from error
        created_at = dt.datetime.fromisoformat(body["created_at"])
        return Artifact(shop_id, artifact_id, created_at, arrays, body["meta"])

    def _folder(self, shop_id: str) -> Path:
        if not _SHOP.fullmatch(shop_id):
            raise InvalidInputError(f"{shop_id!r} is not a shop id")
        return self._root / shop_id

    def _artifact_folder(self, shop_id: str, artifact_id: str) -> Path:
        if not _ARTIFACT.fullmatch(artifact_id):
            raise NotFoundError(f"{artifact_id!r} is not an artifact id")
        return self._folder(shop_id) / artifact_id


def _damaged(artifact_id: str, why: str) -> InconsistentError:
    return InconsistentError(f"Artifact {artifact_id} is damaged: {why}", code="damaged-artifact")


def _check(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)


def _save(folder: Path, name: str, array: NDArray[Any]) -> dict[str, Any]:
    if not _ARRAY.fullmatch(name):
        raise InvalidInputError(f"{name!r} is not a name for an array")
    path = folder / f"{name}.npy"
    with path.open("xb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": _file_hash(path)}


def _open_all(folder: Path, told: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    verified = _verified(folder)
    arrays, seen = {}, {}
    for name, own in told.items():
        _check(bool(_ARRAY.fullmatch(name)), f"{name!r} is not a name for an array")
        path = folder / f"{name}.npy"
        seen[name] = [*_identity(path), own["sha256"]]
        if verified.get(name) != seen[name]:
            wrong = f"{name} does not have the hash it was written with"
            _check(_file_hash(path) == own["sha256"], wrong)
        arrays[name] = _open(path, name, own)
    # What was written to while it was read has another identity now, and is hashed again.
    if verified != seen:
        _remember_verified(folder, seen)
    return arrays


def _open(path: Path, name: str, told: Mapping[str, Any]) -> NDArray[Any]:
    # Reads of a plain array on the mapped bytes are quicker than those of a memmap object.
    array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    _check(array.dtype.str == told["dtype"], f"{name} has dtype {array.dtype.str}")
    _check(list(array.shape) == told["shape"], f"{name} has shape {array.shape}")
    if array.dtype.kind == "f":
        # Also brings the pages into this process, so that no request has to.
        _check(bool(np.isfinite(array).all()), f"{name} holds a number that is not finite")
    return array


def _verified(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / VERIFIED).read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _remember_verified(folder: Path, seen: Mapping[str, Any]) -> None:
    fresh = folder / f".{VERIFIED}-{os.getpid()}"
    # A folder that may only be read is hashed every time.
    with contextlib.suppress(OSError):
        fresh.write_bytes(json.dumps(seen).encode())
        fresh.replace(folder / VERIFIED)


def _identity(path: Path) -> list[int]:
    # Whoever changes a file's bytes, by whatever way, moves its change time.
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return [status.st_dev, status.st_ino, status.st_size, *times]


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, indent=1, allow_nan=False).encode()


def _body_hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()[:12]


def _point(pointer: Path, artifact_id: str) -> None:
    fresh = pointer.with_name(f".{pointer.name}-{os.getpid()}")
    _write_synced(fresh, f"{artifact_id}\n".encode())
    fresh.replace(pointer)
    _sync_folder(pointer.parent)


def _pointed(pointer: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        return pointer.read_text("ascii").strip()
    return None


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
