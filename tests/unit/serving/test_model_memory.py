"""Many shops in one process under a memory limit."""

import threading
from collections.abc import Iterator

import pytest

from planted import BEGAN_AT
from recommender.serving.models import LoadedModels
from recommender.telemetry import MODEL_EVICTIONS_TOTAL, MODEL_MAPPED_BYTES, MODELS_LOADED

SHOPS = ("one", "two", "three")


class CountedCatalogues:
    """Catalogues that only have a size and a last use."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, float]] = {}

    def held(self) -> dict[str, tuple[int, float]]:
        return dict(self.kept)

    def forget(self, shop_id: str) -> None:
        self.kept.pop(shop_id, None)


@pytest.fixture
def many(store, trained):
    for shop_id in SHOPS:
        store.publish(shop_id, store.write(shop_id, *trained, created_at=BEGAN_AT))
    return store


@pytest.fixture
def size(many) -> int:
    """What one of the shops takes."""
    models = LoadedModels(many, poll_seconds=3_600)
    model = models.get("one")
    models.close()
    return model.private_bytes + model.mapped_bytes


@pytest.fixture
def catalogues() -> CountedCatalogues:
    return CountedCatalogues()


@pytest.fixture
def two_fit(many, size, catalogues) -> Iterator[LoadedModels]:
    models = LoadedModels(
        many, catalogues=catalogues, limit_bytes=2 * size + size // 2, poll_seconds=3_600
    )
    yield models
    models.close()


def loaded(models: LoadedModels) -> set[str]:
    return set(models._models)


def evictions() -> float:
    return MODEL_EVICTIONS_TOTAL._value.get()


def test_the_shop_asked_for_longest_ago_is_let_go_and_comes_back(two_fit):
    before = evictions()
    two_fit.get("one")
    held = two_fit.get("two")
    two_fit.get("one")
    two_fit.get("three")
    assert loaded(two_fit) == {"one", "three"}
    assert evictions() == before + 1
    # A request that holds its model goes on with it, and the next one gets an equal one.
    assert held.vocabulary.item_id(0) == "a00"
    again = two_fit.get("two")
    assert again is not held
    assert again.artifact_id == held.artifact_id
    assert loaded(two_fit) == {"three", "two"}


def test_catalogues_count_and_go_with_their_shops(two_fit, catalogues, size):
    two_fit.get("one")
    catalogues.kept = {"one": (size, 0.0), "idle": (size, 0.0), "busy": (10, float("inf"))}
    two_fit.refresh()
    assert loaded(two_fit) == {"one"}, "two are 2 sizes and 10 bytes"
    assert set(catalogues.kept) == {"one", "busy"}


def test_one_shop_is_served_however_large_it_is(many):
    models = LoadedModels(many, limit_bytes=1, poll_seconds=3_600)
    assert models.get("one") is not None
    models.refresh()
    assert models.get("one") is not None
    models.get("two")
    assert loaded(models) == {"two"}
    models.close()


def test_what_is_held_is_told(two_fit, size):
    model = two_fit.get("one")
    two_fit.get("two")
    two_fit.refresh()
    assert MODELS_LOADED._value.get() == 2
    assert MODEL_MAPPED_BYTES._value.get() == 2 * model.mapped_bytes
    assert (
        model.mapped_bytes
        == sum(array.nbytes for source in model.sources.values() for array in source.values())
        + model.vocabulary._ids.nbytes
    )


def test_a_view_of_the_catalogue_counts_as_private(models, front):
    model = models.get("shop")
    before = model.private_bytes
    model.view(front.catalogue)
    # One byte a row says whether it may be shown.
    assert model.private_bytes >= before + len(model.vocabulary)


def test_requests_for_one_shop_do_not_wait_for_another_one(many, monkeypatch):
    """While one shop is read, others are answered, and its own requests get none in time."""
    models = LoadedModels(many, poll_seconds=3_600, patience_seconds=60)
    reading, go_on = threading.Event(), threading.Event()
    load = many.load

    def slow(shop_id: str, artifact_id: str):
        if shop_id == "one":
            reading.set()
            go_on.wait(30)
        return load(shop_id, artifact_id)

    monkeypatch.setattr(many, "load", slow)
    reader = threading.Thread(target=models.get, args=("one",))
    reader.start()
    assert reading.wait(30)
    assert models.get("two") is not None
    assert models.get("one") is None
    go_on.set()
    reader.join()
    assert models.get("one") is not None
    models.close()


def test_a_new_model_is_warmed_up_before_requests_see_it(store, trained, front):
    seen: list[tuple[str, str]] = []
    models = LoadedModels(
        store,
        warm_up=lambda _shop, model: seen.append(
            (model.artifact_id, models.get("shop").artifact_id)
        ),
        poll_seconds=3_600,
    )
    old = models.get("shop").artifact_id
    arrays, meta = trained
    newer = store.write("shop", arrays, {**meta, "seed": 9}, created_at=BEGAN_AT)
    store.publish("shop", newer)
    models.refresh()
    assert seen == [(newer, old)]
    assert models.get("shop").artifact_id == newer
    models.close()


def test_a_warm_up_that_fails_does_not_keep_the_model_away(store, trained):
    def fail(_shop: str, _model: object) -> None:
        raise RuntimeError("the database is away")

    models = LoadedModels(store, warm_up=fail, poll_seconds=3_600)
    models.get("shop")
    arrays, meta = trained
    newer = store.write("shop", arrays, {**meta, "seed": 9}, created_at=BEGAN_AT)
    store.publish("shop", newer)
    models.refresh()
    assert models.get("shop").artifact_id == newer
    models.close()
