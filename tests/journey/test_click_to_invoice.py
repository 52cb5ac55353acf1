"""One story over HTTP: from the first click to an invoice whose every figure is worked out here.

Only what a vendor's operator does by command (create the shop, train, settle) is called directly;
everything a browser or a shop's server does goes over a socket, nothing reaches into a store.
"""

import hashlib
import json
import logging
import math
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from statistics import fmean, variance
from typing import Any

import pytest
from werkzeug.serving import make_server

from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing.settle import settle
from recommender.billing.verify import verify_invoice
from recommender.bootstrap import Services
from recommender.events.identity import derived_event_id
from recommender.events.ingest import ingest_once
from recommender.records import Contract
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop, add_contract, current_contract
from recommender.training.train import train
from recommender.uplift.measure import measure
from recommender.web.app import create_app
from signing import signed_headers
from world import SHOP_ORIGIN, Clock

GROUPS = {letter: [f"{letter}{number}" for number in range(1, 9)] for letter in "ab"}
N_VISITORS = 200
N_STAR = 400
ALPHA = 0.05
RATE = 0.10
# A library's own name would count as a program's, and programs count in neither arm.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Api:
    """What a browser and a shop's server can do."""

    base: str
    shop: NewShop
    whsec: str
    clock: Clock
    sent: int = 0

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data=data, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _decoded(answer.read(), answer.headers["Content-Type"])
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def view(self, visitor: str, *items: str) -> None:
        events = []
        for item in items:
            self.sent += 1
            self.clock.advance(seconds=1)
            events.append(
                {
                    "event_id": derived_event_id(self.clock(), str(self.sent)),
                    "type": "view_item",
                    "occurred_at": self.clock().isoformat(),
                    "items": [{"item_id": item}],
                }
            )
        status, answer = self.call(
            "POST",
            f"/v1/events?key={self.shop.public_key}",
            {"visitor_id": visitor, "events": events},
            {"Origin": SHOP_ORIGIN, "Content-Type": "text/plain", "User-Agent": BROWSER},
        )
        assert status == 202
        assert {entry["status"] for entry in answer["events"]} == {"accepted"}

    def slate(self, placement: str, visitor: str, **arguments: str) -> dict[str, Any]:
        query = urllib.parse.urlencode(
            {
                "key": self.shop.public_key,
                "placement": placement,
                "visitor_id": visitor,
                "n": "4",
                **arguments,
            }
        )
        status, answer = self.call(
            "GET", f"/v1/recommendations?{query}", headers={"Origin": SHOP_ORIGIN}
        )
        assert status == 200
        return dict(answer)

    def tell(self, path: str, body: dict[str, object]) -> int:
        signature = signed_headers(self.whsec, json.dumps(body).encode())
        return self.call("POST", path, body, {**self.bearer, **signature})[0]

    def order(self, order_id: str, visitor: str, net_minor: int, *items: str) -> int:
        self.clock.advance(seconds=1)
        return self.tell(
            "/v1/orders",
            {
                "order_id": order_id,
                "visitor_id": visitor,
                "placed_at": self.clock().isoformat(),
                "currency": "EUR",
                "net_minor": net_minor,
                "items": [{"item_id": item, "quantity": 1, "price_minor": 500} for item in items],
            },
        )

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.shop.secret_key}"}


def _decoded(data: bytes, content_type: str) -> object:
    return json.loads(data) if "json" in content_type else data


@pytest.fixture
def api(services: Services, new_shop: NewShop, clock: Clock) -> Iterator[Api]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    whsec = signing_secret(services.secret, new_shop.shop_id)
    yield Api(f"http://127.0.0.1:{server.server_port}", new_shop, whsec, clock)
    server.shutdown()
    thread.join()
    server.server_close()


def ingest_all(services: Services) -> None:
    while services.state.pending():
        ingest_once(
            services.state,
            services.event_log,
            database=services.database,
            writer="test",
            now=services.now,
            limit=1000,
            block_ms=0,
        )


