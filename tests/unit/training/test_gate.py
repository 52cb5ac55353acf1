import datetime as dt
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from planted import BEGAN_AT, interactions_of, two_groups
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.blend import Blend
from recommender.training.evaluation import cut_at
from recommender.training.fitting import (
    TASKS,
    TEST_SHARE,
    Recipe,
    before,
    evaluate,
    fit,
    learn_newest,
)
from recommender.training.gate import PROBES_MIN, Verdict, decide, rows_of
from recommender.training.scoring import default_settings, flat_arrays
from recommender.training.source import TrainingSet

HALFWAY = BEGAN_AT + dt.timedelta(hours=150)


@pytest.fixture(scope="module")
def grouped() -> TrainingSet:
    return TrainingSet(interactions_of(two_groups(300)))


@pytest.fixture(scope="module")
def recipe(grouped: TrainingSet) -> Recipe:
    return learn_newest(before(grouped, cut_at(grouped.interactions, TEST_SHARE)), seed=0)


def published(
    training_set: TrainingSet, recipe: Recipe, root: Path, through: dt.datetime
) -> Artifact:
    """An artifact that was trained on everything before an instant."""
    known = before(training_set, int(through.timestamp()))
    interactions = known.interactions
    arrays = {"item_ids": interactions.item_ids, **flat_arrays(fit(known, recipe))}
    meta = {
        "blends": {task: asdict(blend) for task, blend in recipe.blends.items()},
        "trained_through_seconds": int(interactions.at_seconds[-1]),
    }
    store = ArtifactStore(root)
    return store.load("shop", store.write("shop", arrays, meta, created_at=through))


def only(source: str, dial: float = 0.0) -> Recipe:
    return Recipe(dict.fromkeys(TASKS, Blend({source: 1.0}, dial)), default_settings(), seed=0)


def changed(training_set: TrainingSet, **columns: object) -> TrainingSet:
    return TrainingSet(replace(training_set.interactions, **columns))


def shuffled(training_set: TrainingSet) -> TrainingSet:
    """The same events with the items mixed up: what a broken import would leave to learn."""
    rng = np.random.default_rng(1)
    return changed(
        training_set, item=rng.permutation(training_set.interactions.item).astype(np.int32)
    )


def verdict_on(training_set: TrainingSet, recipe: Recipe, champion: Artifact | None) -> Verdict:
    return decide(training_set, recipe, evaluate(training_set, recipe), champion)


def test_structure_is_published_with_its_figures(grouped, recipe):
    experience = evaluate(grouped, recipe)
    verdict = decide(grouped, recipe, experience, None)
    assert verdict.publish
    task = next(task for task in TASKS if len(experience.blend[task].ndcg) >= PROBES_MIN)
    ours, floor = (np.mean(own[task].ndcg) for own in (experience.blend, experience.popular))
    assert f"NDCG@20 {ours:.4f} against {floor:.4f} of recent popularity" in verdict.reason


def test_worse_than_recent_popularity_is_refused(grouped):
    verdict = verdict_on(grouped, only("popular", dial=3.0), None)
    assert not verdict.publish
    assert verdict.reason.startswith("kept the old one: NDCG@20 ")
    assert "recent popularity" in verdict.reason


def test_worse_than_the_published_artifact_is_refused(grouped, recipe, tmp_path):
    champion = published(grouped, recipe, tmp_path, HALFWAY)
    verdict = verdict_on(grouped, only("popular"), champion)
    assert not verdict.publish
    assert verdict.reason.startswith("kept the old one: NDCG@20 ")
    assert "the published artifact" in verdict.reason


def test_as_good_as_the_published_artifact_is_published(grouped, recipe, tmp_path):
    champion = published(grouped, recipe, tmp_path, HALFWAY)
    assert verdict_on(grouped, recipe, champion).publish


def test_a_bad_champion_does_not_hold_its_place(grouped, recipe, tmp_path):
    champion = published(shuffled(grouped), only("popular"), tmp_path, HALFWAY)
    assert verdict_on(grouped, recipe, champion).publish


def test_a_champion_of_yesterday_is_not_judged_on_what_it_has_seen(grouped, recipe, tmp_path):
    """It has learned nearly all answers by heart; only what came after it counts."""
    newest = BEGAN_AT + dt.timedelta(hours=299)
    champion = published(grouped, recipe, tmp_path, newest)
    assert verdict_on(grouped, recipe, champion).publish


def test_a_champion_with_other_items_is_understood(grouped, recipe, tmp_path):
    ids = grouped.interactions.item_ids
    renamed = changed(grouped, item_ids=np.array([b"0" + item_id for item_id in ids]))
    champion = published(renamed, recipe, tmp_path, HALFWAY)
    assert verdict_on(grouped, recipe, champion).publish


def test_a_champion_answers_the_same_in_a_larger_vocabulary(grouped, recipe, tmp_path):
    """Its rows are others than today's; its lists, and so the refusal, are not."""
    small = published(grouped, recipe, tmp_path, HALFWAY)
    ids = grouped.interactions.item_ids
    larger = changed(
        grouped,
        item_ids=np.array([b"Z", *ids, b"zz"], np.bytes_),
        item=grouped.interactions.item + np.int32(1),
    )
    bad = only("popular")
    assert verdict_on(larger, bad, small) == verdict_on(grouped, bad, small)


def test_where_an_id_stands_in_a_vocabulary():
    vocabulary = np.array([b"b", b"d", b"e"])
    asked = np.array([b"a", b"b", b"c", b"e", b"f"])
    assert rows_of(asked, vocabulary).tolist() == [-1, 0, -1, 2, -1]


def test_few_events_are_published_without_a_judgement():
    few = TrainingSet(interactions_of(two_groups(12)))
    recipe = learn_newest(few, seed=0)
    experience = evaluate(few, recipe)
    assert max(len(own.ndcg) for own in experience.blend.values()) < PROBES_MIN
    verdict = decide(few, recipe, experience, None)
    assert verdict.publish
    assert "too few" in verdict.reason
