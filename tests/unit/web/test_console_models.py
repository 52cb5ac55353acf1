import datetime as dt
from typing import Any

import pytest

from recommender.web.console_models import learned, models_by_task, origin_of
from world import SHOP


def judged(hits: float, tail: float = 0.3) -> dict[str, float]:
    return {"hit_rate@20": hits, "tail_share@20": tail, "coverage@20": 0.5}


METRICS: dict[str, Any] = {
    "tasks": {
        "path": {
            "n_probes": 2_000,
            "sources": {
                "popular": judged(0.10, 0.0),
                "follows": judged(0.40),
                "history": judged(0.20),
                "brand_new": judged(0.45),
            },
            "blend": judged(0.50, 0.4),
        }
    },
    "blends": {
        "path": {"weights": {"follows": 3.0, "history": 0.0, "popular": 0.003, "brand_new": 0.997}}
    },
}


def test_the_mix_comes_first_then_the_best_and_last_the_floor() -> None:
    (task,) = models_by_task(METRICS)
    assert task.title == "What a shopper looks at next, without what was seen before"
    rows = [(row.name, row.kind, row.hits, row.weight.replace("\u00a0", " ")) for row in task.rows]
    assert rows == [
        ("All together", "blend", "50.0", ""),
        ("Brand new", "source", "45.0", "25 %"),
        ("Seen next", "source", "40.0", "75 %"),
        ("Taste", "source", "20.0", "does not help this shop"),
        ("Popular lately", "floor", "10.0", "fills empty places only"),
    ]
    assert [row.bar for row in task.rows] == [100, 90, 80, 40, 20]


def test_the_sentence_compares_the_mix_with_the_floor() -> None:
    (task,) = models_by_task(METRICS)
    assert task.sentence.replace("\u00a0", " ") == (
        "Of 2,000 choices that the models had not seen, 50.0 % were among the 20 items recommended "
        "just before; best-sellers for everyone: 10.0 %."
    )


def test_what_is_measured_without_a_weight_is_for_comparison() -> None:
    (task,) = models_by_task({**METRICS, "blends": {}})
    assert {row.weight for row in task.rows[1:]} == {"for comparison only"}


@pytest.mark.parametrize(
    "metrics", [{}, {"tasks": {"path": {}}}, {"tasks": {"path": {"blend": {}}}}]
)
def test_what_was_not_measured_is_not_shown(metrics: dict[str, Any]) -> None:
    assert models_by_task(metrics) == []


def row(**changes: Any) -> dict[str, Any]:
    at = dt.datetime(2026, 4, 2, 1, tzinfo=dt.UTC)
    metrics = {"n_interactions": 12_345, "n_items": 678}
    return {
        "artifact": "a1",
        "published": True,
        "reason": "published: 0.2 against 0.1",
        "metrics": metrics,
        "finished_at": at,
    } | changes


def test_the_training_is_told_with_its_gate() -> None:
    told = learned(row(), SHOP)
    assert told.headline == "The newest model is in use"
    assert told.reason == "Published: 0.2 against 0.1"
    assert told.facts == [
        ("Trained", "2 Apr 2026, 03:00"),  # in Paris
        ("Model", "a1"),
        ("Learned from", "12,345 views, carts and purchases"),
        ("Items known", "678"),
    ]


def test_a_refused_training_says_what_serves() -> None:
    told = learned(row(published=False, reason="kept the old one: worse", metrics={}), SHOP)
    assert "the one before it serves on" in told.headline
    assert told.reason == "Kept the old one: worse"
    assert len(told.facts) == 2


def test_reasons_say_where_a_score_comes_from() -> None:
    assert origin_of("viewed") == "what shoppers look at next"
    assert origin_of("category") == "best-sellers of the category"
    assert origin_of("something_new") == "something new"
