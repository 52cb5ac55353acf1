"""Train one shop (verb): read → fit → evaluate → gate → publish.

In comes the event log; out goes a published artifact, or the reason why the old one stays.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InconsistentError, NotFoundError, UnavailableError
from recommender.ports import EventLog
from recommender.records import Shop
from recommender.telemetry import get_logger
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.fitting import Experience, Recipe, evaluate, fit, learn_recipe
from recommender.training.gate import Verdict, decide
from recommender.training.interactions import Interactions, index_lines, interaction_lines
from recommender.training.scoring import flat_arrays

Progress = Callable[[str], None]

STEPS = ("read", "learn the blend", "evaluate", "compare", "fit", "publish")


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training did.

    Attributes:
        artifact_id: The artifact written, published or not.
        reason: Why it was published, or why not; one sentence.
        metrics: By task (`path`, `basket`): `n_probes`, `sources` (name → metrics), `blend`,
            `tail_dial` (what each setting of the dial costs and brings).
        blends: By task: `weights` by source, and `beta`; see `blend.Blend`.
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
            the event log cannot be read.
    """
    tell = progress or (lambda _step: None)
    tell(STEPS[0])
    interactions = index_lines(interaction_lines(event_log.events(shop.shop_id)).to_pyarrow())
    if interactions.n_items < 2:
        raise UnavailableError(
            f"Shop {shop.shop_id} has no events of two different items to learn from",
            code="nothing-to-learn",
        )
    tell(STEPS[1])
    recipe = learn_recipe(interactions, seed=seed)
    tell(STEPS[2])
    experience = evaluate(interactions, recipe)
    tell(STEPS[3])
    verdict = decide(interactions, recipe, experience, _published(artifacts, shop.shop_id))
    tell(STEPS[4])
    arrays = {"item_ids": interactions.item_ids} | flat_arrays(fit(interactions, recipe))
    tell(STEPS[5])
    meta = _meta(interactions, recipe, experience, verdict)
    artifact_id = artifacts.write(shop.shop_id, arrays, meta, created_at=now)
    if verdict.publish:
        artifacts.publish(shop.shop_id, artifact_id)
    artifacts.prune(shop.shop_id)
    report = TrainingReport(
        shop_id=shop.shop_id,
        artifact_id=artifact_id,
        published=verdict.publish,
        reason=verdict.reason,
        n_interactions=len(interactions),
        n_items=interactions.n_items,
        metrics=experience.metrics,
        blends=meta["blends"],
    )
    _remember(report, database, now)
    return report


def _published(artifacts: ArtifactStore, shop_id: str) -> Artifact | None:
    artifact_id = artifacts.current(shop_id)
    if artifact_id is None:
        return None
    try:
        return artifacts.load(shop_id, artifact_id)
    except (InconsistentError, NotFoundError) as error:
        # Nothing that serves well is lost by replacing it.
        get_logger().warning("published-artifact-unreadable", shop_id=shop_id, code=error.code)
        return None


def _meta(
    interactions: Interactions, recipe: Recipe, experience: Experience, verdict: Verdict
) -> dict[str, Any]:
    return {
        "seed": recipe.seed,
        "blends": {task: asdict(blend) for task, blend in recipe.blends.items()},
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
        "metrics": {"tasks": report.metrics, "blends": report.blends},
        "finished_at": now,
    }
    with database.begin() as connection:
        tables.upsert(connection, tables.trainings, [row])
