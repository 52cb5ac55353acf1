"""Machine code is made once: by the first process, for all that come after it."""

import os
import shutil
from pathlib import Path

import pytest

from compile_kernels import AHEAD, compilations, compiled_ahead
from recommender.config import (
    COMPILED_READY,
    earlier_compiled_folders,
    keep_compiled_kernels,
)

_SERVE = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import asdict, replace
import tempfile
from planted import BEGAN_AT, GROUPS, catalogue_item, interactions_of, two_groups
from world import SHOP
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.serving.model import Model
from recommender.serving.warm_up import warm_up
from recommender.training.artifact import ArtifactStore
from recommender.training.fitting import fit, unlearned_recipe
from recommender.training.scoring import flat_arrays
from recommender.training.source import TrainingSet

learned = TrainingSet(interactions_of(two_groups(60)))
recipe = unlearned_recipe(seed=0)
arrays = {{"item_ids": learned.interactions.item_ids, **flat_arrays(fit(learned, recipe))}}
blends = {{task: asdict(blend) for task, blend in recipe.blends.items()}}
meta = {{"blends": blends, "kind_weights": list(learned.kind_weights)}}
items = [catalogue_item(item) for members in GROUPS.values() for item in members]
with tempfile.TemporaryDirectory() as home:
    store = ArtifactStore(Path(home))
    artifact = store.load("shop_1", store.write("shop_1", arrays, meta, created_at=BEGAN_AT))
    catalogue = CatalogueSnapshot().with_changes(items, 1)
    model = Model(artifact)
    warm_up(SHOP, model, catalogue, now=BEGAN_AT)
    # Then items arrive that the training did not know.
    fresh = [replace(item, item_id=f"new-{{item.item_id}}", revision=2) for item in items[:9]]
    warm_up(SHOP, model, catalogue.with_changes(fresh, 2), now=BEGAN_AT)
"""


def test_after_the_first_process_nothing_is_compiled(tmp_path: Path) -> None:
    first, made, folder = compiled_ahead()
    assert made > 0
    assert folder.is_relative_to(first / "compiled")
    assert (folder / COMPILED_READY).exists()
    assert list(folder.rglob("*.nbc")), "the machine code is there, not beside the sources"
    # In a copy: what is missing must be missing again at the next run.
    home = tmp_path / "home"
    shutil.copytree(first, home)
    folder = home / folder.relative_to(first)
    # Another shop, another process: slates of every placement come out of what is there.
    serve = _SERVE.format(tests=str(Path(__file__).parents[1]))
    assert compilations(home, serve) == (0, folder)
    # And a start that finds everything ready has nothing to do.
    assert compilations(home, AHEAD) == (0, folder)


def test_a_package_that_may_only_be_read_keeps_its_code_in_the_home(tmp_path: Path) -> None:
    environ: dict[str, str] = {"RECOMMENDER_HOME": str(tmp_path)}
    keep_compiled_kernels(environ)
    chosen = Path(environ["NUMBA_CACHE_DIR"])
    assert chosen.parent == tmp_path / "compiled"
    # A child of a process with another home shares its parent's.
    child = environ | {"RECOMMENDER_HOME": "/elsewhere"}
    keep_compiled_kernels(child)
    assert child["NUMBA_CACHE_DIR"] == str(chosen)


def test_the_operator_s_own_choice_stands() -> None:
    environ = {"NUMBA_CACHE_DIR": "/var/cache/numba"}
    keep_compiled_kernels(environ)
    assert environ == {"NUMBA_CACHE_DIR": "/var/cache/numba"}


def test_an_updated_package_does_not_find_the_code_of_the_old_one(tmp_path: Path) -> None:
    """Its parent may still be the old release."""
    environ = {"NUMBA_CACHE_DIR": str(tmp_path / "compiled" / "0123456789abcdef")}
    keep_compiled_kernels(environ)
    chosen = Path(environ["NUMBA_CACHE_DIR"])
    assert chosen.parent == tmp_path / "compiled"
    assert chosen.name != "0123456789abcdef"


def test_only_what_earlier_releases_left_is_tidied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "compiled"
    states = [compiled / (digit * 16) for digit in "abcde"]
    for age, folder in enumerate([*states, compiled / "else"]):
        folder.mkdir(parents=True)
        os.utime(folder, (1_000_000 + age, 1_000_000 + age))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(states[1]))
    # Of a, c, d and e, oldest first, the two newest stay; the current one and "else" anyway.
    assert earlier_compiled_folders(2) == [states[0], states[2]]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert earlier_compiled_folders(2) == []
