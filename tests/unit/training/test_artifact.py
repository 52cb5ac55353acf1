import datetime as dt
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender.errors import (
    InconsistentError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from recommender.training.artifact import KEEP, VERIFIED, ArtifactStore

AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
ARRAYS = {
    "item_ids": np.array([b"a", b"bb"]),
    "follows.ids": np.array([[1, 0], [0, 1]], np.int32),
    "follows.scores": np.array([[0.5, 0.0], [0.25, 0.0]], np.float32),
    "popular.ids": np.zeros(0, np.int32),
}
META = {"seed": 3, "metrics": {"ndcg@20": 0.25}}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def written(store: ArtifactStore) -> str:
    return store.write("shop", ARRAYS, META, created_at=AT)


def folder_of(tmp_path: Path, artifact_id: str) -> Path:
    return tmp_path / "artifacts" / "shop" / artifact_id


def write_on(store: ArtifactStore, day: int) -> str:
    return store.write("shop", ARRAYS, META, created_at=AT + dt.timedelta(days=day))


def test_what_was_written_comes_back_mapped_and_read_only(store, written):
    artifact = store.load("shop", written)
    assert set(artifact.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert artifact.arrays[name].dtype == array.dtype
        assert artifact.arrays[name].tolist() == array.tolist()
    assert artifact.meta == META
    assert artifact.created_at == AT
    with pytest.raises(ValueError, match="read-only"):
        artifact.arrays["follows.scores"][0, 0] = 9


def test_ids_sort_by_time_and_tell_content_apart(store, written):
    assert written.startswith("20260302T090000Z-")
    assert store.write("shop", ARRAYS, META, created_at=AT) == written
    assert store.write("shop", ARRAYS, {**META, "seed": 4}, created_at=AT) != written
    assert write_on(store, 1) > written


def test_nothing_serves_until_it_is_published(store, written, tmp_path):
    assert store.current("shop") is None
    store.publish("shop", written)
    assert store.current("shop") == written
    assert store.previous("shop") is None
    second = write_on(store, 1)
    store.publish("shop", second)
    store.publish("shop", second)
    assert (store.current("shop"), store.previous("shop")) == (second, written)


def test_what_was_never_written_cannot_be_published(store, written):
    with pytest.raises(NotFoundError):
        store.publish("shop", written.replace("2026", "2027"))
    with pytest.raises(NotFoundError):
        store.publish("shop", "../other/current")


def test_the_way_back_is_the_artifact_before_the_last_training(store, written):
    """Refreshes of a published artifact do not lengthen it."""
    store.publish("shop", written)
    trained = write_on(store, 1)
    store.publish("shop", trained)
    for day in (2, 3):
        store.publish("shop", write_on(store, day), is_refresh=True)
    assert store.previous("shop") == written
    refreshed = store.current("shop")
    assert store.go_back("shop") == written
    assert (store.current("shop"), store.previous("shop")) == (written, refreshed)
    assert store.go_back("shop") == refreshed, "and back again"


def test_without_an_earlier_artifact_there_is_no_way_back(store, written):
    store.publish("shop", written)
    with pytest.raises(NotFoundError) as caught:
        store.go_back("shop")
    assert caught.value.code == "no-previous-artifact"
    assert store.current("shop") == written


def test_nobody_goes_back_to_a_damaged_artifact(store, written, tmp_path):
    store.publish("shop", written)
    newer = write_on(store, 1)
    store.publish("shop", newer)
    flip_byte(folder_of(tmp_path, written))
    with pytest.raises(InconsistentError):
        store.go_back("shop")
    assert store.current("shop") == newer


def test_ids_are_listed_oldest_first(store, written):
    assert store.ids("nobody") == []
    newer = write_on(store, 1)
    assert store.ids("shop") == [written, newer]


def test_pruning_keeps_the_newest_and_what_serves(store, tmp_path):
    ids = [write_on(store, day) for day in range(6)]
    store.publish("shop", ids[0])
    store.publish("shop", ids[1])
    (tmp_path / "artifacts/shop/.writing-20260302T090000Z-17").mkdir()
    young = tmp_path / "artifacts/shop/.writing-20260401T090000Z-18"
    young.mkdir()
    store.prune("shop")
    left = {path.name for path in (tmp_path / "artifacts/shop").iterdir() if path.is_dir()}
    assert left == {ids[0], ids[1], *ids[-KEEP:], young.name}


def test_an_old_artifact_stays_readable_for_who_has_it_mapped(store, written):
    artifact = store.load("shop", written)
    for day in range(1, 5):
        write_on(store, day)
    store.prune("shop")
    with pytest.raises(NotFoundError):
        store.load("shop", written)
    assert artifact.arrays["follows.ids"].tolist() == [[1, 0], [0, 1]]


def make_older(folder: Path) -> None:
    """Let the file system's clock move on: its steps are longer than this test."""
    before = time.time_ns()
    probe = folder.parent / "probe"
    while probe.write_bytes(b"") or probe.stat().st_ctime_ns <= before:
        pass
    probe.unlink()


def flip_byte(folder: Path) -> None:
    path = folder / "follows.scores.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def truncate(folder: Path) -> None:
    path = folder / "follows.ids.npy"
    path.write_bytes(path.read_bytes()[:-4])


def empty_a_file(folder: Path) -> None:
    (folder / "item_ids.npy").write_bytes(b"")


def lengthen(folder: Path) -> None:
    with (folder / "follows.ids.npy").open("ab") as file:
        file.write(b"\0\0\0\0")


def swap_arrays(folder: Path) -> None:
    """Both are sound arrays of the same shape and size."""
    one, other = folder / "follows.ids.npy", folder / "follows.scores.npy"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def overwrite_in_place(folder: Path) -> None:
    """As a page that the disk lost: the size stays."""
    with (folder / "follows.scores.npy").open("r+b") as file:
        file.seek(-8, 2)
        file.write(bytes(8))


def replace_array(folder: Path) -> None:
    """A sound array from elsewhere."""
    np.save(folder / "follows.ids.npy", np.array([[0, 1], [1, 0]], np.int32))


def remove_array(folder: Path) -> None:
    (folder / "follows.ids.npy").unlink()


def cut_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-40])


