"""Erasure and export over every real store: nothing is left, nobody else is touched."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import sqlalchemy as sa
from flask.testing import FlaskClient

from recommender import tables
from recommender.adapters.event_codec import encode_events
from recommender.adapters.log_eraser import LogEraser
from recommender.adapters.tombstone_file import TombstoneFile
from recommender.bootstrap import Services
from recommender.errors import InconsistentError, UnavailableError
from recommender.events.erase import Stores, finish_erasures
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.events.ingest import ingest_once
from recommender.events.orders import parse_order, parse_refund
from recommender.events.record_order import record_facts
from recommender.events.tombstones import Tombstone
from recommender.paths import PathKind, PathStep
from recommender.ports import Visit
from recommender.records import Arm, Event, EventItem, EventType, Shop
from recommender.shops.registry import NewShop
from recommender.training.forgetting import VisitorPasts
from recommender.web.app import create_app
from shoppers import Shoppers
from world import STARTED_AT, Clock

HOUR = dt.timedelta(hours=1)


class World:
    """A shop in which two browsers, `gone` and `stays`, left traces in every store."""

    def __init__(self, services: Services, shop: Shop, client: FlaskClient, key: str) -> None:
        self.services, self.shop, self._client = services, shop, client
        self._headers = {"Authorization": f"Bearer {key}"}
        self.gone, self.stays = self.hashed("gone"), self.hashed("stays")

    def hashed(self, visitor_id: str) -> str:
        return pseudonym(self.shop.visitor_key, visitor_id)

    def live(self) -> None:
        shoppers = Shoppers(self.shop)
        for number, visitor in enumerate((self.gone, self.stays)):
            shoppers.event(
                EventType.VIEW_ITEM, visitor, STARTED_AT - HOUR, items=(EventItem("mug"),)
            )
            shoppers.expose(visitor, STARTED_AT - HOUR, Arm.CONTROL)
            shoppers.order(f"order {number}", 500, STARTED_AT - HOUR, visitor)
        shoppers.tell(self.services.event_log, self.services.database)
        self._reject(self.gone)
        self.train()

    def _reject(self, visitor: str) -> None:
        row = {
            "rejection_id": "r1",
            "shop_id": self.shop.shop_id,
            "code": "damaged-event",
            "detail": "",
            "payload": encode_events([self.event(visitor)]).decode(),
            "received_at": STARTED_AT,
        }
        conflict = {
            "shop_id": self.shop.shop_id,
            "kind": "order",
            "fact_id": "1",
            "body_hash": "0" * 64,
            "body": json.dumps({"order_id": "1", "net_minor": 5, "visitor_id": "gone"}),
            "received_at": STARTED_AT,
        }
        with self.services.database.begin() as connection:
            connection.execute(tables.rejections.insert(), [row])
            connection.execute(tables.order_conflicts.insert(), [conflict])

    def event(self, visitor: str, at: dt.datetime | None = None, number: int = 0) -> Event:
        shoppers = Shoppers(self.shop)
        for _ in range(number + 1):
            shoppers.event(EventType.VIEW_ITEM, visitor, at or STARTED_AT, items=(EventItem("m"),))
        return shoppers.events[-1]

    def wait_in_stream(self, *events: Event) -> None:
        step = PathStep("mug", PathKind.VIEW, int(STARTED_AT.timestamp()))
        visits = {event.visitor: Visit([step], 1) for event in events}
        self.services.state.accept(events, visits)

    def ingest(self) -> None:
        ingest_once(
            self.services.state,
            self.services.event_log,
            database=self.services.database,
            writer="ingest",
            now=self.services.now,
            limit=100,
            block_ms=0,
        )

    def train(self) -> str:
        """Publish an artifact that knows both visitors, as training lays it out."""
        visitors = sorted([self.gone, self.stays])
        arrays = {
            "item_ids": np.array([b"mug", b"tea"]),
            "past_visitors": np.array([one.encode() for one in visitors]),
            "past_starts": np.array([0, 1, 3]),
            "past_items": np.array([0, 1, 0], np.int32),
            "past_kinds": np.array([2, 1, 0], np.int8),
            "past_seconds": np.array([9, 8, 7]),
        }
        store = self.services.artifacts
        artifact_id = store.write(self.shop.shop_id, arrays, {}, created_at=STARTED_AT)
        store.publish(self.shop.shop_id, artifact_id)
        row = {
            "shop_id": self.shop.shop_id,
            "artifact": artifact_id,
            "published": True,
            "reason": "",
            "metrics": {},
            "finished_at": STARTED_AT,
        }
        with self.services.database.begin() as connection:
            tables.upsert(connection, tables.trainings, [row])
        return artifact_id

    def call(self, method: str, path: str) -> tuple[int, Any]:
        answer = self._client.open(path, method=method, headers=self._headers)
        return answer.status_code, answer.get_json()

    def finish(self, *, at_once: bool = True) -> int:
        lake = self.services.settings.lake_url
        return finish_erasures(
            database=self.services.database,
            hot_state=self.services.people,
            stores=Stores(LogEraser(lake), VisitorPasts(self.services.artifacts)),
            now=self.services.now(),
            at_once=at_once,
        )

    def logged(self, *columns: str) -> list[tuple[Any, ...]]:
        rows = self.services.event_log.events(self.shop.shop_id).to_pyarrow().to_pylist()
        return sorted(tuple(row[name] for name in columns) for row in rows)

    def holders(self, text: str, besides: Sequence[str] = ()) -> list[str]:
        """Every file, key and row that holds a text."""
        found = [
            str(path)
            for folder in (self.services.settings.lake_url, self.services.settings.home)
            for path in Path(folder).rglob("*")
            # What the log says of its files goes with its older versions, within a day.
            if path.is_file() and "_delta_log" not in path.parts
            if path.name not in besides and text.encode() in path.read_bytes()
        ]
        return found + self._keys(text) + self._rows(text, besides)

    def _keys(self, text: str) -> list[str]:
        with redis.Redis.from_url(self.services.settings.redis_url) as client:
            keys = [key.decode() for key in client.scan_iter()]
            lists = [key for key in keys if key.startswith(("recent:", "latest:"))]
            held = [key for key in lists if any(text.encode() in one for one in
                                                client.lrange(key, 0, -1))]  # fmt: skip
        return held + [key for key in keys if text in key]

    def _rows(self, text: str, besides: Sequence[str]) -> list[str]:
        with self.services.database.connect() as connection:
            return [
                table.name
                for table in tables.metadata.sorted_tables
                if table.name not in besides
                for row in connection.execute(sa.select(table))
                if text in repr(tuple(row))
            ]


@pytest.fixture
def world(services: Services, shop: Shop, new_shop: NewShop) -> Iterator[World]:
    with create_app(services).test_client() as client:
        yield World(services, shop, client, new_shop.secret_key)


TOMBSTONES = ("erasures", "erasures.jsonl", "control.db", "control.db-wal")


def test_an_erased_browser_is_nowhere_and_nobody_else_is_touched(world: World) -> None:
    world.live()
    world.wait_in_stream(world.event(world.gone), world.event(world.stays, number=1))
    assert len(world.holders(world.gone)) >= 5
    assert world.call("DELETE", "/v1/visitors/gone") == (
        202, {"status": "erasing", "visitors": 1},
    )  # fmt: skip
    # At once: what a slate sees. The rest is noted.
    assert world._keys(world.gone) == []
    world.ingest()
    assert world.finish() == 1
    assert world.holders(world.gone, TOMBSTONES) == []
    assert world.logged("type", "visitor") == sorted([
        ("exposure", world.stays), ("order", ""), ("order", world.stays),
        ("view_item", world.stays), ("view_item", world.stays),
    ])  # fmt: skip
    with world.services.database.connect() as connection:
        orders = connection.execute(
            sa.select(tables.orders.c.net_minor, tables.orders.c.visitor)
        ).all()
        conflict = connection.scalar(sa.select(tables.order_conflicts.c.body))
    assert sorted(map(tuple, orders)) == sorted([(500, ""), (500, world.stays)])
    assert json.loads(str(conflict)) == {"order_id": "1", "net_minor": 5}
    pasts = VisitorPasts(world.services.artifacts)
    assert pasts.past(world.shop.shop_id, world.gone) == []
    assert [step["kind"] for step in pasts.past(world.shop.shop_id, world.stays)]


def test_the_artifact_serves_on_under_its_new_id(world: World) -> None:
    first = world.train()
    world.services.artifacts.publish(world.shop.shop_id, first)
    world.call("DELETE", "/v1/visitors/gone")
    world.finish()
    current = world.services.artifacts.current(world.shop.shop_id)
    assert current not in {None, first}
    assert world.services.artifacts.ids(world.shop.shop_id) == [current]
    assert world.services.artifacts.trained(world.shop.shop_id) == current
    with world.services.database.connect() as connection:
        assert connection.scalars(sa.select(tables.trainings.c.artifact)).all() == [current]


def test_what_happens_afterwards_is_new_data(world: World, clock: Clock) -> None:
    world.call("DELETE", "/v1/visitors/gone")
    queued = world.event(world.gone, STARTED_AT)
    world.wait_in_stream(queued)
    world.wait_in_stream(world.event(world.gone, STARTED_AT + HOUR, number=1))
    world.ingest()
    clock.advance(hours=2)
    assert world.finish(at_once=False) == 1
    # The one from before was still in a browser's queue; the later one came with consent.
    assert world.logged("occurred_at") == [(STARTED_AT + HOUR,)]


def test_an_erasure_is_gone_through_again_when_all_have_settled(world: World, clock: Clock) -> None:
    world.live()
    world.call("DELETE", "/v1/visitors/gone")
    assert world.finish(at_once=False) == 0
    # An ingester that read before the tombstone commits after the first sweep.
    assert world.services.event_log.committed_position("slow") == 0
    world.services.event_log.append([world.event(world.gone, number=5)], "slow", 1)
    clock.advance(minutes=59)
    assert world.finish(at_once=False) == 0
    clock.advance(minutes=1)
    assert world.finish(at_once=False) == 1
    assert [one for one in world.logged("visitor") if one == (world.gone,)] == []
    assert world.finish(at_once=False) == 0


def test_a_customer_is_erased_on_every_browser(world: World) -> None:
    world.live()
    for visitor_id in ("gone", "stays"):
        path = f"/v1/visitors/{visitor_id}/customer"
        answer = world._client.put(path, json={"customer_id": "7"}, headers=world._headers)
        assert answer.status_code == 201
    person = customer_pseudonym(world.shop.visitor_key, "7")
    marked = tables.orders.update().values(marks=f"test {person} other", email_key="7 by e-mail")
    with world.services.database.begin() as connection:
        connection.execute(marked)
    assert world.call("DELETE", "/v1/customers/7")[1]["visitors"] == 3
    world.finish()
    for one in (world.gone, world.stays, person):
        assert world.holders(one, TOMBSTONES) == []
    with world.services.database.connect() as connection:
        marks = connection.scalars(sa.select(tables.orders.c.marks)).all()
        assert set(connection.scalars(sa.select(tables.orders.c.email_key))) == {""}
    assert {tuple(one.split()) for one in marks} == {("test", "other")}


def test_one_browser_leaves_the_path_of_the_others(world: World) -> None:
    for visitor_id in ("gone", "stays", "third"):
        path = f"/v1/visitors/{visitor_id}/customer"
        world._client.put(path, json={"customer_id": "7"}, headers=world._headers)
    world.call("DELETE", "/v1/visitors/gone")
    held = world.services.people.held(world.shop.shop_id, world.stays)
    assert held["other_browsers"] == [world.hashed("third")]


def test_a_running_training_is_waited_for(world: World) -> None:
    world.live()
    world.call("DELETE", "/v1/visitors/gone")
    with world.services.artifacts.exclusive(world.shop.shop_id):
        assert world.finish() == 0
    assert world.finish() == 1


def test_an_export_holds_everything_and_nothing_of_others(world: World) -> None:
    world.live()
    world.wait_in_stream(world.event(world.gone), world.event(world.stays, number=1))
    status, held = world.call("GET", "/v1/visitors/gone")
    assert status == 200
    assert held["visitors"] == [world.gone]
    assert world.stays not in json.dumps(held)
    assert held["hot_state"][world.gone]["page_views"] == 1
    assert [step["item_id"] for step in held["hot_state"][world.gone]["recent"]] == ["mug"]
    assert len(held["waiting"]) == len(held["rejections"]) == len(held["order_conflicts"]) == 1
    assert sorted(event["type"] for event in held["events"]) == ["exposure", "order", "view_item"]
    assert held["model_past"][world.gone]


def test_an_export_of_a_customer_holds_orders_that_name_no_browser(world: World) -> None:
    told = {"order_id": "9", "currency": "EUR", "net_minor": 500, "items": [{"item_id": "mug"}]}
    placed = told | {"placed_at": STARTED_AT.isoformat(), "customer_id": "7"}
    gone_back = told | {"refund_id": "9r", "refunded_at": STARTED_AT.isoformat()}
    of_another = placed | {"order_id": "8", "customer_id": "8"}
    read = partial(parse_order, shop=world.shop, received_at=STARTED_AT)
    refund = parse_refund(gone_back, shop=world.shop, received_at=STARTED_AT)
    record_facts(
        [read(placed), read(of_another), refund],
        database=world.services.database,
        stream=world.services.state,
    )
    world.ingest()
    held = world.call("GET", "/v1/customers/7")[1]
    orders = {(one["kind"], one["fact_id"]) for one in held["orders"]}
    assert orders == {("order", "9"), ("refund", "9r")}
    (event,) = held["events"]
    assert (event["order_id"], event["items"][0]["item_id"]) == ("9", "mug")
    assert world.call("DELETE", "/v1/customers/7")[0] == 202
    assert world.call("GET", "/v1/customers/7")[1]["orders"] == []


def test_an_export_after_the_erasure_is_empty(world: World) -> None:
    world.live()
    world.call("DELETE", "/v1/visitors/gone")
    world.finish()
    held = world.call("GET", "/v1/visitors/gone")[1]
    stores = ("events", "waiting", "orders", "logins", "rejections", "order_conflicts")
    assert {name: held[name] for name in stores} == {name: [] for name in stores}
    assert held["model_past"][world.gone] == held["hot_state"][world.gone]["recent"] == []


def test_without_its_hot_state_an_erasure_is_noted_and_done_later(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    world.wait_in_stream(world.event(world.gone))

    def away(shop_id: str, visitors: Sequence[str]) -> None:
        raise UnavailableError("away", code="redis-unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(world.services.people, "forget", away)
        assert world.call("DELETE", "/v1/visitors/gone")[0] == 503
        assert world.finish() == 0
    clock.advance(hours=1)
    assert world.finish(at_once=False) == 1
    assert world._keys(world.gone) == []


def test_tombstones_survive_in_their_file(tmp_path: Path) -> None:
    file = TombstoneFile(tmp_path / "home" / "erasures.jsonl")
    assert file.read() == []
    first, second = (Tombstone("shop_1", visitor, STARTED_AT) for visitor in ("a", "b"))
    file.append([first])
    with (tmp_path / "home" / "erasures.jsonl").open("ab") as torn:
        torn.write(b'{"shop_id":"shop_1","vis')
    assert file.read() == [first]
    file.append([second])
    assert file.read() == [first, second]
    assert (tmp_path / "home" / "erasures.jsonl").stat().st_mode & 0o077 == 0


def test_a_damaged_tombstone_is_never_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    path.write_bytes(b'{"shop_id":"a"}\n')
    with pytest.raises(InconsistentError, match="Line 1"):
        TombstoneFile(path).read()
