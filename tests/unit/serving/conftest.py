"""A trained shop with two groups of items, and a hot state that a test can look into."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from shopfront import Shopfront

from planted import BEGAN_AT, GROUPS, catalogue_item, interactions_of, two_groups
from recommender.records import Placement, PlacementSetting, Shop, Stratum
from recommender.serving.models import LoadedModels
from recommender.training.artifact import ArtifactStore
from recommender.training.content import content_arrays
from recommender.training.fitting import Recipe, fit, learn_newest
from recommender.training.scoring import flat_arrays
from recommender.training.source import TrainingSet


@pytest.fixture(scope="session")
def grouped() -> TrainingSet:
    interactions = interactions_of(two_groups(200))
    goods = [catalogue_item(item_id.decode()) for item_id in interactions.item_ids]
    return TrainingSet(interactions, content_arrays(interactions.item_ids, goods))


@pytest.fixture(scope="session")
def recipe(grouped: TrainingSet) -> Recipe:
    return learn_newest(grouped, seed=0)


@pytest.fixture(scope="session")
def trained(grouped: TrainingSet, recipe: Recipe) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and meta of an artifact."""
    interactions = grouped.interactions
    arrays = {"item_ids": interactions.item_ids, **flat_arrays(fit(grouped, recipe))}
    meta = {
        "blends": {task: asdict(blend) for task, blend in recipe.blends.items()},
        "kind_weights": list(grouped.kind_weights),
        "trained_through_seconds": int(interactions.at_seconds[-1]),
    }
    return arrays, meta


@pytest.fixture
def store(tmp_path: Path, trained: tuple[dict[str, Any], dict[str, Any]]) -> ArtifactStore:
    store = ArtifactStore(tmp_path)
    store.publish("shop", store.write("shop", *trained, created_at=BEGAN_AT))
    return store


@pytest.fixture
def models(store: ArtifactStore) -> Iterator[LoadedModels]:
    """Models that only look at the pointers when the test says so."""
    loaded = LoadedModels(store, poll_seconds=3_600)
    yield loaded
    loaded.close()


@pytest.fixture
def shop() -> Shop:
    everyone_treated = Stratum("shop", 3, "salt", 1_000_000, BEGAN_AT)
    return Shop(
        shop_id="shop",
        name="Shop",
        currency="EUR",
        country="FR",
        timezone="Europe/Paris",
        public_key="pk_x",
        visitor_key=b"k" * 32,
        origins=(),
        placements={placement: PlacementSetting(placement, n=4) for placement in Placement},
        strata=(everyone_treated,),
    )


@pytest.fixture
def front(shop: Shop, models: LoadedModels) -> Shopfront:
    front = Shopfront(shop, models)
    front.stock(*(catalogue_item(item) for members in GROUPS.values() for item in members))
    return front
