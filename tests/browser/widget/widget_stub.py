"""A shop and a recommendation API on loopback, each an origin of its own, for browser tests.

The API keeps the widget's server contract: the arm comes from the real assignment, exposures and
events are recorded, and each test can make it slow, broken or full of hostile texts.
"""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from recommender.experiments.assignment import assign
from recommender.records import Arm, Stratum
from recommender.shops.money import exponent
from recommender.web.prices import price_patterns
from recommender.web.words import words_of

STATIC = Path(__file__).resolve().parents[3] / "static"
SITE_KEY = "pk_test"
PREVIEW_TOKEN = "WyJzaG9wIl0.good"
SALT = "salt-of-the-browser-tests"
_TITLES = [
    "Linen shirt, long sleeves",
    "Waxed canvas backpack with leather straps and a padded laptop sleeve",
    "Ceramic pour-over set",
    "Merino beanie",
    "Oak side table",
    "Enamel mug, 350 ml",
    "Wool throw in herringbone",
    "Brass desk lamp",
    "Cork yoga block",
    "Field notebook, dotted",
]


def catalogue(n: int = 10) -> list[dict[str, Any]]:
    """Return items as a slate carries them."""
    return [
        {
            "id": f"sku-{i}",
            "title": _TITLES[i % len(_TITLES)],
            "url": f"/product/sku-{i}",
            "image": f"/img/{i}.svg",
            "price_minor": 1290 + 1450 * i,
            "currency": "GBP",
            "reason": {
                "code": "viewed",
                "item_id": "sku-99",
                "text": "Because you viewed Stoneware bowl" if i % 3 else "Popular right now",
            },
        }
        for i in range(n)
    ]


def default_config() -> dict[str, Any]:
    """Settings of a shop where everybody gets recommendations."""
    placement = {"n": 8, "n_min": 2, "enabled": True, "title": {}}
    return {
        "shop": "Test shop",
        "currency": "GBP",
        "enabled": True,
        "consent": "implied",
        "stratum": {
            "stratum": 1,
            "salt": SALT,
            "treatment_share_ppm": 1_000_000,
            "silent": False,
        },
        "placements": {
            "home": {**placement, "title": {"en": "Chosen for you", "ar": "قد يعجبك أيضا"}},
            "product": dict(placement),
            "cart": {**placement, "title": {"en": "Goes well with your cart"}},
        },
    }


@dataclass
class StubApi:
    """What the API answers, and what it was told.

    Attributes:
        items: Items of every slate in the treatment arm.
        event_answers: Statuses of the next event requests, with headers; then 202.
        slate_delay_seconds: How long a slate takes.
        slate_status: Status of slates.
        config_status: Status of the settings.
        batches: Bodies of event requests that were answered with 202, and `refused` the others.
        slates: Arguments of each slate request with its answer's arm and slate_id.
    """

    items: list[dict[str, Any]] = field(default_factory=catalogue)
    config: dict[str, Any] = field(default_factory=default_config)
    event_answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    slate_delay_seconds: float = 0
    slate_status: int = 200
    config_status: int = 200
    batches: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    slates: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """All accepted events as they came, repetitions included."""
        return [event for batch in self.batches for event in batch["events"]]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Accepted events, each id once, as the event log keeps them."""
        return list({event["event_id"]: event for event in self.deliveries}.values())

    def types(self) -> list[str]:
        """Types of all accepted events."""
        return [event["type"] for event in self.events]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Accepted events of one type."""
        return [event for event in self.events if event["type"] == kind]

    def share(self, treatment_share_ppm: int) -> None:
        """Set the share of visitors who get recommendations."""
        self.config["stratum"]["treatment_share_ppm"] = treatment_share_ppm

    def settings_for(self, told: dict[str, str]) -> dict[str, Any]:
        """Return what the settings say besides, as the real server does."""
        asked = told.get("language", "")
        currency = self.config["currency"]
        more: dict[str, Any] = {
            "currency_decimals": exponent(currency),
            "price_patterns": price_patterns(currency, asked),
            "words": dict(words_of(asked).widget),
        }
        if "preview" in told:
            more["preview"] = told["preview"] == PREVIEW_TOKEN
        return more

    def arm(self, visitor_id: str) -> str:
        """Return the arm the server computes."""
        if not visitor_id:
            return ""
        started_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        told = {name: self.config["stratum"][name] for name in ("stratum", "salt")}
        share_ppm = self.config["stratum"]["treatment_share_ppm"]
        stratum = Stratum("shop", **told, treatment_share_ppm=share_ppm, starts_at=started_at)
        return assign(visitor_id, stratum)


