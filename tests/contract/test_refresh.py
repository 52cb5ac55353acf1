"""The newest events reach slates between two trainings, and what is dear to learn stays."""

import datetime as dt
import itertools
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from planted import BEGAN_AT, GROUPS, Line, two_groups, views
from recommender.adapters.event_log import DeltaEventLog
from recommender.errors import InconsistentError, UnavailableError
from recommender.events.identity import derived_event_id
from recommender.records import Event, EventItem, EventType, Source
from recommender.serving.models import LoadedModels
from recommender.training import refresh as module
from recommender.training.artifact import ArtifactStore
from recommender.training.interactions import Kind
from recommender.training.refresh import RefreshReport, refresh
from recommender.training.scoring import SOURCES
from recommender.training.train import train

NOW = BEGAN_AT + dt.timedelta(days=40)
NEW = "new-item"
_TYPES = {Kind.VIEW: EventType.VIEW_ITEM, Kind.CART: EventType.ADD_TO_CART}
DEAR = {source.name for source in SOURCES if not source.refreshes}


def events_of(shop_id: str, lines: Iterable[Line]) -> list[Event]:
    """Tell planted lines as the events that a shop would have sent."""
    found = []
    for step, group in itertools.groupby(lines, key=lambda line: line[0]):
        (_, kind, visitor, session, _, seconds), *_ = own = list(group)
        at = BEGAN_AT + dt.timedelta(seconds=seconds)
        found.append(
            Event(
                shop_id=shop_id,
                event_id=derived_event_id(at, step, visitor),
                type=_TYPES.get(kind, EventType.ORDER),
                visitor=visitor,
                occurred_at=at,
                received_at=at,
                day=at.date(),
                source=Source.BROWSER,
                items=tuple(EventItem(line[4], 1, 500) for line in own),
                session=session,
                order_id=step if kind == Kind.ORDER else "",
            )
        )
    return found


