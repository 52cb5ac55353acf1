import datetime as dt
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from planted import BEGAN_AT, interactions_of, two_groups
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.blend import Blend
from recommender.training.fitting import TASKS, Recipe, evaluate, fit, learn_recipe
from recommender.training.gate import PROBES_MIN, decide
from recommender.training.interactions import Interactions
from recommender.training.scoring import SOURCE_NAMES, flat_arrays

HALFWAY = BEGAN_AT + dt.timedelta(hours=150)


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    return interactions_of(two_groups(300))


@pytest.fixture(scope="module")
def recipe(interactions: Interactions) -> Recipe:
    return learn_recipe(interactions, seed=0)


def published(
    interactions: Interactions, recipe: Recipe, root: Path, through: dt.datetime
) -> Artifact:
    """An artifact that was trained on everything before an instant."""
    known = interactions.before(int(through.timestamp()))
    arrays = {"item_ids": known.item_ids, **flat_arrays(fit(known, recipe))}
    meta = {
        "blends": {task: asdict(blend) for task, blend in recipe.blends.items()},
        "trained_through_seconds": int(known.at_seconds[-1]),
    }
    store = ArtifactStore(root)
    return store.load("shop", store.write("shop", arrays, meta, created_at=through))


def only(source: str) -> Recipe:
    return Recipe(dict.fromkeys(TASKS, Blend({source: 1.0})), seed=0)


def shuffled(interactions: Interactions) -> Interactions:
    """The same events with the items mixed up: what a broken import would leave to learn."""
    rng = np.random.default_rng(1)
    return replace(interactions, item=rng.permutation(interactions.item).astype(np.int32))


def test_structure_is_published_with_its_figures(interactions, recipe):
    verdict = decide(interactions, recipe, evaluate(interactions, recipe), None)
    assert verdict.publish
    assert "of recent popularity" in verdict.reason


def test_worse_than_recent_popularity_is_refused(interactions):
    upside_down = Blend({"popular": 1.0}, beta=3.0)
    bad = Recipe(dict.fromkeys(TASKS, upside_down), seed=0)
    verdict = decide(interactions, bad, evaluate(interactions, bad), None)
    assert not verdict.publish
    assert "recent popularity" in verdict.reason


def test_worse_than_the_published_artifact_is_refused(interactions, recipe, tmp_path):
    champion = published(interactions, recipe, tmp_path, HALFWAY)
    bad = only("popular")
    verdict = decide(interactions, bad, evaluate(interactions, bad), champion)
    assert not verdict.publish
    assert "the published artifact" in verdict.reason


def test_as_good_as_the_published_artifact_is_published(interactions, recipe, tmp_path):
    champion = published(interactions, recipe, tmp_path, HALFWAY)
    assert decide(interactions, recipe, evaluate(interactions, recipe), champion).publish


def test_a_bad_champion_does_not_hold_its_place(interactions, recipe, tmp_path):
    champion = published(shuffled(interactions), only("popular"), tmp_path, HALFWAY)
    assert decide(interactions, recipe, evaluate(interactions, recipe), champion).publish


def test_a_champion_of_yesterday_is_not_judged_on_what_it_has_seen(interactions, recipe, tmp_path):
    """It has learned nearly all answers by heart; only what came after it counts."""
    newest = BEGAN_AT + dt.timedelta(hours=299)
    champion = published(interactions, recipe, tmp_path, newest)
    assert decide(interactions, recipe, evaluate(interactions, recipe), champion).publish


def test_a_champion_with_other_items_is_understood(interactions, recipe, tmp_path):
    renamed = replace(
        interactions,
        item_ids=np.array([b"0" + item_id for item_id in interactions.item_ids]),
    )
    champion = published(renamed, recipe, tmp_path, HALFWAY)
    assert decide(interactions, recipe, evaluate(interactions, recipe), champion).publish


def test_few_events_are_published_without_a_judgement():
    few = interactions_of(two_groups(12))
    recipe = learn_recipe(few, seed=0)
    experience = evaluate(few, recipe)
    assert max(len(own.ndcg) for own in experience.blend.values()) < PROBES_MIN
    verdict = decide(few, recipe, experience, None)
    assert verdict.publish
    assert "too few" in verdict.reason


def test_the_tail_dial_trades_popularity_for_tail(interactions, recipe):
    steps = evaluate(interactions, recipe).metrics["path"]["tail_dial"]
    assert [step["dial"] for step in steps] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    shares = [step["tail_share@20"] for step in steps]
    assert shares == sorted(shares)


def test_every_source_is_measured(interactions, recipe):
    metrics = evaluate(interactions, recipe).metrics
    assert set(metrics) == set(TASKS)
    for task in TASKS:
        assert set(metrics[task]["sources"]) == set(SOURCE_NAMES)
        assert metrics[task]["blend"]["ndcg@20"] > metrics[task]["sources"]["popular"]["ndcg@20"]
