import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.training.alignment import aligned, rows_of
from recommender.training.soundness import check_source

OLD = np.array([b"b", b"d", b"f"])
NEW = np.array([b"a", b"b", b"c", b"d", b"e"])
"""`f` is gone; `a`, `c` and `e` came."""

LISTS = {
    # b → d, f; d → b; f → b, d.
    "starts": np.array([0, 2, 3, 5], np.int64),
    "ids": np.array([1, 2, 0, 0, 1], np.int32),
    "scores": np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32),
    "fade": np.array([0.7, 1.0], np.float32),
}


def test_rows_are_found_or_are_none() -> None:
    assert rows_of(OLD, NEW).tolist() == [1, 3, -1]
    assert rows_of(NEW, OLD).tolist() == [-1, 0, -1, 1, -1]


def test_lists_keep_what_is_left_of_them() -> None:
    moved = aligned(LISTS, OLD, NEW)
    # b is row 1 and d row 3 now: b → d, d → b.
    assert moved["starts"].tolist() == [0, 0, 1, 1, 2, 2]
    assert moved["ids"].tolist() == [3, 1]
    assert moved["scores"].tolist() == [np.float32(0.9), np.float32(0.7)]
    assert moved["fade"].tolist() == LISTS["fade"].tolist()
    check_source("similar", moved, len(NEW))


def test_rows_follow_their_items_and_new_ones_know_nothing() -> None:
    factors = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    gram = np.eye(2, dtype=np.float32)
    moved = aligned({"factors": factors, "gram": gram}, OLD, NEW)
    assert moved["factors"].tolist() == [[0, 0], [1, 2], [0, 0], [3, 4], [0, 0]]
    assert moved["gram"] is gram


def test_a_plain_list_of_items_loses_those_that_are_gone() -> None:
    assert aligned({"ids": np.array([2, 0, 1], np.int32)}, OLD, NEW)["ids"].tolist() == [1, 3]


IDS = st.sets(st.sampled_from("abcdefgh"), min_size=1).map(
    lambda letters: np.array(sorted(letters), "S1")
)


@given(IDS, IDS, st.randoms(use_true_random=False))
def test_every_pair_of_items_that_stay_keeps_its_score(old, new, random) -> None:
    pairs = {
        (one, other): float(random.randrange(1, 9))
        for one in old.tolist()
        for other in old.tolist()
        if random.random() < 0.5
    }
    counts = [sum(pair[0] == one for pair in pairs) for one in old.tolist()]
    arrays = {
        "starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "ids": rows_of(np.array([other for _, other in pairs], "S1"), old),
        "scores": np.array(list(pairs.values()), np.float32),
    }
    moved = aligned(arrays, old, new)
    check_source("s", moved, len(new))
    owners = np.repeat(np.arange(len(new)), np.diff(moved["starts"]))
    found = {
        (new[owner], new[listed]): score
        for owner, listed, score in zip(owners, moved["ids"], moved["scores"].tolist(), strict=True)
    }
    stay = set(new.tolist())
    assert found == {pair: score for pair, score in pairs.items() if stay.issuperset(pair)}
