"""Train one shop (verb): read → fit → evaluate → gate → publish.

In comes the event log; out goes a published artifact, or the reason why the old one stays.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from recommender import tables
from recommender.errors import InconsistentError, NotFoundError, UnavailableError
from recommender.ports import EventLog
from recommender.records import Item, Shop
from recommender.telemetry import get_logger
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.evaluation import cut_at
from recommender.training.event_weights import learn_kind_weights
from recommender.training.fitting import (
    TEST_SHARE,
    Experience,
    Recipe,
    before,
    evaluate,
    fit,
    learn_newest,
)
from recommender.training.gate import Verdict, decide
from recommender.training.pasts import past_arrays
from recommender.training.read import read_training_set
from recommender.training.scoring import flat_arrays
from recommender.training.source import TrainingSet

Progress = Callable[[str], None]

STEPS = ("read", "learn the blend", "evaluate", "compare", "fit", "publish")


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training did.

    Attributes:
        artifact_id: The artifact written, published or not.
        reason: Why it was published, or why not; one sentence.
        metrics: By task, see `fitting.TASKS`: what `fitting.report` tells.
        blends: By task: `weights` by source, and `dial`; see `blend.Blend`.
    """

    shop_id: str
    artifact_id: str
    published: bool
    reason: str
    n_interactions: int
    n_items: int
    metrics: dict[str, Any]
    blends: dict[str, Any]


def train(
    shop: Shop,
    *,
    event_log: EventLog,
    catalogue: Iterable[Item],
    database: sa.Engine,
    artifacts: ArtifactStore,
    now: dt.datetime,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainingReport:
    """Learn from all events of a shop and publish what was learned, if it is good enough.

    Equal events, `now` and `seed` give an equal artifact, byte by byte.

    Args:
        progress: Told the name of each of `STEPS` as it begins.

    Raises:
        UnavailableError: Code `nothing-to-learn`: the shop has no two items with events yet; or
            the event log cannot be read; or, code `already-training`, another process works
            on this shop.
    """
    tell = progress or (lambda _step: None)
    with artifacts.exclusive(shop.shop_id):
        tell(STEPS[0])
        training_set = read_training_set(shop.shop_id, event_log=event_log, catalogue=catalogue)
        report = _train(training_set, shop, artifacts, now=now, seed=seed, tell=tell)
        _remember(report, database, now)
    return report


def _train(
    training_set: TrainingSet,
    shop: Shop,
    artifacts: ArtifactStore,
    *,
    now: dt.datetime,
    seed: int,
    tell: Progress,
) -> TrainingReport:
    interactions = training_set.interactions
    if len(np.unique(interactions.item)) < 2:
        raise UnavailableError(
            f"Shop {shop.shop_id} has no events of two different items to learn from",
            code="nothing-to-learn",
        )
    tell(STEPS[1])
    known = before(training_set, cut_at(interactions, TEST_SHARE))
    kind_weights = learn_kind_weights(known.interactions)
    training_set = replace(training_set, kind_weights=kind_weights)
    recipe = learn_newest(replace(known, kind_weights=kind_weights), seed=seed)
    tell(STEPS[2])
    experience = evaluate(training_set, recipe)
    tell(STEPS[3])
    verdict = decide(training_set, recipe, experience, _published(artifacts, shop.shop_id))
    tell(STEPS[4])
    arrays = {
        "item_ids": interactions.item_ids,
        **past_arrays(interactions),
        **flat_arrays(fit(training_set, recipe)),
    }
    tell(STEPS[5])
    meta = _meta(training_set, recipe, experience, verdict)
    artifact_id = artifacts.write(shop.shop_id, arrays, meta, created_at=now)
    if verdict.publish:
        artifacts.publish(shop.shop_id, artifact_id)
    artifacts.prune(shop.shop_id)
    return TrainingReport(
        shop_id=shop.shop_id,
        artifact_id=artifact_id,
        published=verdict.publish,
        reason=verdict.reason,
        n_interactions=len(interactions),
        n_items=interactions.n_items,
        metrics=experience.metrics,
        blends=meta["blends"],
    )


def _published(artifacts: ArtifactStore, shop_id: str) -> Artifact | None:
    # Not a refresh of it, which has seen the very events that shall judge it.
    artifact_id = artifacts.trained(shop_id) or artifacts.current(shop_id)
    if artifact_id is None:
        return None
    try:
        return artifacts.load(shop_id, artifact_id)
    except (InconsistentError, NotFoundError) as error:
        # Nothing that serves well is lost by replacing it.
        get_logger().warning("published-artifact-unreadable", shop_id=shop_id, code=error.code)
        return None


def _meta(
    training_set: TrainingSet, recipe: Recipe, experience: Experience, verdict: Verdict
) -> dict[str, Any]:
    interactions = training_set.interactions
    return {
        "seed": recipe.seed,
        "kind_weights": list(training_set.kind_weights),
        "blends": {task: asdict(blend) for task, blend in recipe.blends.items()},
        "settings": {name: dict(own) for name, own in recipe.settings.items()},
        "metrics": experience.metrics,
        "gate": verdict.reason,
        "n_interactions": len(interactions),
        "trained_through_seconds": int(interactions.at_seconds[-1]),
    }


def _remember(report: TrainingReport, database: sa.Engine, now: dt.datetime) -> None:
    row = {
        "shop_id": report.shop_id,
        "artifact": report.artifact_id,
        "published": report.published,
        "reason": report.reason,
        "metrics": {
            "tasks": report.metrics,
            "blends": report.blends,
            "n_interactions": report.n_interactions,
            "n_items": report.n_items,
        },
        "finished_at": now,
    }
    with database.begin() as connection:
        tables.upsert(connection, tables.trainings, [row])
