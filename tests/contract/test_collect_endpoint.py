"""POST /v1/events: limits, flags, and what shoppers and their events meet while Redis is away."""

import dataclasses
import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from test_http import ITEMS, Caller, order, stored, view

from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.events.ingest import WRITER, ingest_once
from recommender.events.visits import visits_of
from recommender.shops.registry import NewShop
from recommender.upkeep import keep_up
from recommender.web.app import create_app
from recommender.web.collect_endpoint import MAX_BODY_BYTES, client_address
from world import SHOP_ORIGIN, Clock

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

AWAY = "unix:///no/such/socket"


@pytest.fixture
def client(services: Services) -> Iterator[FlaskClient]:
    with create_app(services).test_client() as client:
        yield client


@pytest.fixture
def caller(client: FlaskClient, services: Services, new_shop: NewShop) -> Caller:
    caller = Caller(client, services, new_shop)
    assert caller.items(ITEMS).status_code == 200
    return caller


@pytest.fixture
def build(settings: Settings, clock: Clock) -> Iterator[Callable[..., Services]]:
    """Makes services over the test's stores under changed settings."""
    made: list[Services] = []

    def _build(**changes: Any) -> Services:
        made.append(bootstrap(dataclasses.replace(settings, **changes), now=clock))
        return made[-1]

    yield _build
    for services in made:
        services.database.dispose()


