"""Training on the real event log and both databases, and serving what it published."""

import dataclasses
import datetime as dt
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import ibis
import numpy as np
import pytest
import sqlalchemy as sa
import uuid_utils

from planted import BEGAN_AT, GROUPS, Line, catalogue_item, two_groups
from recommender import tables
from recommender.adapters.event_log import DeltaEventLog
from recommender.catalog.cache import CatalogueCache
from recommender.errors import UnavailableError
from recommender.events.columns import EVENT_SCHEMA
from recommender.events.identity import derived_event_id, pseudonym
from recommender.events.visits import visits_of
from recommender.records import Event, EventItem, EventType, Placement, Shop, Source, Stratum
from recommender.serving.models import LoadedModels
from recommender.serving.recommend import SlateRequest, recommend
from recommender.training import read as read_module
from recommender.training.artifact import ArtifactStore
from recommender.training.interactions import (
    ANONYMOUS,
    Interactions,
    Kind,
    index_lines,
    interaction_lines,
)
from recommender.training.read import read_training_set
from recommender.training.train import STEPS, TrainingReport, train
from world import ON_SQLITE

A, B = GROUPS["a"], GROUPS["b"]
NOW = BEGAN_AT + dt.timedelta(days=40)

_TYPES = {Kind.VIEW: EventType.VIEW_ITEM, Kind.CART: EventType.ADD_TO_CART}


def event(
    shop_id: str, type_: EventType, seconds: int, *items: str, visitor: str = "", **more: str
) -> Event:
    at = BEGAN_AT + dt.timedelta(seconds=seconds)
    return Event(
        shop_id=shop_id,
        event_id=derived_event_id(at, type_, visitor, *items, *more.values()),
        type=type_,
        visitor=visitor,
        occurred_at=at,
        received_at=at,
        day=at.date(),
        source=Source.BROWSER,
        items=tuple(EventItem(item, 1, 500) for item in items),
        **more,
    )


def events_of(shop_id: str, lines: Iterable[Line]) -> list[Event]:
    """Tell planted lines as the events that a shop would have sent."""
    found = []
    for step, group in itertools.groupby(lines, key=lambda line: line[0]):
        (_, kind, visitor, _, _, seconds), *_ = own = list(group)
        items = [line[4] for line in own]
        type_ = _TYPES.get(kind, EventType.ORDER)
        order = {"order_id": step} if kind == Kind.ORDER else {}
        found.append(event(shop_id, type_, seconds, *items, visitor=visitor, **order))
    return found


def read(event_log: DeltaEventLog, *events: Event) -> Interactions:
    event_log.append(events, "test", 1)
    return index_lines(interaction_lines(event_log.events("s")).to_pyarrow())


def rows(interactions: Interactions) -> list[tuple[str, int, int]]:
    return [
        (interactions.item_ids[item].decode(), kind, visitor)
        for item, kind, visitor in zip(
            interactions.item.tolist(),
            interactions.kind.tolist(),
            interactions.visitor.tolist(),
            strict=True,
        )
    ]


def test_only_what_shows_interest_is_read_and_oldest_comes_first(event_log):
    found = read(
        event_log,
        event("s", EventType.ADD_TO_CART, 20, "b", visitor="v"),
        event("s", EventType.VIEW_ITEM, 10, "a", visitor="v"),
        event("s", EventType.ORDER, 30, "c", "d", visitor="w", order_id="o"),
        event("s", EventType.EXPOSURE, 5, "x", visitor="v"),
        event("s", EventType.IMPRESSION, 6, "x", visitor="v"),
        event("s", EventType.VIEW_LIST, 7, "x", visitor="v"),
        event("s", EventType.REMOVE_FROM_CART, 8, "x", visitor="v"),
        event("s", EventType.PAGE_VIEW, 9, visitor="v"),
        event("other", EventType.VIEW_ITEM, 1, "y", visitor="v"),
    )
    assert rows(found) == [
        ("a", Kind.VIEW, 0),
        ("b", Kind.CART, 0),
        ("c", Kind.ORDER, 1),
        ("d", Kind.ORDER, 1),
    ]
    assert len(set(found.step.tolist())) == 3, "a basket is one step"
    assert found.at_seconds[0] == int(BEGAN_AT.timestamp()) + 10


def test_a_purchase_lends_its_visitor_to_the_order_and_counts_once(event_log):
    found = read(
        event_log,
        event("s", EventType.PURCHASE, 10, "a", "b", visitor="v", order_id="o1"),
        event("s", EventType.ORDER, 12, "a", "b", order_id="o1"),
        event("s", EventType.ORDER, 20, "c", order_id="o2"),
    )
    assert rows(found) == [
        ("a", Kind.ORDER, 0),
        ("b", Kind.ORDER, 0),
        ("c", Kind.ORDER, ANONYMOUS),
    ]


