"""Shoppers, pages and shops' servers: real HTTP, retried as the widget does."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import uuid_utils

from drill.journal import Journal
from drill.shops import DrillShop
from signing import signed_headers

RETRY_STATUSES = (408, 425, 429)
ANSWER_SECONDS = 10.0
# The widget waits a second to five minutes; a drill has less time. Retry-After is obeyed up to
# this much.
MAX_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or its absence (status None)."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One keep-alive connection, opened again when it is lost."""

    def __init__(self, address: str, *, seconds: float = ANSWER_SECONDS) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    self._host, self._port, timeout=self._seconds
                )
            self._connection.request(method, path, body, dict(headers or {}))
            answer = self._connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return Reply(None)
        if answer.will_close:
            self.close()
        return Reply(answer.status, told, {k.lower(): v for k, v in answer.getheaders()})

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def make_events(draw: random.Random, shop: DrillShop, count: int) -> list[dict[str, Any]]:
    """Return events as the widget writes them."""
    visitor = f"visitor-{draw.randrange(500)}"
    return [
        {
            "event_id": str(uuid_utils.uuid7()),
            "type": "view_item" if shop.item_ids else "page_view",
            "visitor_id": visitor,
            "items": [{"item_id": draw.choice(shop.item_ids)}] if shop.item_ids else [],
        }
        for _ in range(count)
    ]


def post_events(
    caller: Caller, journal: Journal, shop: DrillShop, events: Sequence[Mapping[str, Any]]
) -> Reply:
    """Send one batch once, and journal it."""
    ids = [str(event["event_id"]) for event in events]
    number = journal.sending("event", shop.shop_id, ids)
    path = f"/v1/events?{urlencode({'key': shop.public_key})}"
    reply = caller.ask("POST", path, json.dumps(list(events)).encode(), {"Origin": shop.origin})
    journal.answered(number, reply.status, _told(reply))
    return reply


def post_order(caller: Caller, journal: Journal, shop: DrillShop, body: Mapping[str, Any]) -> Reply:
    """Send one signed order once, and journal it."""
    raw = json.dumps(body).encode()
    number = journal.sending("order", shop.shop_id, [str(body["order_id"])])
    headers = {"Authorization": f"Bearer {shop.secret_key}"}
    reply = caller.ask(
        "POST", "/v1/orders", raw, headers | signed_headers(shop.signing_secret, raw)
    )
    told = {str(body["order_id"]): "accepted"} if reply.status in (200, 201, 202) else {}
    journal.answered(number, reply.status, told)
    return reply


def _told(reply: Reply) -> dict[str, str]:
    if reply.status is None:
        return {}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return {
            one["event_id"]: "accepted" if one["status"] == "accepted" else one["code"]
            for one in reply.json()["events"]
            if one.get("event_id")
        }
    return {}


@dataclass
class Tally:
    """What the clients met on their way; not part of the books."""

    statuses: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    acknowledged_at: list[tuple[float, float]] = field(default_factory=list)
    """When an attempt that was acknowledged began and ended, monotonic."""
    slate_seconds: list[tuple[float, float]] = field(default_factory=list)
    """When a slate was asked for, and how long it took; failed ones are infinite."""
    slates_filled: int = 0

    def recovery_seconds(self, since: float) -> float:
        """Return how long after `since` an attempt begun later was acknowledged."""
        ends = [end for begin, end in self.acknowledged_at if begin >= since]
        return min(ends) - since if ends else float("inf")

    def slate_p99_ms(self, since: float, until: float) -> float:
        found = sorted(took for begin, took in self.slate_seconds if since <= begin <= until)
        return 1_000 * found[min(len(found) - 1, int(len(found) * 0.99))] if found else float("nan")