def told(body: "TestResponse") -> list[str]:
    return [event["status"] for event in body.json["events"]]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# Borders


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'[{"type":"page_view","type":"purchase"}]', {}, 400, "duplicate-field"),
        (b"[" * 30 + b"]" * 30, {}, 400, "too-deep"),
        (b'{"type":"\\ud800"}', {}, 400, "malformed-json"),
        (gzip.compress(b"[]", mtime=0), {"Content-Encoding": "gzip"}, 415, "encoded-body"),
        (b"[]", {"Content-Encoding": "br"}, 415, "encoded-body"),
        (b" " * (MAX_BODY_BYTES + 1), {}, 413, "body-too-large"),
        (b" " * MAX_BODY_BYTES, {}, 400, "malformed-json"),
    ],
)
def test_a_body_outside_the_limits_is_told_so(
    caller: Caller, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = caller.events(body, **headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP_ORIGIN


def raw_post(services: Services, new_shop: NewShop, body: bytes, **environ: Any) -> str:
    statuses: list[str] = []
    answer = create_app(services)(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/v1/events",
            "QUERY_STRING": f"key={new_shop.public_key}",
            "wsgi.input": io.BytesIO(body),
            **environ,
        },
        lambda status, *_: statuses.append(status),  # type: ignore[arg-type, return-value]
    )
    b"".join(answer)
    return statuses[0][:3]


def test_a_body_without_a_length_is_bounded_too(services: Services, new_shop: NewShop) -> None:
    chunked = {"wsgi.input_terminated": True}
    endless = b" " * (10 * MAX_BODY_BYTES)
    assert raw_post(services, new_shop, b'[{"type":"page_view"}]', **chunked) == "202"
    assert raw_post(services, new_shop, endless, **chunked) == "413"
    assert raw_post(services, new_shop, b'[{"type":"page_view"}]') == "400", "no body at all"


def test_a_sender_s_wrong_clock_is_corrected(
    caller: Caller, services: Services, clock: Clock
) -> None:
    event = view(clock, "mug") | {"occurred_at": "2019-04-01T10:00:00Z"}
    caller.events({"sent_at": "2019-04-01T10:00:30Z", "visitor_id": "v", "events": [event]})
    (kept,) = stored(services)
    assert (clock() - kept.occurred_at).total_seconds() == 30


def test_programs_are_taken_and_flagged(caller: Caller, services: Services, clock: Clock) -> None:
    person = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    caller.events([view(clock, "mug", 1)], **{"User-Agent": person})
    caller.events([view(clock, "mug", 2)], **{"User-Agent": "Googlebot/2.1"})
    caller.events([view(clock, "mug", 3)], **{"User-Agent": person, "Sec-Purpose": "prefetch"})
    flags = [event.bot.partition(":")[2] for event in stored(services)]
    assert flags == ["", "googlebot", "prefetch"]


def test_flags_reach_the_event_log(caller: Caller, services: Services, clock: Clock) -> None:
    caller.events([view(clock, "mug", 1)], **{"User-Agent": "curl/8.5"})
    bring_in(services)
    log = services.event_log.events(caller.shop.shop_id).select("bot").to_pyarrow().to_pylist()
    assert [row["bot"].partition(":")[2] for row in log] == ["curl/"]


# Limits


def test_an_address_that_sends_too_much_is_asked_to_wait(
    build: Callable[..., Services], new_shop: NewShop, clock: Clock
) -> None:
    services = build(address_requests_per_minute=2, trust_proxy_hops=1)
    with create_app(services).test_client() as client:
        caller = Caller(client, services, new_shop)
        one = {"X-Forwarded-For": "6.6.6.6, 8.8.8.8"}
        before = counted("recommender_rate_limited_total", shop=new_shop.shop_id, limit="address")
        body = [{"type": "page_view"}]
        assert [caller.events(body, **one).status_code for _ in range(4)] == [202, 202, 429, 429]
        # What stands before the proxy's own word is the sender's invention.
        forged = {"X-Forwarded-For": "9.9.9.9, 8.8.8.8"}
        refused = caller.events(body, **forged)
        assert (refused.status_code, refused.json["code"]) == (429, "rate-limited")
        assert 20 <= int(refused.headers["Retry-After"]) <= 80
        assert caller.events(body, **{"X-Forwarded-For": "9.9.9.9"}).status_code == 202
        clock.advance(seconds=60)
        assert caller.events(body, **one).status_code == 202
        after = counted("recommender_rate_limited_total", shop=new_shop.shop_id, limit="address")
        assert after - before == 3


def test_a_shop_that_sends_too_much_is_asked_to_wait(
    build: Callable[..., Services], new_shop: NewShop
) -> None:
    services = build(shop_requests_per_minute=2)
    with create_app(services).test_client() as client:
        caller = Caller(client, services, new_shop)
        statuses = [caller.events([{"type": "page_view"}]).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


def test_workers_share_their_counts(build: Callable[..., Services], new_shop: NewShop) -> None:
    workers = [build(shop_requests_per_minute=5) for _ in range(2)]
    clients = [create_app(services).test_client() for services in workers]
    callers = [Caller(client, workers[0], new_shop) for client in clients]
    body = [{"type": "page_view"}]
    assert [callers[0].events(body).status_code for _ in range(4)] == [202] * 4
    assert callers[1].events(body).status_code == 202
    for services in (*workers, *workers):
        keep_up(services.state, services.limits)
    assert callers[1].events(body).status_code == 429


def test_nobody_is_limited_while_redis_is_away(
    build: Callable[..., Services], new_shop: NewShop
) -> None:
    services = build(redis_url=AWAY)
    before = counted("recommender_failed_open_total", part="rate-limit")
    with create_app(services).test_client() as client:
        assert Caller(client, services, new_shop).events([{"type": "page_view"}]).status_code == 202
    services.limits.share()
    assert counted("recommender_failed_open_total", part="rate-limit") == before + 1


@pytest.mark.parametrize(
    ("forwarded", "hops", "address"),
    [
        ("1.1.1.1", 0, "4.4.4.4"),
        ("1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 10.0.0.1", 2, "1.1.1.1"),
        ("1.1.1.1", 2, ""),
        ("", 1, ""),
    ],
)
def test_the_address_is_what_the_outermost_trusted_proxy_saw(
    forwarded: str, hops: int, address: str
) -> None:
    environ = {"REMOTE_ADDR": "4.4.4.4", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(environ, hops) == address


# Overload


def test_what_is_least_worth_is_shed_and_told(
    caller: Caller, services: Services, clock: Clock
) -> None:
    services.state.full_share = 0.7
    page = {"type": "page_view", "event_id": view(clock, "mug", 9)["event_id"]}
    labels = {"shop": caller.shop.shop_id, "type": "page_view"}
    before = counted("recommender_shed_events_total", **labels)
    answer = caller.events({"visitor_id": "v", "events": [page, view(clock, "mug", 1)]})
    assert answer.status_code == 202
    # Named with its id: the widget does not send it again.
    assert answer.json["events"][0] == {
        "event_id": page["event_id"],
        "status": "shed",
        "code": "overloaded",
    }
    assert told(answer) == ["shed", "accepted"]
    assert [event.type.value for event in stored(services)] == ["view_item"]
    assert counted("recommender_shed_events_total", **labels) == before + 1
    services.state.full_share = 0.95
    purchase = {"type": "purchase", "transaction_id": "o1"}
    assert told(caller.events([view(clock, "mug", 2), purchase])) == ["shed", "accepted"]


# Redis away


def bring_in(services: Services) -> None:
    while services.state.pending():
        ingest_once(
            services.state,
            services.event_log,
            database=services.database,
            writer=WRITER,
            now=services.now,
            limit=1_000,
            block_ms=0,
        )


def test_shop_and_shopper_go_on_while_redis_is_away(
    caller: Caller, services: Services, build: Callable[..., Services], clock: Clock
) -> None:
    away = build(redis_url=AWAY)
    sent = [view(clock, "mug", number) for number in range(4)]
    with create_app(away).test_client() as client:
        cut_off = Caller(client, away, caller.shop)
        for event in sent:
            assert told(cut_off.events({"visitor_id": "v1", "events": [event]})) == ["accepted"]
        # An item nobody knows is still no reason to fail.
        assert cut_off.events([view(clock, "unicorn", 9)]).json["code"] == "unknown-item"
        slate = cut_off.slate(placement="home", visitor_id="v1")
        assert slate.status_code == 200
        assert slate.json["items"] or slate.json["arm"] == "control"
        assert cut_off.signed("/v1/orders", order(clock)).status_code == 201
    away.state.spool.close()
    keep_up(services.state, services.limits)
    bring_in(services)
    log = services.event_log.events(caller.shop.shop_id).to_pyarrow().to_pylist()
    ids = [row["event_id"] for row in log if row["type"] == "view_item"]
    assert sorted(ids) == sorted(str(event["event_id"]) for event in sent)
    assert [row["order_id"] for row in log if row["type"] == "order"] == ["A-1"]
    assert len([row for row in log if row["type"] == "exposure"]) == 1


def test_a_full_spool_asks_to_come_again(build: Callable[..., Services], new_shop: NewShop) -> None:
    services = build(redis_url=AWAY, spool_mb=1)
    services.state.spool.limit_bytes = 1
    with create_app(services).test_client() as client:
        caller = Caller(client, services, new_shop)
        answers = [caller.events([{"type": "page_view"}]) for _ in range(60)]
        slate = caller.slate(placement="home", visitor_id="v1")
    assert {answer.status_code for answer in answers} == {503}
    assert {json.loads(answer.data)["code"] for answer in answers} == {"spool-full"}
    waits = {int(answer.headers["Retry-After"]) for answer in answers}
    assert len(waits) > 4, "clients that were refused together do not come back together"
    assert slate.status_code == 200


def test_requests_answered_together_have_answers_of_their_own(
    caller: Caller, services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environ(visitor: str, body: bytes = b"", key: str = "") -> dict[str, Any]:
        batch = {"visitor_id": visitor, "events": [view(clock, "mug", len(visitor))]}
        body = body or json.dumps(batch).encode()
        return {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/v1/events",
            "QUERY_STRING": f"key={key or caller.shop.public_key}",
            "REMOTE_ADDR": "192.0.2.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }

    def broken_for_one(events: Any) -> Any:
        if len({event.visitor for event in events}) > 1:
            raise RuntimeError("a fault that one request's events find")
        return visits_of(events)

    monkeypatch.setattr("recommender.web.collect_endpoint.visits_of", broken_for_one)
    fault = {"events": [view(clock, "mug", n) | {"visitor_id": f"f{n}"} for n in (8, 9)]}
    answer_each = create_app(services).extensions["direct"]["POST", "/v1/events"]
    answers = answer_each(
        [
            environ("a"),
            environ("bb", body=b"{"),
            environ("ccc", key="pk_nobody"),
            environ("dddd", body=json.dumps(fault).encode()),
            environ("eeeee"),
        ]
    )
    assert [answer.status[:3] for answer in answers] == ["202", "400", "401", "500", "202"]
    assert len(stored(services)) == 2
