"""Compile the kernels before the first request needs them.

A toy shop is learned, written, mapped and asked, so that every kernel meets the types of arrays
that it will meet in service: an artifact's are read-only, and that is another type to numba.
"""

import datetime as dt
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.config import COMPILED_READY, compiled_folder, earlier_compiled_folders
from recommender.records import (
    Item,
    Placement,
    PlacementSetting,
    Rule,
    RuleAction,
    RuleMatch,
    Shop,
    Stratum,
)
from recommender.serving.model import Model
from recommender.serving.warm_up import warm_up
from recommender.training.artifact import ArtifactStore
from recommender.training.fitting import fit, unlearned_recipe
from recommender.training.interactions import Interactions, Kind, index_lines
from recommender.training.scoring import flat_arrays
from recommender.training.source import TrainingSet

KEEP = 2
"""Earlier states of the kernels kept: a release that is rolled back finds its own."""

_AT = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_SHOP_ID = "toy"
_ITEMS = [f"item-{number:02d}" for number in range(24)]


def compile_ahead() -> None:
    """Fill the folder of machine code, and remove those of releases long gone beside it."""
    folder = compiled_folder()
    with tempfile.TemporaryDirectory() as home:
        store = ArtifactStore(Path(home))
        artifact_id = store.write(_SHOP_ID, *_learned(_interactions()), created_at=_AT)
        warm_up(_shop(), Model(store.load(_SHOP_ID, artifact_id)), _catalogue(), now=_AT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPILED_READY).touch()
    for earlier in earlier_compiled_folders(KEEP):
        shutil.rmtree(earlier, ignore_errors=True)


def _interactions() -> Interactions:
    """Return visitors who look at four items in turn and order the next two."""
    steps = [(visitor, step) for visitor in range(40) for step in range(6)]
    orders = [step > 3 for _, step in steps]
    columns = {
        "step": [f"{visitor}-{min(step, 4)}" for visitor, step in steps],
        "kind": pa.array([Kind.ORDER if order else Kind.VIEW for order in orders], pa.int8()),
        "visitor": [str(visitor) for visitor, _ in steps],
        "session": ["" for _ in steps],
        "item_id": [_ITEMS[(visitor * 5 + step) % len(_ITEMS)] for visitor, step in steps],
        "occurred_at": pa.array(
            [_AT + dt.timedelta(hours=visitor, minutes=min(step, 4)) for visitor, step in steps],
            pa.timestamp("us", "UTC"),
        ),
    }
    return index_lines(pa.table(columns))


def _learned(interactions: Interactions) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    training_set, recipe = TrainingSet(interactions), unlearned_recipe(seed=0)
    arrays = {"item_ids": interactions.item_ids, **flat_arrays(fit(training_set, recipe))}
    blends = {task: asdict(blend) for task, blend in recipe.blends.items()}
    return arrays, {"blends": blends, "kind_weights": list(training_set.kind_weights)}


def _catalogue() -> CatalogueSnapshot:
    items = [
        Item(_SHOP_ID, item, item, f"/{item}", "", 100, "EUR", category=item[-1], revision=1)
        for item in _ITEMS
    ]
    boost = Rule(_SHOP_ID, "boost", "", RuleAction.BOOST, RuleMatch(brands=("",)), factor_ppm=1)
    pin = Rule(_SHOP_ID, "pin", "", RuleAction.PIN, RuleMatch(item_ids=(_ITEMS[0],)), position=1)
    return CatalogueSnapshot().with_rules((boost, pin), 1).with_changes(items, 1)


def _shop() -> Shop:
    return Shop(
        shop_id=_SHOP_ID,
        name="",
        currency="EUR",
        country="FR",
        timezone="UTC",
        public_key="",
        visitor_key=b"",
        origins=(),
        placements={
            placement: PlacementSetting(placement, allow_seen=placement is Placement.HOME)
            for placement in Placement
        },
        strata=(Stratum(_SHOP_ID, 1, "", 0, _AT),),
    )


if __name__ == "__main__":
    compile_ahead()