class Load:
    """Clients that send until stopped, and then finish what they hold.

    Args:
        orders_every: Each client sends a signed order after so many batches; 0 for none.
        shoppers: Further clients, which ask for slates.
        pause_seconds: Mean pause of a client between two batches.
    """

    def __init__(
        self,
        address: str,
        journal: Journal,
        shops: Sequence[DrillShop],
        *,
        seed: int,
        clients: int = 4,
        batch: int = 5,
        orders_every: int = 8,
        shoppers: int = 0,
        pause_seconds: float = 0.01,
        patience_seconds: float = 60.0,
    ) -> None:
        self.tally = Tally()
        self._address, self._journal, self._shops = address, journal, shops
        self._batch, self._orders_every, self._pause = batch, orders_every, pause_seconds
        self._patience = patience_seconds
        self._stop = threading.Event()
        self._gives_up_at = float("inf")
        work = [self._send] * clients + [self._shop] * shoppers
        self._threads = [
            threading.Thread(target=target, args=(random.Random(f"{seed}-{number}"),), daemon=True)
            for number, target in enumerate(work)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gives_up_at = time.monotonic() + self._patience
        self._stop.set()
        for thread in self._threads:
            thread.join(self._patience + 2 * ANSWER_SECONDS)

    def wait_for(self, more: int, *, seconds: float = 60.0) -> None:
        """Return when so many more events were acknowledged.

        Raises:
            TimeoutError: They were not in time.
        """
        wanted = self.tally.acknowledged + more
        deadline = time.monotonic() + seconds
        while self.tally.acknowledged < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted - self.tally.acknowledged} acknowledgements missing")
            time.sleep(0.01)

    def _send(self, draw: random.Random) -> None:
        caller = Caller(self._address)
        sent = 0
        while not self._stop.is_set():
            shop = draw.choice(self._shops)
            sent += 1
            if self._orders_every and sent % self._orders_every == 0:
                order = make_order(draw, shop)
                self._until_answered(draw, lambda o=order, s=shop: self._order(caller, s, o))
            else:
                events = make_events(draw, shop, self._batch)
                self._until_answered(draw, lambda e=events, s=shop: self._events(caller, s, e))
            self._stop.wait(draw.expovariate(1 / self._pause))
        caller.close()

    def _events(
        self, caller: Caller, shop: DrillShop, events: Sequence[Mapping[str, Any]]
    ) -> Reply:
        begin = time.monotonic()
        reply = post_events(caller, self._journal, shop, events)
        if reply.status == 202:
            self.tally.acknowledged += len(events)
            self.tally.acknowledged_at.append((begin, time.monotonic()))
        return reply

    def _order(self, caller: Caller, shop: DrillShop, body: Mapping[str, Any]) -> Reply:
        return post_order(caller, self._journal, shop, body)

    def _until_answered(self, draw: random.Random, send: Any) -> None:
        attempt = 0
        while time.monotonic() < self._gives_up_at:
            reply = send()
            self.tally.statuses[str(reply.status)] += 1
            is_final = reply.status is not None and reply.status < 500
            if is_final and reply.status not in RETRY_STATUSES:
                return
            attempt += 1
            told = float(reply.headers.get("retry-after") or 0)
            pause = draw.uniform(0, min(0.05 * 2**attempt, MAX_PAUSE_SECONDS))
            time.sleep(min(max(told, pause), MAX_PAUSE_SECONDS))

    def _shop(self, draw: random.Random) -> None:
        caller = Caller(self._address, seconds=30.0)
        while not self._stop.is_set():
            shop = draw.choice(self._shops)
            begin = time.monotonic()
            reply = ask_slate(caller, shop, f"visitor-{draw.randrange(500)}", draw)
            took = time.monotonic() - begin
            good = reply.status == 200
            self.tally.statuses[f"slate-{reply.status}"] += 1
            self.tally.slate_seconds.append((begin, took if good else float("inf")))
            if good and reply.json()["items"]:
                self.tally.slates_filled += 1
            self._stop.wait(draw.expovariate(1 / (2 * self._pause)))
        caller.close()


def make_order(draw: random.Random, shop: DrillShop) -> dict[str, Any]:
    """Return an order as a shop's server writes it."""
    import datetime as dt

    return {
        "order_id": f"order-{draw.getrandbits(60):015x}",
        "placed_at": dt.datetime.now(dt.UTC).isoformat(),
        "currency": "EUR",
        "net_minor": draw.randrange(100, 100_000),
        "visitor_id": f"visitor-{draw.randrange(500)}",
        "items": [],
    }


def ask_slate(caller: Caller, shop: DrillShop, visitor: str, draw: random.Random) -> Reply:
    arguments = {"key": shop.public_key, "placement": "home", "visitor_id": visitor}
    if shop.item_ids:
        arguments |= {"placement": "product", "item_id": draw.choice(shop.item_ids)}
    return caller.ask("GET", f"/v1/recommendations?{urlencode(arguments)}")