def expected_arm(visitor: str, salt: str) -> str:
    """The published rule: first 32 bits of SHA-256(salt ‖ visitor), here against one half."""
    drawn = int(hashlib.sha256((salt + visitor).encode()).hexdigest()[:8], 16)
    return "treatment" if drawn / 2**32 < 0.5 else "control"


def spending_minor(arm: str, number: int) -> int:
    """Treated visitors spend 60.00 or 40.00, the others 30.00 or 20.00."""
    return {"treatment": (6_000, 4_000), "control": (3_000, 2_000)}[arm][number % 2]


def test_from_the_first_click_to_the_invoice(services: Services, api: Api, clock: Clock) -> None:
    add_contract(
        Contract(
            shop_id=api.shop.shop_id,
            version=0,
            starts_on=date(2026, 3, 3),
            rate_bps=1_000,
            policy="gated_midpoint",
            cap_month_bps=2_000,
            cap_year_minor=0,
            order_cap_minor=0,
            alpha_ppm=50_000,
            n_star=N_STAR,
            currency="EUR",
        ),
        database=services.database,
    )
    send_catalogue(api)
    learn(services, api)
    clock.advance(days=1)
    salt = api.call("GET", f"/v1/config/{api.shop.public_key}")[1]["stratum"]["salt"]
    slates_follow_the_path(api, salt)
    totals = run_experiment(api, salt)
    ingest_all(services)
    clock.advance(days=35)
    shop = services.shops.by_id(api.shop.shop_id)
    measure(
        shop,
        event_log=services.event_log,
        database=services.database,
        contract=current_contract(shop.shop_id, clock().date(), database=services.database),
        through=clock().date(),
        now=clock(),
    )
    settlement = settle(
        shop,
        "2026-03",
        event_log=services.event_log,
        database=services.database,
        render_invoice=render_invoice,
        now=clock(),
    )
    assert settlement.is_new
    check_statement(api, totals)


def send_catalogue(api: Api) -> None:
    items = [
        {
            "item_id": item,
            "title": f"Item {item}",
            "url": f"/{item}",
            "image_url": f"/{item}.png",
            "price": "5.00",
            "category": letter,
        }
        for letter, members in GROUPS.items()
        for item in members
    ]
    status, answer = api.call("PUT", "/v1/items", {"items": items}, api.bearer)
    assert (status, answer["accepted"]) == (200, 16)


def learn(services: Services, api: Api) -> None:
    """Before the contract, visitors stay within one group of items; that is what is learned."""
    for number in range(80):
        members = GROUPS["ab"[number % 2]]
        start = number // 2
        path = [members[(start + step) % 8] for step in range(4)]
        api.view(f"early-{number}", *path)
        assert api.order(f"E-{number}", f"early-{number}", 1_000, *path[:2]) == 201
    ingest_all(services)
    report = train(
        services.shops.by_id(api.shop.shop_id),
        event_log=services.event_log,
        catalogue=services.catalogues.get(api.shop.shop_id).items(),
        database=services.database,
        artifacts=services.artifacts,
        now=services.now(),
        seed=1,
    )
    assert report.published, report.reason


def slates_follow_the_path(api: Api, salt: str) -> None:
    """Two visitors of the treatment arm with different paths see different slates."""
    treated = [
        name
        for name in (f"path-{number}" for number in range(20))
        if expected_arm(name, salt) == "treatment"
    ]
    for visitor, letter in zip(treated, "ab", strict=False):
        members = GROUPS[letter]
        api.view(visitor, *members[:3])
        slate = api.slate("product", visitor, item_id=members[2])
        shown = [item["id"] for item in slate["items"]]
        assert slate["arm"] == "treatment"
        assert len(shown) == 4
        assert set(shown[:3]) <= set(members), "the slate follows the path"
        assert not set(shown) & set(members[:3]), "and repeats nothing"
        assert all(item["reason"]["text"] for item in slate["items"])
        gone = {
            "item_id": shown[0],
            "title": "Item",
            "url": "/x",
            "price": "5.00",
            "category": letter,
            "available": False,
        }
        assert api.call("PUT", "/v1/items", {"items": [gone]}, api.bearer)[0] == 200
        again = api.slate("product", visitor, item_id=members[2])
        assert shown[0] not in [item["id"] for item in again["items"]], "sold out: gone at once"