def newest_paths(n_visitors: int = 12, start_day: int = 30) -> list[Line]:
    """Visitors who go from the first item of group a straight to an item nobody knew."""
    return [
        line
        for number in range(n_visitors)
        for line in views(
            f"late-{number}", GROUPS["a"][0], NEW, at=86_400 * start_day + 600 * number
        )
    ]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: a refresh asks nothing of the database."""
    return sqlite_url


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def published(shop, database, event_log, artifacts) -> str:
    event_log.append(events_of(shop.shop_id, two_groups(150)), "test", 1)
    train(
        shop,
        event_log=event_log,
        catalogue=(),
        database=database,
        artifacts=artifacts,
        now=NOW,
    )
    return artifacts.current(shop.shop_id)


@pytest.fixture
def as_in_a_large_shop(monkeypatch) -> None:
    """Move what is dear to learn, also in these small shops."""
    monkeypatch.setattr(module, "SMALL_ITEMS", 0)


def refreshed(shop, event_log, artifacts, minutes: int = 10) -> RefreshReport:
    return refresh(
        shop,
        event_log=event_log,
        catalogue=(),
        artifacts=artifacts,
        now=NOW + dt.timedelta(minutes=minutes),
    )


def neighbours(model, source: str, item_id: str) -> set[str]:
    (row,) = model.vocabulary.rows([item_id])
    arrays = model.sources[source]
    listed = arrays["ids"][arrays["starts"][row] : arrays["starts"][row + 1]]
    return {model.vocabulary.item_id(other) for other in listed.tolist()}


def test_what_followed_lately_is_known_and_workers_take_it_up(
    shop, event_log, artifacts, published, as_in_a_large_shop
):
    models = LoadedModels(artifacts, poll_seconds=3_600)
    before = models.get(shop.shop_id)
    assert len(before.vocabulary.rows([NEW])) == 0
    event_log.append(events_of(shop.shop_id, newest_paths()), "test", 2)
    report = refreshed(shop, event_log, artifacts)
    assert report.refreshed
    assert artifacts.current(shop.shop_id) == report.artifact_id > published
    models.refresh()
    model = models.get(shop.shop_id)
    assert NEW in neighbours(model, "follows", GROUPS["a"][0])
    (row,) = model.vocabulary.rows([NEW])
    assert model.sources["popular"]["total"][row] == 12
    models.close()


def test_what_is_dear_to_learn_and_the_recipe_are_the_published_ones(
    shop, event_log, artifacts, published, as_in_a_large_shop
):
    event_log.append(events_of(shop.shop_id, newest_paths()), "test", 2)
    fresh = artifacts.load(shop.shop_id, refreshed(shop, event_log, artifacts).artifact_id)
    old = artifacts.load(shop.shop_id, published)
    assert DEAR
    kept = np.isin(fresh.arrays["item_ids"], old.arrays["item_ids"])
    assert fresh.arrays["item_ids"][~kept].tolist() == [NEW.encode()]
    assert np.array_equal(fresh.arrays["history.factors"][kept], old.arrays["history.factors"])
    assert not fresh.arrays["history.factors"][~kept].any()
    for name in ("blends", "settings", "seed", "metrics"):
        assert fresh.meta[name] == old.meta[name]
    assert fresh.meta["refresh_of"] == published


def test_without_new_events_nothing_is_written(shop, event_log, artifacts, published):
    report = refreshed(shop, event_log, artifacts)
    assert report == RefreshReport(shop.shop_id, published, False, "no event is new")
    assert artifacts.ids(shop.shop_id) == [published]


def test_events_of_the_past_are_new_too(shop, event_log, artifacts, published):
    """A browser that was offline, or an import."""
    event_log.append(events_of(shop.shop_id, newest_paths(2, start_day=0)), "test", 2)
    assert refreshed(shop, event_log, artifacts).refreshed


def test_a_shop_that_was_never_trained_waits_for_its_training(shop, event_log, artifacts):
    event_log.append(events_of(shop.shop_id, two_groups(20)), "test", 1)
    report = refreshed(shop, event_log, artifacts)
    assert not report.refreshed
    assert artifacts.ids(shop.shop_id) == []


def test_the_way_back_leads_before_the_training_whatever_was_refreshed(
    shop, database, event_log, artifacts, published
):
    later = NOW + dt.timedelta(minutes=1)
    event_log.append(events_of(shop.shop_id, newest_paths()), "test", 2)
    trained = train(
        shop,
        event_log=event_log,
        catalogue=(),
        database=database,
        artifacts=artifacts,
        now=later,
    )
    for position in range(3, 8):
        more = newest_paths(1, start_day=30 + position)
        event_log.append(events_of(shop.shop_id, more), "test", position)
        assert refreshed(shop, event_log, artifacts, minutes=10 * position).refreshed
    assert artifacts.trained(shop.shop_id) == trained.artifact_id
    assert artifacts.load(shop.shop_id, trained.artifact_id), "the next gate compares with it"
    assert artifacts.go_back(shop.shop_id) == published
    # And the newest events come back into it.
    report = refreshed(shop, event_log, artifacts, minutes=90)
    assert report.refreshed
    assert artifacts.load(shop.shop_id, report.artifact_id).meta["refresh_of"] == published


def test_a_log_that_lost_most_of_its_items_changes_nothing(shop, tmp_path, artifacts, published):
    empty = DeltaEventLog(str(tmp_path / "other"))
    empty.append(events_of(shop.shop_id, newest_paths()), "test", 1)
    with pytest.raises(InconsistentError) as caught:
        refreshed(shop, empty, artifacts)
    assert caught.value.code == "vocabulary-shrank"
    assert artifacts.current(shop.shop_id) == published


def test_a_damaged_artifact_is_no_ground_to_build_on(
    shop, tmp_path, event_log, artifacts, published
):
    (tmp_path / "artifacts" / shop.shop_id / published / "item_ids.npy").write_bytes(b"")
    event_log.append(events_of(shop.shop_id, newest_paths()), "test", 2)
    with pytest.raises(InconsistentError):
        refreshed(shop, event_log, artifacts)
    assert artifacts.ids(shop.shop_id) == [published]


def test_two_refreshes_of_a_shop_never_meet(shop, event_log, artifacts, published):
    event_log.append(events_of(shop.shop_id, newest_paths()), "test", 2)
    with artifacts.exclusive(shop.shop_id):
        with pytest.raises(UnavailableError) as caught:
            refreshed(shop, event_log, artifacts)
        assert caught.value.code == "already-training"
    reports: list[object] = []

    def attempt() -> None:
        try:
            reports.append(refreshed(shop, event_log, artifacts).refreshed)
        except UnavailableError as error:
            reports.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reports.count(True) == 1
    assert set(reports) <= {True, False, "already-training"}
    assert len(artifacts.ids(shop.shop_id)) == 2
