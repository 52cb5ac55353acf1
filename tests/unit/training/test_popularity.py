import numpy as np
import pytest

from planted import basket, interactions_of, views
from recommender.training.interactions import DAY_SECONDS
from recommender.training.popularity import HALF_LIFE_DAYS, POPULAR, popularity
from recommender.training.source import Pool, Query


def test_weights_halve_with_every_half_life():
    day = DAY_SECONDS
    interactions = interactions_of(
        views("v", "a") + views("v", "b", at=10 * day) + basket("o", "v", "a", at=20 * day)
    )
    # a: a view 20 days old and an order of now; b: a view 10 days old.
    assert popularity(interactions, half_life_days=10) == pytest.approx([1 / 4 + 5, 1 / 2])
    assert popularity(interactions) == pytest.approx([6, 1])


def test_recent_popularity_prefers_what_sells_now():
    old = [line for number in range(9) for line in views(f"v{number}", "old")]
    new = [line for number in range(3) for line in views(f"w{number}", "new", at=90 * DAY_SECONDS)]
    interactions = interactions_of(old + new)
    arrays = POPULAR.fit(interactions, seed=0)
    assert interactions.item_ids[arrays["ids"]].tolist() == [b"new", b"old"]
    assert arrays["total"].tolist() == [3, 9]
    nobody = Query(np.zeros(0, np.int32), np.zeros(0, np.float32))
    scores = POPULAR.scores(arrays, nobody, Pool.of(np.ones(2, bool)))
    # Nine views that are 90 days old weigh 9 × ½^(90/half-life), beside three of now.
    assert scores == pytest.approx([1.0, 9 * 0.5 ** (90 / HALF_LIFE_DAYS) / 3], rel=1e-5)