@dataclass
class StubShop:
    """Pages of the shop by path: HTML and further headers."""

    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)


def _api_handler(api: StubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(_QuietHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.startswith("/widget"):
                self.answer((STATIC / parts.path[1:]).read_bytes(), "text/javascript")
            elif parts.path == f"/v1/config/{SITE_KEY}":
                told = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.answer_json({**api.config, **api.settings_for(told)}, api.config_status)
            elif parts.path == "/v1/recommendations":
                self.slate({name: values[0] for name, values in parse_qs(parts.query).items()})
            else:
                self.answer_json({"code": "not-found"}, 404)

        def slate(self, arguments: dict[str, str]) -> None:
            is_preview = arguments.get("preview") == PREVIEW_TOKEN
            arm = "" if is_preview else api.arm(arguments.get("visitor_id", ""))
            with api.changed:
                slate_id = f"slate-{len(api.slates)}"
                api.slates.append({**arguments, "arm": arm, "slate_id": slate_id})
                api.changed.notify_all()
            if api.slate_delay_seconds:
                api.released.wait(api.slate_delay_seconds)
            is_held = arm == Arm.CONTROL or (arm and api.config["stratum"]["silent"])
            items = [] if is_held else api.items
            body = {"slate_id": slate_id, "arm": arm, "items": items, "fallback": ""}
            self.answer_json(body, api.slate_status)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"].startswith("text/plain"), "a preflight was needed"
            with api.changed:
                status, headers = api.event_answers.pop(0) if api.event_answers else (202, {})
                (api.batches if status == 202 else api.refused).append(body)
                api.changed.notify_all()
            accepted = [
                {"event_id": event["event_id"], "status": "accepted"} for event in body["events"]
            ]
            self.answer_json({"events": accepted}, status, headers)

        def do_OPTIONS(self) -> None:
            self.answer_json({"code": "preflight"}, 405)

    return Handler


_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def _shop_handler(shop: StubShop) -> type[BaseHTTPRequestHandler]:
    class Handler(_QuietHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/img/"):
                self.answer(picture(path).encode(), "image/svg+xml")
            elif path == "/favicon.ico":
                self.answer(b"", "image/x-icon", 204)
            elif path in shop.pages:
                html, headers = shop.pages[path]
                kind = _KINDS.get(path.rpartition(".")[2])
                self.answer(html.encode(), kind or "text/html; charset=utf-8", 200, headers)
            else:
                self.answer(b"not found", "text/plain", 404)

    return Handler


class _QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer_json(
        self, body: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.answer(json.dumps(body).encode(), "application/json", status, headers)

    def answer(
        self, body: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Expose-Headers", "Retry-After")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that hang up."""


@contextmanager
def serving_api(api: StubApi) -> Iterator[int]:
    """Serve the API; yields its port."""
    with _serving(_api_handler(api)) as port:
        yield port
        api.released.set()


@contextmanager
def serving_shop(shop: StubShop) -> Iterator[int]:
    """Serve the shop's pages; yields its port."""
    with _serving(_shop_handler(shop)) as port:
        yield port


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_COLOURS = ["#c8553d", "#588b8b", "#f28f3b", "#6d597a", "#355070", "#7f9172", "#b08968", "#2a6f97"]


def picture(path: str) -> str:
    """Return a product photograph of sorts; `/img/broken…` is not one."""
    if "broken" in path:
        return "not a picture"
    number = int("".join(filter(str.isdigit, path)) or 0)
    colour = _COLOURS[number % len(_COLOURS)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">'
        '<rect width="400" height="400" fill="#ece7e1"/>'
        f'<ellipse cx="200" cy="335" rx="120" ry="14" fill="#00000022"/>'
        f'<rect x="{110 + 6 * (number % 5)}" y="{90 + 9 * (number % 4)}" width="170" '
        f'height="{240 - 9 * (number % 4)}" rx="{14 + 22 * (number % 4)}" fill="{colour}"/>'
        '<rect x="130" y="120" width="26" height="150" rx="13" fill="#ffffff40"/></svg>'
    )
