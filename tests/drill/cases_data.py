"""Cases 40-50, 52-55, 59, 86: what comes in is wrong, twice, late, or too much."""

import datetime as dt
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import uuid_utils

from drill.case import Drill, Outcome, case
from drill.journal import Journal
from drill.load import Caller, Reply, make_events, make_order, post_events, post_order
from drill.raw import answers, exchange, status
from drill.service import Service
from drill.shops import DrillShop
from recommender.bench.web_process import private_bytes

Event = dict[str, Any]


def one_event(**fields: object) -> Event:
    return {"event_id": str(uuid_utils.uuid7()), "type": "page_view", **fields}


def path_of(shop: DrillShop) -> str:
    return f"/v1/events?{urlencode({'key': shop.public_key})}"


def post_raw(service: Service, shop: DrillShop, body: bytes, **headers: str) -> Reply:
    caller = Caller(service.address, seconds=30.0)
    try:
        return caller.ask("POST", path_of(shop), body, {"Origin": shop.origin, **headers})
    finally:
        caller.close()


def is_refused(reply: Reply) -> bool:
    return reply.status is not None and 400 <= reply.status < 500


def still_works(drill: Drill, outcome: Outcome, service: Service, journal: Journal) -> None:
    """Send honest events after the hostile ones, and close the books over both."""
    caller = Caller(service.address)
    for shop in service.shops:
        reply = post_events(caller, journal, shop, make_events(drill.draw, shop, 5))
        outcome.check(reply.status == 202, f"an honest batch was answered {reply.status}")
    caller.close()
    drill.close_books(outcome, service, journal)


@case("40", short=True)
def duplicates(drill: Drill) -> Outcome:
    outcome = Outcome(
        "every batch again three times, shuffled, from four connections; in one batch"
    )
    service = drill.visit()
    journal = drill.journal(service)
    work = [
        (shop, make_events(drill.draw, shop, 5))
        for shop in service.shops
        for _ in range(drill.choose(20, 150))
    ]
    work = [(shop, [*events, events[0]]) for shop, events in work] * 4
    orders = [(shop, make_order(drill.draw, shop)) for shop in service.shops for _ in range(5)] * 4
    drill.draw.shuffle(work)

    def send(part: int) -> None:
        caller = Caller(service.address)
        for shop, events in work[part::4]:
            post_events(caller, journal, shop, events)
        for shop, order in orders[part::4]:
            post_order(caller, journal, shop, order)
        caller.close()

    together([lambda part=part: send(part) for part in range(4)])
    outcome.rounds = len(work)
    drill.close_books(outcome, service, journal)
    return outcome


