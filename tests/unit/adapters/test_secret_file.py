"""One secret per installation, for its owner's eyes only."""

import stat
import threading
from pathlib import Path

import pytest

from recommender.adapters.secret_file import read_or_make_secret
from recommender.errors import InconsistentError, NotAllowedError


def test_the_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "secret.key"
    secret = read_or_make_secret(path)
    assert len(secret) == 32
    assert read_or_make_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_two_installations_differ(tmp_path: Path) -> None:
    assert read_or_make_secret(tmp_path / "a") != read_or_make_secret(tmp_path / "b")


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    found: list[bytes] = []
    barrier = threading.Barrier(8)

    def _start() -> None:
        barrier.wait()
        found.append(read_or_make_secret(path))

    threads = [threading.Thread(target=_start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {path.read_bytes()}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.key"
    read_or_make_secret(path)
    path.chmod(mode)
    with pytest.raises(NotAllowedError) as caught:
        read_or_make_secret(path)
    assert caught.value.code == "secret-exposed"


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(InconsistentError):
        read_or_make_secret(path)
