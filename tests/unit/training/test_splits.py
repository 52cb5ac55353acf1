import gzip
from itertools import pairwise

import numpy as np
import pytest

from recommender.errors import InvalidInputError, NotFoundError
from recommender.training.splits import TEST_FILE, TRAIN_FILE, read_sequences, read_sessions

SESSIONS = [f"{number % 7} {number % 5 + 10} {number % 3}" for number in range(40)]
PAIRS = ["1 2\t11", "3 11 3\t3", "12\t99"]


def packed(path, lines):
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


@pytest.fixture
def folder(tmp_path):
    packed(tmp_path / TRAIN_FILE, SESSIONS)
    packed(tmp_path / TEST_FILE, PAIRS)
    return tmp_path


def told(probes, interactions):
    names = interactions.item_ids.astype(str)
    return [(names[one.query.items].tolist(), names[one.targets].tolist()) for one in probes]


def lines_of(interactions):
    names = interactions.item_ids[interactions.item].astype(str)
    ends = [*np.flatnonzero(np.diff(interactions.sequence)) + 1, len(names)]
    return [" ".join(names[low:high]) for low, high in pairwise([0, *ends])]


def test_a_session_split_is_read_as_it_is_written(folder):
    split = read_sessions(folder)
    interactions = split.training_set.interactions
    assert lines_of(interactions) == SESSIONS
    assert (np.diff(interactions.at_seconds) > 0).all()
    assert told(split.test["next"], interactions) == [
        (["2", "1"], ["11"]),
        (["3", "11", "3"], ["3"]),
        (["12"], ["99"]),
    ]
    # Without repeats the second question has no answer left.
    assert told(split.test["path"], interactions) == [(["2", "1"], ["11"]), (["12"], ["99"])]
    assert all(one.hides_path for one in split.test["path"])
    assert b"99" in interactions.item_ids, "what only the test has can be on no list, and counts"


def test_settings_are_learned_on_the_newest_sessions_alone(folder):
    split = read_sessions(folder)
    known, whole = split.known.interactions, split.training_set.interactions
    assert len(known) == int(0.9 * len(whole))
    assert lines_of(known) == SESSIONS[:36]
    asked = told(split.learning["next"], whole)
    # Each of the four newest sessions asks for its second and its third item.
    words = [line.split() for line in SESSIONS[36:]]
    assert asked == [(line[:place][::-1], [line[place]]) for line in words for place in (1, 2)]


def test_blank_lines_are_no_sessions(folder):
    packed(folder / TRAIN_FILE, ["", *SESSIONS, "   "])
    assert lines_of(read_sessions(folder).training_set.interactions) == SESSIONS


@pytest.mark.parametrize("line", ["1 2 3", "\t4", "1 2\t", "1\t2 3", " \t4", "1\t2\t3"])
def test_a_malformed_pair_is_named_by_its_line(folder, line):
    packed(folder / TEST_FILE, [*PAIRS[:2], "", line, *PAIRS[2:]])
    with pytest.raises(InvalidInputError, match="line 4 is not") as caught:
        read_sessions(folder)
    assert caught.value.code == "bad-split"


@pytest.mark.parametrize("name", [TRAIN_FILE, TEST_FILE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(NotFoundError, match=name):
        read_sessions(folder)


def broken(data, how):
    if how == "no gzip":
        return b"1 2\n3 4\n" * 20
    if how == "cut off":
        return data[:-12]
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]


@pytest.mark.parametrize("how", ["no gzip", "cut off", "changed"])
def test_a_damaged_file_is_named(folder, how):
    path = folder / TRAIN_FILE
    path.write_bytes(broken(path.read_bytes(), how))
    with pytest.raises(InvalidInputError, match=TRAIN_FILE) as caught:
        read_sessions(folder)
    assert caught.value.code == "bad-split"


def test_files_without_sessions_teach_nothing(folder):
    packed(folder / TRAIN_FILE, [])
    with pytest.raises(InvalidInputError, match="nothing to learn") as caught:
        read_sessions(folder)
    assert caught.value.code == "bad-split"


def test_the_last_item_of_a_user_is_asked_and_the_one_before_teaches(tmp_path):
    split = read_sequences(
        packed(tmp_path / "users.gz", ["u1 a b c d", "u2 b c", "u3 c a b a", "u4 d c b a"])
    )
    interactions = split.training_set.interactions
    assert lines_of(interactions) == ["a b c", "c a b", "d c b"]
    assert lines_of(split.known.interactions) == ["a b", "c a", "d c"]
    # The first three met nothing twice before; u3's last item was met and is not asked for.
    assert told(split.test["path"], interactions) == [
        (["c", "b", "a"], ["d"]),
        (["b", "c", "d"], ["a"]),
    ]
    assert told(split.learning["path"], interactions) == [
        (["b", "a"], ["c"]),
        (["a", "c"], ["b"]),
        (["c", "d"], ["b"]),
    ]


def test_users_of_too_few_items_are_too_few(tmp_path):
    with pytest.raises(InvalidInputError, match="fewer than two users") as caught:
        read_sequences(packed(tmp_path / "users.gz", ["u1 a b c", "u2 a b"]))
    assert caught.value.code == "bad-split"
    with pytest.raises(NotFoundError, match=r"others\.gz"):
        read_sequences(tmp_path / "others.gz")
