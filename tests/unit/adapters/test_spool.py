"""The spool: what was synced comes back, whatever a crash or a disk did to the rest."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.adapters.spool import Spool
from recommender.adapters.spool_records import encode_record, read_spool_file
from recommender.errors import UnavailableError

MEGABYTE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder, limit_bytes=MEGABYTE)


def drained(spool: Spool) -> list[bytes]:
    found: list[bytes] = []
    spool.drain(found.extend)
    return found


def filled(spool: Spool, name: bytes) -> tuple[list[bytes], str]:
    """Append until the spool refuses; return what it took and the refusal's code."""
    taken: list[bytes] = []
    for number in range(200):
        entry = b"%b %d " % (name, number) + b"x" * 1_000
        try:
            spool.append(entry)
        except UnavailableError as error:
            return taken, error.code
        taken.append(entry)
    return taken, ""


# Records

entries = st.lists(st.text(max_size=40).map(str.encode), max_size=8)


def written(texts: Sequence[bytes]) -> bytes:
    return b"".join(map(encode_record, texts))


@given(entries)
def test_what_is_written_is_read(texts: list[bytes]) -> None:
    contents = read_spool_file(written(texts))
    assert list(contents.entries) == texts
    assert contents.damaged == 0


@given(entries, st.data())
def test_a_cut_loses_only_the_record_it_went_through(
    texts: list[bytes], data: st.DataObject
) -> None:
    whole = written(texts)
    cut = data.draw(st.integers(0, len(whole)))
    contents = read_spool_file(whole[:cut])
    assert list(contents.entries) == texts[: len(contents.entries)]
    assert len(written(contents.entries)) <= cut
    # The next record, if there is one, was not whole.
    if len(contents.entries) < len(texts):
        assert cut < len(written(texts[: len(contents.entries) + 1]))
    assert contents.damaged == 0, "a torn end is no damage"


@given(entries.filter(bool), st.data())
def test_a_changed_bit_loses_one_record_and_is_told(
    texts: list[bytes], data: st.DataObject
) -> None:
    whole = bytearray(written(texts))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    hit = next(n for n in range(len(texts)) if bit // 8 < len(written(texts[: n + 1])))
    contents = read_spool_file(bytes(whole))
    assert list(contents.entries) == texts[:hit] + texts[hit + 1 :]
    assert contents.damaged == 1


@given(entries, st.binary(max_size=60), entries)
def test_rubbish_between_records_hides_none(
    before: list[bytes], rubbish: bytes, behind: list[bytes]
) -> None:
    contents = read_spool_file(written(before) + rubbish + written(behind))
    assert list(contents.entries) == before + behind


# Files


def test_entries_come_back_in_their_order_and_once(spool: Spool) -> None:
    for number in range(250):
        spool.append(b"%d" % number)
    assert drained(spool) == [b"%d" % number for number in range(250)]
    assert drained(spool) == []
    assert spool.size_bytes() == 0


def test_what_was_not_taken_is_kept(spool: Spool) -> None:
    spool.append(b"kept")

    def refuse(_: Sequence[bytes]) -> None:
        raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        spool.drain(refuse)
    assert drained(spool) == [b"kept"]


def test_a_full_spool_refuses_and_takes_again_when_emptied(folder: Path) -> None:
    spool = Spool(folder, limit_bytes=10_000)
    taken, refusal = filled(spool, b"")
    assert refusal == "spool-full"
    assert 5 <= len(taken) < 10
    assert spool.size_bytes() <= 10_000
    assert drained(spool) == taken
    spool.append(b"again")
    assert drained(spool) == [b"again"]


def test_an_entry_above_the_limit_is_refused(folder: Path) -> None:
    with pytest.raises(UnavailableError, match="full"):
        Spool(folder, limit_bytes=1_000).append(b"x" * 2_000)


def test_a_file_that_another_process_writes_to_is_left_alone(folder: Path, spool: Spool) -> None:
    other = Spool(folder, limit_bytes=MEGABYTE)
    other.append(b"of the other")
    spool.append(b"ours")
    assert drained(spool) == [b"ours"]
    other.close()
    assert drained(spool) == [b"of the other"]


def test_what_a_killed_process_left_comes_back(folder: Path, spool: Spool) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from recommender.adapters.spool import Spool
        spool = Spool(Path({str(folder)!r}), limit_bytes=1 << 20)
        for number in range(5):
            spool.append(b"%d" % number)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert drained(spool) == [b"0", b"1", b"2", b"3", b"4"]


def test_only_one_process_brings_back(folder: Path, spool: Spool) -> None:
    spool.append(b"once")
    second: list[int] = []

    def meanwhile(_: Sequence[bytes]) -> None:
        second.append(Spool(folder, limit_bytes=MEGABYTE).drain(lambda _: None))

    assert spool.drain(meanwhile) == 1
    assert second == [0]


def test_a_damaged_file_is_kept_for_a_person(folder: Path, spool: Spool) -> None:
    for text in (b"first", b"second", b"third"):
        spool.append(text)
    spool.close()
    (path,) = folder.glob("*.closed")
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"second")] ^= 1
    path.write_bytes(damaged)
    assert drained(spool) == [b"first", b"third"]
    assert len(list(folder.glob("*.damaged"))) == 1
    assert drained(spool) == []


def test_threads_share_a_file_and_lose_nothing(folder: Path) -> None:
    spool = Spool(folder, limit_bytes=MEGABYTE)

    def write(writer: int) -> None:
        for number in range(100):
            spool.append(b"%d-%d" % (writer, number))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    found = drained(spool)
    assert len(found) == len(set(found)) == 800


def test_files_are_nobody_elses(folder: Path, spool: Spool) -> None:
    spool.append(b"private")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.glob("*.open"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_refuses_and_what_was_acknowledged_comes_back(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        spool = Spool(disk / "spool", limit_bytes=MEGABYTE)
        taken, refusal = filled(spool, b"disk")
        assert refusal == "spool-failed"
        assert drained(spool) == taken
        spool.append(b"again")
        assert drained(spool) == [b"again"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
