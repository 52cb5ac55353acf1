"""Rules from a shop's server or its operator to every worker's memory."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.catalog.cache import CatalogueCache
from recommender.catalog.update_rules import MAX_RULES, delete_rule, list_rules, put_rules
from recommender.cli.rules_commands import rules as rules_command
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Placement, Rule, RuleAction, RuleMatch, Shop
from recommender.shops.registry import NewShop, ShopOrder, create_shop
from recommender.web.app import create_app
from world import SHOP_ORIGIN

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
BOOST = {"rule_id": "r1", "action": "boost", "factor": 1.5, "match": {"brands": ["Clay"]}}


class Announced:
    def __init__(self) -> None:
        self.heard: list[int] = []

    def announce_catalogue(self, shop_id: str, revision: int) -> None:
        self.heard.append(revision)


@pytest.fixture
def announced() -> Announced:
    return Announced()


def rule(shop: Shop, rule_id: str = "r1", **changes: Any) -> Rule:
    plain = Rule(
        shop_id=shop.shop_id,
        rule_id=rule_id,
        name="Clay weeks",
        action=RuleAction.BOOST,
        match=RuleMatch(brands=("Clay",), price_min_minor=100, margin_max_ppm=200_000),
        placements=(Placement.CART,),
        factor_ppm=1_500_000,
        starts_at=NOW,
    )
    return replace(plain, **changes)


@pytest.fixture
def put(database: sa.Engine, shop: Shop, announced: Announced) -> Callable[..., int]:
    def store(*rules: Rule, now: dt.datetime = NOW) -> int:
        return put_rules(
            rules,
            database=database,
            hot_state=announced,  # type: ignore[arg-type]
            shop_id=shop.shop_id,
            changed_by="owner@shop.example",
            now=now,
        )

    return store


def test_a_rule_is_stored_with_who_and_when_and_announced(
    database: sa.Engine, shop: Shop, announced: Announced, put: Callable[..., int]
) -> None:
    assert put(rule(shop)) == 1
    assert announced.heard == [1]
    stored = replace(rule(shop), changed_by="owner@shop.example", changed_at=NOW)
    assert list_rules(shop.shop_id, database=database) == (stored,)
    assert CatalogueCache(database).get(shop.shop_id).rules == (stored,)


def test_a_worker_has_a_rule_with_the_next_announced_revision(
    database: sa.Engine, shop: Shop, announced: Announced, put: Callable[..., int]
) -> None:
    cache = CatalogueCache(database, monotonic=lambda: 0.0)
    assert cache.get(shop.shop_id).rules == ()
    revision = put(rule(shop), rule(shop, "r2"))
    snapshot = cache.get(shop.shop_id, revision)
    assert [one.rule_id for one in snapshot.rules] == ["r1", "r2"]
    revision = put(rule(shop, active=False))
    snapshot = cache.get(shop.shop_id, revision)
    assert [one.active for one in snapshot.rules] == [False, True]
    revision = delete_rule(
        shop.shop_id,
        "r1",
        database=database,
        hot_state=announced,  # type: ignore[arg-type]
    )
    assert [one.rule_id for one in cache.get(shop.shop_id, revision).rules] == ["r2"]
    assert announced.heard == [1, 2, 3]


def test_rules_stay_as_they_are_while_items_change(
    database: sa.Engine, shop: Shop, put: Callable[..., int]
) -> None:
    from recommender.catalog.update import put_items
    from recommender.records import Item

    cache = CatalogueCache(database, monotonic=lambda: 0.0)
    put(rule(shop))
    first = cache.get(shop.shop_id, 1)
    item = Item(shop.shop_id, "a", "A", "/a", "", 100, shop.currency)
    revision = put_items(
        [item],
        database=database,
        hot_state=Announced(),  # type: ignore[arg-type]
        shop_id=shop.shop_id,
        now=NOW,
    )
    second = cache.get(shop.shop_id, revision)
    assert second.rules is first.rules
    assert len(second) == 1


def test_more_rules_than_allowed_are_refused_together(
    database: sa.Engine, shop: Shop, put: Callable[..., int]
) -> None:
    put(*(rule(shop, f"r{number}") for number in range(MAX_RULES - 1)))
    with pytest.raises(InvalidInputError) as caught:
        put(rule(shop, "x"), rule(shop, "y"))
    assert caught.value.code == "too-many-rules"
    assert len(list_rules(shop.shop_id, database=database)) == MAX_RULES - 1
    assert put(rule(shop, "x")) == 2


def test_rules_of_another_shop_are_neither_written_nor_deleted(
    database: sa.Engine, shop: Shop, announced: Announced, put: Callable[..., int]
) -> None:
    with pytest.raises(InvalidInputError):
        put(rule(shop), rule(shop, "r2", shop_id="other"))
    put(rule(shop))
    order = ShopOrder("Other", "EUR", "FR", "Europe/Paris", [SHOP_ORIGIN])
    other = create_shop(order, database=database, now=NOW)
    with pytest.raises(NotFoundError) as caught:
        delete_rule(
            other.shop_id,
            "r1",
            database=database,
            hot_state=announced,  # type: ignore[arg-type]
        )
    assert caught.value.code == "unknown-rule"
    assert len(list_rules(shop.shop_id, database=database)) == 1
    # What failed left no revision behind.
    assert CatalogueCache(database).get(other.shop_id).revision == 0


# -- over HTTP ----------------------------------------------------------------------------------


@pytest.fixture
def tenant(services: Services) -> NewShop:
    order = ShopOrder("Shop", "EUR", "FR", "Europe/Paris", [SHOP_ORIGIN])
    return create_shop(order, database=services.database, now=services.now())


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


@pytest.fixture
def call(client: FlaskClient, tenant: NewShop) -> Callable[..., TestResponse]:
    def open_it(method: str, path: str = "/v1/rules", body: object = None) -> TestResponse:
        return client.open(
            path,
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {tenant.secret_key}"},
        )

    return open_it


def test_rules_are_put_read_and_deleted_over_http(call: Callable[..., TestResponse]) -> None:
    answer = call("PUT", body={"rules": [BOOST, BOOST | {"rule_id": "r2", "factor": 0.5}]})
    assert answer.status_code == 200
    assert answer.json["accepted"] == 1
    assert [one["code"] for one in answer.json["rejected"]] == ["bad-factor"]
    (listed,) = call("GET").json["rules"]
    assert listed["changed_by"] == "api"
    assert {name: listed[name] for name in BOOST} == BOOST
    # What was read may be put again.
    assert call("PUT", body={"rules": [listed]}).json["rejected"] == []
    assert call("DELETE", "/v1/rules/r1").status_code == 200
    assert call("GET").json == {"rules": []}
    gone = call("DELETE", "/v1/rules/r1")
    assert (gone.status_code, gone.json["code"]) == (404, "unknown-rule")


def test_a_batch_without_a_good_rule_is_a_problem(call: Callable[..., TestResponse]) -> None:
    answer = call("PUT", body={"rules": [{"rule_id": "x", "action": "exclude"}]})
    assert (answer.status_code, answer.json["code"]) == (422, "empty-match")
    for body in ({}, [], {"rules": "all"}):
        assert call("PUT", body=body).json["code"] == "not-a-batch"


def test_rules_need_the_secret_key(client: FlaskClient, tenant: NewShop) -> None:
    for method, path in (("GET", "/v1/rules"), ("PUT", "/v1/rules"), ("DELETE", "/v1/rules/r")):
        assert client.open(path, method=method).status_code == 401
        public = {"Authorization": f"Bearer {tenant.public_key}"}
        assert client.open(path, method=method, headers=public).status_code == 401


# -- on the command line ------------------------------------------------------------------------


def test_rules_travel_between_list_and_put(
    services: Services, tenant: NewShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.cli.rules_commands.make_services", lambda **_: services)
    run = CliRunner().invoke
    shop = ["--shop", tenant.shop_id]
    stored = run(rules_command, ["put", "-", *shop], input=json.dumps({"rules": [BOOST]}))
    assert stored.exit_code == 0, stored.output
    listed = run(rules_command, ["list", *shop])
    assert "r1: Boost (×1.5) items of “Clay” everywhere." in listed.output
    as_json = run(rules_command, ["list", *shop, "--json"]).output
    assert json.loads(as_json)["rules"][0]["changed_by"] == "command"
    assert run(rules_command, ["put", "-", *shop], input=as_json).exit_code == 0
    refused = run(rules_command, ["put", "-", *shop], input='{"rules": [{"rule_id": "a"}]}')
    assert isinstance(refused.exception, InvalidInputError)
    assert run(rules_command, ["delete", "r1", *shop]).exit_code == 0
    assert "No rules" in run(rules_command, ["list", *shop]).output
