from collections import Counter
from math import log1p, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import sessions_of
from recommender.training.board import Board
from recommender.training.scoring import fit_source
from recommender.training.sessions import (
    PATH_ITEMS,
    SESSIONS,
    SESSIONS_MET,
    SESSIONS_PER_ITEM,
    SPAN_ITEMS,
    session_givers,
)
from recommender.training.source import Query, TrainingSet

SETTINGS = {"nearest": 500, "fade": (0.5, 1.0)}
PATHS = st.lists(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=7), min_size=1, max_size=9
)


class Index:
    """A fitted session index that is asked and answers in names of items."""

    def __init__(self, paths, **changes):
        interactions = sessions_of(*paths)
        self.names = interactions.item_ids.astype(str).tolist()
        self.arrays = fit_source(SESSIONS, TrainingSet(interactions), SETTINGS | changes, seed=0)

    def query(self, path):
        return Query.of([self.names.index(item) for item in path])

    def scores(self, path):
        board = Board(1, len(self.names))
        SESSIONS.score(self.arrays, self.query(path), board, 0)
        scores = zip(board.candidates, board.written[0], strict=True)
        return {self.names[row]: float(score) for row, score in scores}

    def because(self, path, item):
        rows = np.array([self.names.index(item)], np.int32)
        index = SESSIONS.kernel_arrays(self.arrays)
        (giver,) = session_givers(self.query(path).arrays, index, rows).tolist()
        return self.names[giver] if giver >= 0 else ""


def naive_scores(paths, asked, nearest, fade):
    """Session neighbours as the text says it: sets, sums and a full sort."""
    times = Counter(item for path in paths for item in path)
    idf = {item: log1p(len(paths) / count) for item, count in times.items()}
    weights = {}
    for place, item in enumerate(asked):
        weights[item] = weights.get(item, 0.0) + fade**place
    heaviest = sorted(weights, key=lambda item: -weights[item])[:PATH_ITEMS]
    likeness, match = {}, {}
    for item in heaviest:
        for number in reversed(range(len(paths))):
            if item in paths[number]:
                likeness[number] = likeness.get(number, 0.0) + weights[item] * idf[item]
                match.setdefault(number, len(paths[number]) - 1 - paths[number][::-1].index(item))
    chosen = sorted(likeness, key=lambda number: -round(likeness[number], 5))[:nearest]
    scores = {}
    for number in chosen:
        for place, item in enumerate(paths[number]):
            distance = place - match[number]
            if distance == 0 or abs(distance) > SPAN_ITEMS:
                continue
            part = likeness[number] * idf[item] / sqrt(abs(distance))
            scores[item] = scores.get(item, 0.0) + part * (1.0 if distance > 0 else 0.5)
    return scores


@given(
    paths=PATHS, asked=st.lists(st.sampled_from("abcdef"), max_size=6), nearest=st.integers(1, 9)
)
def test_neighbours_are_those_of_a_naive_search(paths, asked, nearest):
    # A fade of no simple sums: only sessions that share the same items are equally alike.
    index = Index(paths, nearest=nearest, fade=(0.61, 1.0))
    asked = [item for item in asked if item in index.names]
    expected = naive_scores(paths, asked, nearest, 0.61)
    assert index.scores(asked) == pytest.approx(expected, rel=1e-4)


def test_what_came_after_the_shared_item_counts_twice_what_came_before():
    # Both sessions are equally like the path: idf(b) = ln(1 + 2/2).
    found = Index(["xyb", "bpq"]).scores("b")
    alike, seen_once = log1p(2 / 2), log1p(2 / 1)
    assert found == pytest.approx(
        {
            "y": alike * seen_once / 2,
            "x": alike * seen_once / 2 / sqrt(2),
            "p": alike * seen_once,
            "q": alike * seen_once / sqrt(2),
        }
    )


def test_the_last_meeting_within_a_session_is_the_one_that_counts():
    found = Index(["axbay"]).scores("a")
    assert found["y"] > found["b"] > found["x"] > 0
    assert found["a"] > 0, "its first meeting lies three steps before"


def test_sessions_that_share_more_go_before_newer_ones_that_share_less():
    """Many newer sessions share the newest item alone; they are all alike, and less."""
    index = Index(["bay", "bay", *["ax"] * 5], nearest=2)
    assert set(index.scores("ab")) == {"b", "y"}
    assert set(index.scores("a")) == {"x"}, "of equals the newest are taken"


def test_only_the_newest_sessions_of_an_item_are_kept():
    index = Index(["ao", *["an"] * SESSIONS_PER_ITEM])
    assert set(index.scores("a")) == {"n"}
    assert index.arrays["starts"][-1] == 2 * SESSIONS_PER_ITEM + 1


def test_once_enough_sessions_are_met_older_ones_are_not_looked_for():
    crowd = [[item, "p"] for item in "abcd" for _ in range(SESSIONS_PER_ITEM)]
    assert len(crowd) > SESSIONS_MET
    index = Index([["e", "x"], *crowd], nearest=5_000)
    assert "x" in index.scores("e")
    assert "x" in index.scores("ea")
    # Heaviest first: before e is looked for, the others have met more than enough newer ones.
    assert "x" not in index.scores("dcbae")


def test_far_away_in_a_long_session_says_nothing():
    path = [f"i{number:02d}" for number in range(SPAN_ITEMS + 2)]
    found = Index([path]).scores(path[:1])
    assert path[SPAN_ITEMS] in found
    assert path[SPAN_ITEMS + 1] not in found


def test_the_reason_is_the_item_that_gives_most_by_itself():
    index = Index(["ax", "ax", "by", "bx"])
    assert index.because("ab", "y") == "b"
    # Two sessions lead from the newest item to x, one from the other.
    assert index.because("ab", "x") == "a"
    assert index.because("a", "y") == ""
    assert index.because("", "x") == ""


def test_a_newer_session_is_known_by_a_larger_number():
    arrays = Index(["ab", "ba", "ab"]).arrays
    for first, end in zip(arrays["starts"][:-1], arrays["starts"][1:], strict=True):
        assert arrays["sessions"][first:end].tolist() == [2, 1, 0]
    matched = arrays["session_ids"][arrays["matches"]]
    assert matched.tolist() == np.repeat([0, 1], 3).tolist()
