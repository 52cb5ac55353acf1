"""Refresh one shop's model (verb): the newest events into what is cheap to learn.

In come the event log and the published artifact; out goes a new one, in which session index,
co-occurrence and popularity know every event, and what is dear to learn (factors, item–item) and
the learned recipe are the published ones, moved to the vocabulary of today.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InconsistentError
from recommender.ports import EventLog
from recommender.records import Item, Shop
from recommender.training.alignment import aligned
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.interactions import Interactions
from recommender.training.pasts import past_arrays
from recommender.training.read import read_training_set
from recommender.training.scoring import SOURCES, fit_source, flat_arrays, nested_arrays
from recommender.training.soundness import check_source, check_vocabulary
from recommender.training.source import Arrays, TrainingSet

SMALL_ITEMS = 1_000
"""A shop with fewer items has everything learned anew: that takes no longer than moving it."""

VOCABULARY_SHARE_MIN = 0.5
"""Below this share of the published vocabulary something is wrong with what was read."""


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did.

    Attributes:
        artifact_id: The artifact that serves now; empty when the shop has none.
        refreshed: Whether it is a new one.
        reason: Why, or why not; one sentence.
    """

    shop_id: str
    artifact_id: str
    refreshed: bool
    reason: str


def refresh(
    shop: Shop,
    *,
    event_log: EventLog,
    catalogue: Iterable[Item],
    artifacts: ArtifactStore,
    now: dt.datetime,
) -> RefreshReport:
    """Bring a shop's published model up to the newest events.

    Raises:
        InconsistentError: The published artifact is damaged, or what was read is much less than
            it knows; it serves on.
        UnavailableError: The event log cannot be read; or, code `already-training`, another
            process works on this shop.
    """
    with artifacts.exclusive(shop.shop_id):
        artifact_id = artifacts.current(shop.shop_id)
        if artifact_id is None:
            return RefreshReport(shop.shop_id, "", False, "nothing was trained yet")
        published = artifacts.load(shop.shop_id, artifact_id)
        training_set = read_training_set(shop.shop_id, event_log=event_log, catalogue=catalogue)
        interactions = training_set.interactions
        if _is_known(interactions, published):
            return RefreshReport(shop.shop_id, artifact_id, False, "no event is new")
        _check_vocabulary(interactions, published)
        arrays = _arrays(training_set, published)
        fresh_id = artifacts.write(
            shop.shop_id, arrays, _meta(interactions, published), created_at=now
        )
        artifacts.publish(shop.shop_id, fresh_id, is_refresh=True)
        artifacts.prune(shop.shop_id)
    told = f"{len(interactions)} interactions with {interactions.n_items} items"
    return RefreshReport(shop.shop_id, fresh_id, True, told)


def _is_known(interactions: Interactions, published: Artifact) -> bool:
    # Also events of the past may be new: an import, or a browser that was offline.
    known = (published.meta["n_interactions"], published.meta["trained_through_seconds"])
    through = int(interactions.at_seconds[-1]) if len(interactions) else 0
    return known == (len(interactions), through)


def _check_vocabulary(interactions: Interactions, published: Artifact) -> None:
    before = len(published.arrays["item_ids"])
    if interactions.n_items < max(2, VOCABULARY_SHARE_MIN * before):
        raise InconsistentError(
            f"The event log tells of {interactions.n_items} items, the published artifact of "
            f"{before}; it serves on until the next training",
            code="vocabulary-shrank",
        )


def _arrays(training_set: TrainingSet, published: Artifact) -> dict[str, NDArray[Any]]:
    interactions = training_set.interactions
    old_ids, new_ids = published.arrays["item_ids"], interactions.item_ids
    model = dict(nested_arrays(published.arrays, len(old_ids)))
    training_set = replace(training_set, kind_weights=tuple(published.meta["kind_weights"]))
    anew = {
        source.name: source for source in SOURCES if source.refreshes or len(old_ids) < SMALL_ITEMS
    }
    for name, arrays in model.items():
        if name in anew:
            settings, seed = published.meta["settings"][name], published.meta["seed"]
            model[name] = fit_source(anew[name], training_set, settings, seed=seed)
        else:
            model[name] = aligned(arrays, old_ids, new_ids)
        _check(name, model[name], len(new_ids))
    check_vocabulary(new_ids)
    return {"item_ids": new_ids, **past_arrays(interactions), **flat_arrays(model)}


def _check(name: str, arrays: Arrays, n_items: int) -> None:
    check_source(name, arrays, n_items)
    for short, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InconsistentError(
                f"{name}.{short} holds a number that is not finite", code="damaged-artifact"
            )


def _meta(interactions: Interactions, published: Artifact) -> dict[str, Any]:
    return {
        **published.meta,
        "refresh_of": published.meta.get("refresh_of", published.artifact_id),
        "n_interactions": len(interactions),
        "trained_through_seconds": int(interactions.at_seconds[-1]),
    }
