import datetime as dt
import gc
import os
import threading
import weakref
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from shopfront import Shopfront

from planted import BEGAN_AT, GROUPS, catalogue_item
from recommender.records import Placement, Rule, RuleAction, RuleMatch
from recommender.serving.models import LoadedModels
from recommender.serving.recommend import SlateRequest
from recommender.serving.rules import AHEAD_SECONDS
from recommender.telemetry import FAILED_OPEN_TOTAL
from recommender.training.blend import Blend

LATER = BEGAN_AT + dt.timedelta(days=1)


def publish(store, trained, at=LATER, **changes) -> str:
    arrays, meta = trained
    artifact_id = store.write("shop", {**arrays, **changes}, meta, created_at=at)
    store.publish("shop", artifact_id)
    return artifact_id


def damage(tmp_path: Path, artifact_id: str) -> None:
    path = tmp_path / "shop" / artifact_id / "follows.scores.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def refusals() -> float:
    return FAILED_OPEN_TOTAL.labels(part="artifact")._value.get()


def test_a_shop_without_artifact_has_no_model_until_one_is_published(tmp_path, trained):
    from recommender.training.artifact import ArtifactStore

    store = ArtifactStore(tmp_path)
    models = LoadedModels(store, poll_seconds=3_600)
    assert models.get("shop") is None
    artifact_id = publish(store, trained)
    assert models.get("shop") is None, "requests never read the disk"
    models.refresh()
    assert models.get("shop").artifact_id == artifact_id
    models.close()


def test_a_new_artifact_is_swapped_in_warm(store, trained, models, front):
    front.ask()
    newer = publish(store, trained)
    models.refresh()
    model = models.get("shop")
    assert model.artifact_id == newer
    assert model._view.catalogue is front.catalogue


def test_a_replaced_model_goes_without_the_collector(store, trained, models, front):
    front.ask()
    old = weakref.ref(models.get("shop"))
    publish(store, trained)
    gc.collect()
    gc.disable()
    try:
        models.refresh()
        assert old() is None, "web workers keep long-lived objects out of collections"
    finally:
        gc.enable()


def test_each_look_makes_what_a_rule_about_to_begin_asks_for(store, shop):
    opens_at = BEGAN_AT + dt.timedelta(seconds=AHEAD_SECONDS / 2)
    hidden = Rule(
        "shop", "r", "", RuleAction.EXCLUDE, RuleMatch(item_ids=("a0",)), starts_at=opens_at
    )
    models = LoadedModels(
        store, look_ahead=lambda model: model.look_ahead(BEGAN_AT), poll_seconds=3_600
    )
    front = Shopfront(shop, models)
    front.stock(catalogue_item("a0"))
    front.catalogue = front.catalogue.with_rules((hidden,), front.catalogue.revision)
    view = models.get("shop").view(front.catalogue)
    view.rules(Placement.HOME, BEGAN_AT)
    size = view.nbytes
    models.refresh()
    assert view.nbytes > size
    models.close()


def test_a_damaged_artifact_changes_nothing_and_is_counted_once(
    store, trained, models, tmp_path, front
):
    old = models.get("shop")
    newer = publish(store, trained)
    damage(tmp_path, newer)
    before = refusals()
    models.refresh()
    models.refresh()
    assert models.get("shop") is old
    assert refusals() == before + 1
    assert front.ask().slate.fallback == ""


def test_a_process_that_starts_beside_a_damaged_artifact_takes_the_one_before(
    store, trained, models, tmp_path
):
    before = store.current("shop")
    damage(tmp_path, publish(store, trained))
    assert models.get("shop").artifact_id == before


def test_a_repaired_publication_is_taken(store, trained, models, tmp_path):
    models.get("shop")
    damage(tmp_path, publish(store, trained))
    models.refresh()
    repaired = publish(store, trained, at=LATER + dt.timedelta(hours=1))
    models.refresh()
    assert models.get("shop").artifact_id == repaired


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"similar.ids": np.full((24, 50), 24, np.int32)}, id="beyond the vocabulary"),
        pytest.param({"similar.ids": np.full((24, 50), -1, np.int32)}, id="before it"),
    ],
)
def test_lists_that_leave_the_vocabulary_are_refused(store, trained, models, changes):
    old = models.get("shop")
    publish(store, trained, **changes)
    models.refresh()
    assert models.get("shop") is old