def together(tasks: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@case("41", short=True)
def same_id_other_body(drill: Drill) -> Outcome:
    outcome = Outcome("the same event id and the same order id with other contents")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    first = one_event(page="/first")
    post_events(caller, journal, shop, [first])
    post_events(caller, journal, shop, [first | {"page": "/second", "visitor_id": "other"}])
    order = make_order(drill.draw, shop)
    outcome.check(post_order(caller, journal, shop, order).status == 201, "the order was refused")
    changed = order | {"net_minor": order["net_minor"] + 1}
    outcome.check(post_order(caller, journal, shop, changed).status == 409, "no conflict was told")
    outcome.rounds = 2
    drill.close_books(outcome, service, journal)
    with service.inside() as services:
        rows = services.event_log.events(shop.shop_id).to_pyarrow().to_pylist()
    pages = [row["page"] for row in rows if row["event_id"] == first["event_id"]]
    outcome.check(pages == ["/first"], f"stored pages {pages}")
    ledger = service.rows(
        "SELECT net_minor FROM orders WHERE shop_id = :shop AND kind = 'order'", shop=shop.shop_id
    )
    outcome.check([row[0] for row in ledger] == [order["net_minor"]], f"ledger {ledger}")
    conflicts = service.rows("SELECT 1 FROM order_conflicts WHERE shop_id = :s", s=shop.shop_id)
    outcome.check(len(conflicts) == 1, f"{len(conflicts)} conflicts listed")
    return outcome


@case("43", short=True)
def impossible_times(drill: Drill) -> Outcome:
    outcome = Outcome("times an hour to ninety days late, years ahead, at 0, negative, s, ms, µs")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    now = time.time()
    times: list[object] = [
        *(now - days * 86_400 for days in (0.04, 1, 6, 8, 90)),
        *(now + days * 86_400 for days in (0.02, 1, 366)),
        *(0, -1, -(10**12), 10**18, 253_402_300_799, now * 10**3, now * 10**6, now * 10**9),
    ]
    told = [
        *(int(one) for one in times),  # type: ignore[call-overload]
        *("9999-12-31T23:59:59Z", "1970-01-01", "2026-02-30", "2016-12-31T23:59:60Z", "soon", ""),
    ]
    for value in told:
        reply = post_events(caller, journal, shop, [one_event(timestamp=value, occurred_at=value)])
        outcome.check(reply.status in (202, 422), f"{value!r} was answered {reply.status}")
        outcome.rounds += 1
    drill.close_books(outcome, service, journal)
    with service.inside() as services:
        rows = services.event_log.events(shop.shop_id).to_pyarrow().to_pylist()
    week = dt.timedelta(days=7, seconds=1)
    wrong = [
        row["occurred_at"]
        for row in rows
        if not row["received_at"] - week <= row["occurred_at"] <= row["received_at"]
    ]
    outcome.check(not wrong, f"stored as happening at {wrong[:2]}")
    outcome.notes.append(f"{len(rows)} stored, none outside the week before its receipt")
    return outcome


@case("44", short=True)
def large_bodies(drill: Drill) -> Outcome:
    outcome = Outcome("bodies of megabytes, 100,000 events, one huge field, chunks without length")
    service = drill.visit()
    journal, shop = drill.journal(service), service.shops[0]
    before = _memory(service)
    bodies = {
        "5 MB": b'[{"type":"page_view","page":"' + b"x" * 5_000_000 + b'"}]',
        "100,000 events": json.dumps([{"type": "page_view"}] * 100_000).encode(),
        "1 MB field": json.dumps(one_event(page="y" * 1_000_000)).encode(),
        "600 events": json.dumps([one_event() for _ in range(600)]).encode(),
    }
    for name, body in bodies.items():
        for _ in range(drill.choose(1, 5)):
            reply = post_raw(service, shop, body)
            # A server that stops reading may reset the connection before its answer is read.
            outcome.check(reply.status in (413, 400, 422, None), f"{name}: {reply.status}")
            outcome.rounds += 1
    chunked = (
        f"POST {path_of(shop)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    chunked += (b"10000\r\n" + b"z" * 65_536 + b"\r\n") * 80 + b"0\r\n\r\n"
    told = status(exchange(service.address, chunked))
    outcome.check(told in (400, 411, 413, 422, None), f"5 MB in chunks: {told}")
    grown = _memory(service) - before
    outcome.check(grown < 100 << 20, f"workers grew by {grown >> 20} MB")
    outcome.notes.append(f"workers grew by {max(0, grown) >> 20} MB")
    still_works(drill, outcome, service, journal)
    return outcome


def _memory(service: Service) -> int:
    return sum(private_bytes(pid) for pid in service.pids("gunicorn"))


@case("45", short=True)
def gzip_bomb(drill: Drill) -> Outcome:
    outcome = Outcome("200 MB of blanks in 200 kB of gzip, deflate, as an event body")
    service = drill.visit()
    journal, shop = drill.journal(service), service.shops[0]
    before = _memory(service)
    blanks = b" " * (200 << 20)
    for coding, body in (("gzip", gzip.compress(blanks, 9)), ("deflate", zlib.compress(blanks, 9))):
        reply = post_raw(service, shop, body, **{"Content-Encoding": coding})
        outcome.check(is_refused(reply), f"{coding}: {reply.status}")
        outcome.rounds += 1
    grown = _memory(service) - before
    outcome.check(grown < 100 << 20, f"workers grew by {grown >> 20} MB")
    still_works(drill, outcome, service, journal)
    return outcome


def refuse_all(drill: Drill, outcome: Outcome, bodies: Sequence[bytes]) -> Outcome:
    """Send bodies that must all be refused with 4xx, and honest ones after them."""
    service = drill.visit()
    journal = drill.journal(service)
    for body in bodies:
        reply = post_raw(service, service.shops[0], body)
        outcome.check(is_refused(reply), f"{body[:40]!r}…: {reply.status}")
        outcome.rounds += 1
    still_works(drill, outcome, service, journal)
    return outcome


@case("46", short=True)
def deep_json(drill: Drill) -> Outcome:
    outcome = Outcome("lists and objects 500 to 100,000 levels deep")
    bodies = [b"[" * depth + b"]" * depth for depth in (500, 1_024, 5_000, 100_000)]
    bodies += [b'{"a":' * depth + b"1" + b"}" * depth for depth in (500, 5_000, 40_000)]
    return refuse_all(drill, outcome, bodies)


@case("47", short=True)
def odd_numbers(drill: Drill) -> Outcome:
    outcome = Outcome("NaN, Infinity, 1e999, twenty digits, decimal commas as prices, quantities")
    head = b'[{"type":"view_item","items":[{"item_id":"a","price":'
    values = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"12,50"', b"-1", b"true", b"{}"]
    bodies = [head + value + b"}]}]" for value in values]
    bodies += [
        b'[{"type":"view_item","items":[{"item_id":"a","quantity":' + value + b"}]}]"
        for value in (b"0", b"-1", b"1.5", b"99999999999999999999", b"1e308", b'"2"')
    ]
    return refuse_all(drill, outcome, bodies)


@case("48", short=True)
def odd_texts(drill: Drill) -> Outcome:
    outcome = Outcome("broken UTF-8, lone surrogates, NUL, right-to-left marks, emoji, NFC and NFD")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    for body in (
        b'[{"type":"page_view","page":"\xff\xfe"}]',
        b'[{"type":"page_view","page":"\\ud800"}]',
        b'[{"type":"page_view","page":"a\\u0000b"}]',
        b"\xef\xbb\xbf[]",
        b"\xff" * 50,
    ):
        reply = post_raw(service, shop, body)
        outcome.check(is_refused(reply), f"{body[:40]!r}: {reply.status}")
        outcome.rounds += 1
    pages = [
        "/café",
        "/cafe\u0301",
        "/\u202eabc",
        "/😀👩‍👩‍👧",
        "/'; DROP TABLE orders;--",
        "/\ufeff",
    ]
    events = [one_event(page=page) for page in pages]
    told = post_events(caller, journal, shop, events)
    outcome.check(told.status == 202, f"texts that are fine: {told.status}")
    drill.close_books(outcome, service, journal)
    with service.inside() as services:
        rows = services.event_log.events(shop.shop_id).to_pyarrow().to_pylist()
    stored = {row["event_id"]: row["page"] for row in rows}
    for event in events:
        page = stored.get(event["event_id"])
        outcome.check(page in (event["page"], None), f"{event['page']!r} came back as {page!r}")
    outcome.rounds += len(pages)
    return outcome


@case("49", short=True)
def duplicate_keys(drill: Drill) -> Outcome:
    outcome = Outcome("the same key twice in one object, at the top and within")
    return refuse_all(
        drill,
        outcome,
        [
            b'{"events":[{"type":"page_view"}],"events":[{"type":"page_view"}]}',
            b'[{"type":"page_view","type":"purchase"}]',
            b'[{"type":"page_view","visitor_id":"a","visitor_id":"b"}]',
            b'[{"type":"view_item","items":[{"item_id":"a","item_id":"b"}]}]',
        ],
    )


@case("50", short=True)
def odd_requests(drill: Drill) -> Outcome:
    outcome = Outcome("content types, missing, double and contradicting lengths, TE beside CL")
    service = drill.visit()
    journal, shop = drill.journal(service), service.shops[0]
    caller = Caller(service.address)
    for kind in (
        "application/json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
    ):
        events = [one_event()]
        number = journal.sending("event", shop.shop_id, [events[0]["event_id"]])
        reply = caller.ask(
            "POST", path_of(shop), json.dumps(events).encode(), {"Content-Type": kind}
        )
        journal.answered(number, reply.status, {events[0]["event_id"]: "accepted"})
        outcome.check(reply.status == 202, f"{kind}: {reply.status}")
        outcome.rounds += 1
    caller.close()
    line = f"POST {path_of(shop)} HTTP/1.1\r\nHost: x\r\n".encode()
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for name, rest in {
        "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]]",
        "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + hidden,
        "odd chunks": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
        "negative length": b"Content-Length: -5\r\n\r\n" + hidden,
        "length with a sign": b"Content-Length: +2\r\n\r\n[]" + hidden,
        "blank in a name": b"Content-Length : 2\r\n\r\n[]",
    }.items():
        received = exchange(service.address, line + rest)
        told = status(received)
        outcome.check(told is None or 400 <= told < 500 or told == 501, f"{name}: {told}")
        outcome.check(answers(received) <= 1, f"{name}: a hidden request was answered")
        outcome.rounds += 1
    still_works(drill, outcome, service, journal)
    return outcome