def test_reloads_count_once_a_day_but_baskets_stay_whole(event_log):
    day = 24 * 3_600
    reloads = [event("s", EventType.VIEW_ITEM, number, "a", visitor="v") for number in range(50)]
    found = read(
        event_log,
        *reloads,
        event("s", EventType.VIEW_ITEM, day, "a", visitor="v"),
        event("s", EventType.ORDER, 100, "a", visitor="v", order_id="o1"),
        event("s", EventType.ORDER, 200, "a", "b", visitor="v", order_id="o2"),
    )
    counts = {
        kind: [item for item, found_kind, _ in rows(found) if found_kind == kind] for kind in Kind
    }
    assert counts == {Kind.VIEW: ["a", "a"], Kind.CART: [], Kind.ORDER: ["a", "a", "b"]}


def test_days_read_one_by_one_make_the_same_as_all_at_once(event_log, monkeypatch):
    """A link, a visitor, a session and an order's second telling lie days apart from the first."""
    day = 24 * 3_600
    told = [
        event("s", EventType.PURCHASE, 10, "a", "b", visitor="v", order_id="o1"),
        event("s", EventType.VIEW_ITEM, 20, "b", visitor="w", session="7"),
        event("s", EventType.ORDER, day, "a", "c", order_id="o1"),
        event("s", EventType.VIEW_ITEM, day + 5, "c", visitor="w", session="7"),
        event("s", EventType.ADD_TO_CART, 2 * day, "b", visitor="v"),
        event("s", EventType.ORDER, 3 * day, "c", order_id="o2"),
    ]
    whole = read(event_log, *told)
    assert sorted(event_log.rows_by_day("s").values()) == [1, 1, 2, 2]
    monkeypatch.setattr(read_module, "ROWS_PER_CHUNK", 1)
    found = read_training_set("s", event_log=event_log, catalogue=()).interactions
    assert rows(found) == rows(whole)
    for name in ("item_ids", "visitor_ids", "at_seconds", "sequence"):
        assert getattr(found, name).tolist() == getattr(whole, name).tolist()
    assert read_training_set("other", event_log=event_log, catalogue=()).n_items == 0


def test_the_expression_is_understood_by_spark_too():
    events = ibis.table(ibis.Schema.from_pyarrow(EVENT_SCHEMA), name="events")
    assert "EXPLODE" in ibis.to_sql(interaction_lines(events), dialect="pyspark").upper()


def learn(
    shop: Shop,
    database: sa.Engine,
    event_log: DeltaEventLog,
    artifacts: ArtifactStore,
    **changes: object,
) -> TrainingReport:
    given = {"now": NOW, "seed": 3, "catalogue": ()} | changes
    return train(shop, event_log=event_log, database=database, artifacts=artifacts, **given)


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@ON_SQLITE
def test_a_shop_without_events_has_nothing_to_learn(shop, database, event_log, artifacts):
    with pytest.raises(UnavailableError) as caught:
        learn(shop, database, event_log, artifacts)
    assert caught.value.code == "nothing-to-learn"
    event_log.append([event(shop.shop_id, EventType.VIEW_ITEM, 0, "a", visitor="v")], "test", 1)
    with pytest.raises(UnavailableError):
        learn(shop, database, event_log, artifacts)


def test_training_publishes_and_remembers(shop, database, event_log, artifacts):
    event_log.append(events_of(shop.shop_id, two_groups(150)), "test", 1)
    steps: list[str] = []
    report = learn(shop, database, event_log, artifacts, progress=steps.append)
    assert steps == list(STEPS)
    assert report.published, report.reason
    assert artifacts.current(shop.shop_id) == report.artifact_id
    assert report.n_items == len(A) + len(B)
    blend = report.metrics["path"]["blend"]["ndcg@20"]
    assert blend > report.metrics["path"]["sources"]["popular"]["ndcg@20"]
    with database.connect() as connection:
        (row,) = connection.execute(sa.select(tables.trainings)).all()
    assert (row.shop_id, row.artifact, row.published) == (shop.shop_id, report.artifact_id, True)
    assert (row.reason, row.finished_at) == (report.reason, NOW)
    assert row.metrics == {
        "tasks": report.metrics,
        "blends": report.blends,
        "n_interactions": report.n_interactions,
        "n_items": report.n_items,
    }


@ON_SQLITE
def test_equal_events_give_an_equal_artifact(shop, database, event_log, artifacts, tmp_path):
    event_log.append(events_of(shop.shop_id, two_groups(100)), "test", 1)
    first = learn(shop, database, event_log, artifacts)
    elsewhere = ArtifactStore(tmp_path / "elsewhere")
    assert learn(shop, database, event_log, elsewhere).artifact_id == first.artifact_id
    third = ArtifactStore(tmp_path / "third")
    assert learn(shop, database, event_log, third, seed=4).artifact_id != first.artifact_id


@ON_SQLITE
def test_a_shop_of_fifty_orders_gets_its_model(shop, database, event_log, artifacts):
    rng = np.random.default_rng(2)
    orders = [
        event(
            shop.shop_id,
            EventType.ORDER,
            86_400 * number,
            *rng.choice(GROUPS["ab"[number % 2]], 3, replace=False).tolist(),
            order_id=f"o{number}",
        )
        for number in range(50)
    ]
    event_log.append(orders, "test", 1)
    report = learn(shop, database, event_log, artifacts)
    assert report.published
    assert artifacts.load(shop.shop_id, report.artifact_id).arrays["item_ids"].tolist()