def run_experiment(api: Api, salt: str) -> dict[str, list[int]]:
    """Every visitor meets a slate, then buys; returns each visitor's spending by arm."""
    totals: dict[str, list[int]] = {"treatment": [], "control": []}
    for number in range(N_VISITORS):
        visitor = f"shopper-{number}"
        arm = expected_arm(visitor, salt)
        item = GROUPS["ab"[number % 2]][number % 8]
        api.view(visitor, item)
        slate = api.slate("product", visitor, item_id=item)
        assert slate["arm"] == arm
        assert bool(slate["items"]) == (arm == "treatment"), "the holdout sees none"
        spent = spending_minor(arm, number)
        assert api.order(f"S-{number}", visitor, spent, item) == 201
        totals[arm].append(spent)
    refund_first_treated(api, salt, totals)
    return totals


def refund_first_treated(api: Api, salt: str, totals: dict[str, list[int]]) -> None:
    number = next(
        number
        for number in range(N_VISITORS)
        if expected_arm(f"shopper-{number}", salt) == "treatment"
    )
    api.clock.advance(days=2)
    refund: dict[str, object] = {
        "refund_id": "R-1",
        "order_id": f"S-{number}",
        "refunded_at": api.clock().isoformat(),
        "currency": "EUR",
        "net_minor": 1_500,
    }
    assert [api.tell("/v1/refunds", refund) for _ in range(2)] == [201, 200]
    totals["treatment"][0] -= 1_500


def check_statement(api: Api, totals: dict[str, list[int]]) -> None:
    treated, control = totals["treatment"], totals["control"]
    # The two visitors of the path check were exposed too and bought nothing.
    treated = [*treated, 0, 0]
    n_t, n_c = len(treated), len(control)

    status, listing = api.call("GET", "/v1/statements", headers=api.bearer)
    assert status == 200
    (statement,) = listing["statements"]
    body = statement["body"]
    daily = [
        (row["day"], row["arm"], row["visitors"], row["orders"], row["revenue_minor"])
        for row in body["daily"]
    ]
    assert daily == [
        ("2026-03-03", "control", n_c, n_c, sum(control)),
        ("2026-03-03", "treatment", n_t, n_t - 2, sum(treated) + 1_500),
        ("2026-03-05", "treatment", 0, 0, -1_500),
    ]
    for arm, values in (("treatment", treated), ("control", control)):
        squares = sum(int(row["revenue_squares"]) for row in body["daily"] if row["arm"] == arm)
        assert squares == sum(value**2 for value in values)

    # T = n_t (ȳ_t − ȳ_c);  Var(T) = n_t² (s²_t/n_t + s²_c/n_c), each s² at least that of all.
    effect = n_t * (fmean(treated) - fmean(control))
    joint = variance([*treated, *control])
    s2_t, s2_c = max(variance(treated), joint), max(variance(control), joint)
    error = n_t * math.sqrt(s2_t / n_t + s2_c / n_c)
    # Half width of the confidence sequence in standard errors, at n visitors, n* from the contract.
    rho_squared = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / N_STAR
    q = (n_t + n_c) * rho_squared
    reach = math.sqrt(2 * (q + 1) / q * math.log(math.sqrt(q + 1) / ALPHA))
    lower = math.floor(effect) - math.ceil(reach * error)
    assert lower > 0, "the effect is planted large enough to be proven"
    fee = math.floor((math.floor(effect) + lower) // 2 * RATE)
    assert fee < 0.2 * sum(treated), "below the monthly cap"
    assert body["estimate"]["incremental_minor"] == round(effect)
    assert statement["amount_minor"] == body["bill"]["due_minor"] == fee

    status, uplift = api.call("GET", "/v1/uplift", headers=api.bearer)
    assert status == 200
    assert uplift["estimate"]["incremental_minor"] == round(effect)

    number = statement["invoice"]
    status, pdf = api.call("GET", f"/v1/invoices/{number}.pdf", headers=api.bearer)
    assert status == 200
    assert pdf.startswith(b"%PDF")
    assert verify_invoice(pdf).passed