def change_meta(folder: Path) -> None:
    edit_manifest(folder, lambda body: body["meta"].update(seed=4))


def edit_manifest(folder: Path, change: Any) -> None:
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


DAMAGES = [
    flip_byte,
    truncate,
    lengthen,
    empty_a_file,
    swap_arrays,
    overwrite_in_place,
    replace_array,
    remove_array,
    cut_manifest,
    change_meta,
]


@pytest.mark.parametrize("loaded_before", [False, True], ids=["new", "verified before"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused(store, written, tmp_path, damage, loaded_before):
    if loaded_before:
        store.load("shop", written)
        make_older(folder_of(tmp_path, written))
    damage(folder_of(tmp_path, written))
    with pytest.raises(InconsistentError) as caught:
        store.load("shop", written)
    assert caught.value.code == "damaged-artifact"


def test_a_file_is_hashed_once_while_it_stays_the_same(store, written, tmp_path, monkeypatch):
    from recommender.training import artifact

    hashed: list[str] = []
    hash_file = artifact._file_hash
    monkeypatch.setattr(
        artifact, "_file_hash", lambda path: hashed.append(path.stem) or hash_file(path)
    )
    store.load("shop", written)
    assert sorted(hashed) == sorted(ARRAYS)
    hashed.clear()
    ArtifactStore(tmp_path / "artifacts").load("shop", written)
    assert hashed == [], "another process does not hash again"
    # A copy, as a restored backup is one, is another file.
    path = folder_of(tmp_path, written) / "follows.ids.npy"
    path.write_bytes(path.read_bytes())
    store.load("shop", written)
    assert hashed == ["follows.ids"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"follows.ids": 3}'])
def test_a_note_of_hashes_that_cannot_be_read_counts_for_nothing(store, written, tmp_path, content):
    note = folder_of(tmp_path, written) / VERIFIED
    note.write_text(content)
    store.load("shop", written)
    note.write_text(content)
    flip_byte(folder_of(tmp_path, written))
    with pytest.raises(InconsistentError):
        store.load("shop", written)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(store, value):
    arrays = {**ARRAYS, "follows.scores": np.full((2, 2), value, np.float32)}
    artifact_id = store.write("shop", arrays, META, created_at=AT)
    with pytest.raises(InconsistentError, match="not finite"):
        store.load("shop", artifact_id)


@pytest.mark.parametrize(
    ("field", "lie", "told"),
    [("shape", [4], "shape"), ("dtype", "<i8", "dtype")],
)
def test_a_manifest_that_lies_is_refused(store, written, tmp_path, field, lie, told):
    """Even one whose own hash is right: then the arrays speak against it."""
    from recommender.training import artifact

    folder = folder_of(tmp_path, written)
    edit_manifest(folder, lambda body: body["arrays"]["follows.ids"].update({field: lie}))
    body = json.loads((folder / "manifest.json").read_text())
    renamed = written[:-12] + artifact._body_hash(body)
    folder.rename(folder.with_name(renamed))
    with pytest.raises(InconsistentError, match=told):
        store.load("shop", renamed)


def test_another_shops_artifact_is_refused(store, written, tmp_path):
    (tmp_path / "artifacts/thief").mkdir()
    folder_of(tmp_path, written).rename(tmp_path / "artifacts/thief" / written)
    with pytest.raises(InconsistentError, match="belongs to shop shop"):
        store.load("thief", written)


def test_objects_are_never_pickled(store, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write("shop", {"item_ids": np.array([{}])}, META, created_at=AT)
    assert list((tmp_path / "artifacts/shop").iterdir()) == [], "nothing half-written stays"


@pytest.mark.parametrize("shop_id", ["", "..", "a/b", "x" * 41])
def test_a_shop_id_is_no_path(store, shop_id):
    with pytest.raises(InvalidInputError):
        store.write(shop_id, ARRAYS, META, created_at=AT)


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b"])
def test_an_array_name_is_no_path(store, name):
    with pytest.raises(InvalidInputError):
        store.write("shop", {name: np.zeros(1)}, META, created_at=AT)


def test_a_shop_is_held_by_one_at_a_time(store):
    with store.exclusive("shop"):
        with pytest.raises(UnavailableError) as caught, store.exclusive("shop"):
            pass
        assert caught.value.code == "already-training"
        with store.exclusive("other"):
            pass
    with store.exclusive("shop"):
        pass


def test_a_holder_that_is_killed_holds_nothing(store, tmp_path):
    """As by SIGKILL: nobody is left to tidy up."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with store.exclusive("shop"):
            os.write(writing, b"1")
            signal.pause()
    os.read(reading, 1)
    with pytest.raises(UnavailableError), store.exclusive("shop"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with store.exclusive("shop"):
        pass
    os.close(reading)
    os.close(writing)