@ON_SQLITE
def test_a_shop_whose_first_order_just_came_gets_its_model(shop, database, event_log, artifacts):
    """Everything happened in one second: there is no older part to learn a recipe on."""
    order = event(shop.shop_id, EventType.ORDER, 0, "a", "b", order_id="o1")
    event_log.append([order], "test", 1)
    report = learn(shop, database, event_log, artifacts)
    assert report.published
    assert report.metrics == {}
    assert artifacts.current(shop.shop_id) == report.artifact_id


def test_a_broken_import_does_not_replace_what_serves(
    shop, database, event_log, artifacts, tmp_path
):
    """The same history comes back with its items mixed up; what follows shows the harm."""
    lines = two_groups(360)
    early, late = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    event_log.append(events_of(shop.shop_id, early), "test", 1)
    good = learn(shop, database, event_log, artifacts)
    assert good.published
    mixed = np.random.default_rng(0).permutation([line[4] for line in early]).tolist()
    broken = [(*line[:4], item, line[5]) for line, item in zip(early, mixed, strict=True)]
    other_log = DeltaEventLog(str(tmp_path / "other"))
    other_log.append(events_of(shop.shop_id, [*broken, *late]), "test", 1)
    bad = learn(shop, database, other_log, artifacts, now=NOW + dt.timedelta(days=1))
    assert not bad.published
    assert "the published artifact" in bad.reason
    assert artifacts.current(shop.shop_id) == good.artifact_id
    with database.connect() as connection:
        found = dict(
            connection.execute(sa.select(*tables.trainings.c["artifact", "published"])).all()
        )
    assert found == {good.artifact_id: True, bad.artifact_id: False}


@ON_SQLITE
def test_what_was_learned_serves(shop, database, event_log, artifacts, state):
    """Real event log, database, Redis: the path steers, the exposure reaches the stream."""
    event_log.append(events_of(shop.shop_id, two_groups(150)), "test", 1)
    learn(shop, database, event_log, artifacts)
    _stock(database, shop)
    everyone = Stratum(shop.shop_id, 1, "salt", 1_000_000, BEGAN_AT)
    shop = dataclasses.replace(shop, strata=(everyone,))
    models = LoadedModels(artifacts, poll_seconds=3_600)
    visitor = pseudonym(shop.visitor_key, "v")
    seen = event(shop.shop_id, EventType.VIEW_ITEM, 0, B[0], visitor=visitor)
    state.accept([seen], visits_of([seen]))

    def ask() -> list[str]:
        (answer,) = recommend(
            [(shop, SlateRequest(Placement.HOME, visitor_id="v", n=4))],
            hot_state=state,
            catalogues=CatalogueCache(database),
            models=models,
            now=NOW,
            monotonic=time.monotonic,
            new_id=lambda: str(uuid_utils.uuid7()),
            budget_ms=10_000,
        )
        assert (answer.arm, answer.slate.fallback) == ("treatment", "")
        return [item.item_id for item in answer.slate.items]

    shown = ask()
    assert {item_id[0] for item_id in shown} == {"b"}
    assert ask() == shown
    exposures = [
        recorded
        for entry in state.read(0, 100)
        for recorded in entry.events
        if recorded.type is EventType.EXPOSURE
    ]
    (exposure,) = exposures
    assert [item.item_id for item in exposure.items] == shown
    models.close()


def _stock(database: sa.Engine, shop: Shop) -> None:
    items = [
        dataclasses.asdict(catalogue_item(item_id, shop_id=shop.shop_id))
        | {"updated_at": NOW, "first_seen_at": BEGAN_AT}
        for item_id in [*A, *B]
    ]
    with database.begin() as connection:
        tables.upsert(connection, tables.items, items)
        connection.execute(
            sa.update(tables.shops)
            .where(tables.shops.c.shop_id == shop.shop_id)
            .values(catalogue_revision=1)
        )


@ON_SQLITE
def test_the_command_trains_all_shops_and_tells_as_json(
    shop, database, database_url, event_log, tmp_path
):
    event_log.append(events_of(shop.shop_id, two_groups(40)), "test", 1)
    environ = os.environ | {
        "RECOMMENDER_HOME": str(tmp_path / "home"),
        "RECOMMENDER_DATABASE_URL": database_url,
        "RECOMMENDER_LAKE_URL": str(tmp_path / "lake"),
    }

    def command(*arguments: str) -> str:
        line = [sys.executable, "-m", "recommender", "train", *arguments]
        return subprocess.run(line, env=environ, check=True, capture_output=True, text=True).stdout

    (result,) = json.loads(command("--json"))["shops"]
    assert (result["shop_id"], result["published"]) == (shop.shop_id, True)
    told = command("--shop", shop.shop_id)
    assert "recall@20" in told
    assert "bought_together" in told