def test_an_artifact_without_a_blend_is_refused(store, trained, models):
    old = models.get("shop")
    arrays, meta = trained
    half = {**meta, "blends": {"path": asdict(Blend())}}
    store.publish("shop", store.write("shop", arrays, half, created_at=LATER))
    models.refresh()
    assert models.get("shop") is old


def test_an_artifact_of_fewer_sources_still_serves(store, trained, models, front):
    arrays, meta = trained
    fewer = {name: array for name, array in arrays.items() if not name.startswith("history.")}
    store.publish("shop", store.write("shop", fewer, meta, created_at=LATER))
    answer = front.ask(path=("a00", "a01"))
    assert {item.item_id[0] for item in answer.slate.items} == {"a"}


def test_requests_go_on_while_artifacts_come(store, trained, front):
    """Two threads ask while six artifacts are published; no answer is a fallback."""
    models = LoadedModels(store, poll_seconds=0.001)
    models.get("shop")  # a process takes up its shops before it serves
    front.models = models
    done = threading.Event()
    answers: list[str] = []

    def ask() -> None:
        while not done.is_set():
            answers.append(front.ask(item_id=GROUPS["a"][0], visitor_id="v").slate.fallback)

    assert models.get("shop"), "the first look may answer late, and is not the question here"
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    swapped = set()
    for hour in range(6):
        newest = publish(store, trained, at=LATER + dt.timedelta(hours=hour))
        store.prune("shop")
        while models.get("shop").artifact_id != newest:
            done.wait(0.001)
        swapped.add(newest)
    done.set()
    for thread in threads:
        thread.join()
    models.close()
    assert len(swapped) == 6
    assert len(answers) > 6
    assert set(answers) == {""}


def test_a_forked_process_watches_for_itself(store, trained, tmp_path):
    models = LoadedModels(store, poll_seconds=0.001)
    models.get("shop")
    models._lock.acquire()  # as if a thread of the parent were loading right now
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        first = models.get("shop").artifact_id
        newer = publish(store, trained)
        while models.get("shop").artifact_id == first:
            pass
        os.write(writing, models.get("shop").artifact_id.encode())
        os._exit(0 if models.get("shop").artifact_id == newer else 1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    assert told == store.current("shop")
    models._lock.release()
    models.close()


def test_the_watching_thread_survives_a_fault(store, trained, models, monkeypatch):
    models = LoadedModels(store, poll_seconds=0.001)
    models.get("shop")
    broken = threading.Event()

    def fail(_shop_id: str) -> str:
        broken.set()
        raise OSError("the disk is away")

    monkeypatch.setattr(store, "current", fail)
    assert broken.wait(60)
    monkeypatch.undo()
    newest = publish(store, trained)
    while models.get("shop").artifact_id != newest:
        broken.wait(0.001)
    models.close()


def test_a_request_names_what_is_in_hand():
    request = SlateRequest("cart", item_id="x", cart=("y", "z"))
    assert request.in_hand == ("y", "z", "x")
    assert SlateRequest("home").in_hand == ()


def test_what_a_coming_catalogue_asks_for_is_made_before_it_is_seen(models, front):
    front.ask()
    model, before = models.get("shop"), front.catalogue
    seen = model.view(before)
    front.stock(catalogue_item("brand-new"))
    models.align("shop", front.catalogue)
    assert model.view(before) is seen
    assert not len(model.newcomers(seen)), "requests do not know the item yet"
    coming, newcomers = model._coming
    view = model.view(front.catalogue)
    assert view is coming
    assert model.newcomers(view) is newcomers
    assert [item.item_id for item in newcomers.items] == ["brand-new"]


def test_a_request_waits_for_a_first_model_no_longer_than_it_may(store):
    models = LoadedModels(store, poll_seconds=3_600, patience_seconds=0)
    answers = [models.get("shop")]
    while answers[-1] is None:
        answers.append(models.get("shop"))
    assert answers[-1].artifact_id == store.current("shop")
    models.close()


def test_a_first_model_that_could_not_be_read_is_tried_again(store, models, monkeypatch):
    def fail(_shop_id: str) -> str:
        raise OSError("the disk is away")

    before = refusals()
    monkeypatch.setattr(store, "current", fail)
    assert models.get("shop") is None
    assert refusals() == before + 1
    monkeypatch.undo()
    assert models.get("shop").artifact_id == store.current("shop")
