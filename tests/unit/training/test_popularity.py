import numpy as np
import pytest

from planted import basket, interactions_of, sessions_of, views
from recommender.training.board import Board
from recommender.training.interactions import DAY_SECONDS
from recommender.training.popularity import POPULAR, TOP, popularity
from recommender.training.source import Query, TrainingSet


def test_weights_halve_with_every_half_life():
    day = DAY_SECONDS
    interactions = interactions_of(
        views("v", "a") + views("v", "b", at=10 * day) + basket("o", "v", "a", at=20 * day)
    )
    # a: a view 20 days old and an order of now; b: a view 10 days old.
    assert popularity(interactions, half_life_days=10) == pytest.approx([1 / 4 + 1, 1 / 2])
    assert popularity(interactions) == pytest.approx([2, 1])


def test_recent_popularity_prefers_what_sells_now():
    old = [line for number in range(9) for line in views(f"v{number}", "old")]
    new = [line for number in range(3) for line in views(f"w{number}", "new", at=30 * DAY_SECONDS)]
    interactions = interactions_of(old + new)
    arrays = POPULAR.fit(TrainingSet(interactions), {"half_life_days": 10.0}, seed=0)
    assert interactions.item_ids[arrays["ids"]].tolist() == [b"new", b"old"]
    assert arrays["total"].tolist() == [3, 9]
    # Nine views that are 30 days old weigh 9 × ½³, beside three of now.
    assert arrays["recent"].tolist() == pytest.approx([1.0, 9 / 8 / 3], rel=1e-5)


def test_nobody_is_offered_the_most_popular_and_others_are_scored_beside_them():
    paths = [["first"], ["first"], *([f"i{number:03d}"] for number in range(TOP)), ["last"]]
    interactions = sessions_of(*paths, days_apart=0)
    arrays = POPULAR.fit(TrainingSet(interactions), {"half_life_days": 14.0}, seed=0)
    last = int(np.searchsorted(interactions.item_ids, b"last"))
    board = Board(1, interactions.n_items)
    POPULAR.score(arrays, Query.of([]), board, 0)
    assert len(board.candidates) == TOP
    assert last not in board.candidates, "of equals the first rows are taken"
    assert board.written[0, 0] == 1
    board.wipe()
    board.touch(np.array([last], np.int32))
    POPULAR.score(arrays, Query.of([]), board, 0)
    assert board.written[0, board.places[last]] == pytest.approx(1 / 2)
