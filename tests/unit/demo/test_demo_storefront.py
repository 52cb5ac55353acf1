import datetime as dt
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from standardwebhooks import Webhook

from recommender.demo.goods import Good
from recommender.demo.notes import (
    DemoNotes,
    StorefrontConfig,
    demo_folder,
    read_notes,
    write_notes,
    write_private,
)
from recommender.demo.outbox import Outbox
from recommender.demo.storefront import MAX_LINES, create_app
from recommender.errors import UnavailableError
from recommender.events.orders import parse_order
from recommender.records import Shop, Stratum

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
GOODS = [
    Good("MUG", "Red Mug", "Tea & coffee", 250, "GBP", "/p/MUG", "/image/MUG.svg"),
    Good("B/1", 'Bag "No. 1" </script>', "Bags & purses", 1_999, "GBP", "/p/B%2F1", "/i.svg"),
    *[Good(f"G{n}", f"Bowl {n}", "Kitchen", 100, "GBP", f"/p/G{n}", "/i.svg") for n in range(60)],
]
SHOP = Shop("shop_1", "Shop", "GBP", "GB", "Europe/London", "pk_demo", b"k" * 32, (), {},
            (Stratum("shop_1", 1, "salt", 500_000, NOW),))  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> StorefrontConfig:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "goods.json").write_text(json.dumps([asdict(good) for good in GOODS]))
    return StorefrontConfig(
        service_url=NOBODY,
        public_key="pk_demo",
        secret_key="sk_demo",
        signing_secret=SECRET,
        outbox=str(tmp_path / "outbox"),
        catalogue=str(tmp_path / "goods.json"),
        cookie_key="a key",
    )


@pytest.fixture
def client(config: StorefrontConfig, tmp_path: Path) -> FlaskClient:
    write_private(tmp_path / "storefront.json", json.dumps(asdict(config)))
    return create_app(str(tmp_path / "storefront.json"), now=lambda: NOW).test_client()


def waiting(config: StorefrontConfig) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in Path(config.outbox).glob("*.json")]


def data_layer(page: str) -> list[dict[str, Any]]:
    pushed = re.findall(r"dataLayer\.push\((.*?)\);\n", page)
    return [json.loads(one) for one in pushed if one != "{ecommerce: null}"]


@pytest.mark.parametrize(
    ("path", "placement"),
    [
        ("/", "home"),
        ("/c/bags-purses", "category"),
        ("/p/MUG", "product"),
        ("/search?q=zebra", "search"),
        ("/cart", "cart"),
    ],
)
def test_every_kind_of_page_has_snippet_and_slot(
    client: FlaskClient, path: str, placement: str
) -> None:
    page = client.get(path).text
    assert f'data-recommender="{placement}"' in page
    assert f'<script async src="{NOBODY}/widget.js" data-shop="pk_demo"' in page


def test_a_search_that_found_something_has_no_slot(client: FlaskClient) -> None:
    page = client.get("/search?q=bowl&page=2").text
    assert "data-recommender" not in page
    assert "Bowl 24" in page
    assert data_layer(page) == [{"event": "search", "search_term": "bowl"}]


def test_a_product_is_told_to_machines(client: FlaskClient) -> None:
    page = client.get("/p/MUG").text
    (event,) = data_layer(page)
    item = {"item_id": "MUG", "item_name": "Red Mug", "item_category": "Tea & coffee",
            "price": 2.5, "quantity": 1}  # fmt: skip
    assert event == {
        "event": "view_item",
        "ecommerce": {"currency": "GBP", "value": 2.5, "items": [item]},
    }
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    product = json.loads(block)
    assert (product["@type"], product["sku"]) == ("Product", "MUG")
    assert product["offers"]["price"] == "2.50"
    assert product["url"] == "http://localhost/p/MUG"


def test_titles_cannot_break_out_of_scripts(client: FlaskClient) -> None:
    page = client.get("/c/bags-purses").text
    assert page.count("</script>") == 2
    assert data_layer(page)[0]["ecommerce"]["items"][0]["item_name"] == 'Bag "No. 1" </script>'


def test_pages_carry_a_strict_policy(client: FlaskClient) -> None:
    answer = client.get("/")
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', answer.text))
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'nonce-{nonce}' {NOBODY}" in policy
    assert "unsafe" not in policy
    assert client.get("/").text != answer.text


def test_a_cart_works_without_javascript(client: FlaskClient) -> None:
    client.post("/cart", data={"item_id": "MUG", "quantity": "2"})
    page = client.post("/cart", data={"item_id": "MUG"}, follow_redirects=True).text
    added, viewed = data_layer(page)
    assert (added["event"], added["ecommerce"]["items"][0]["quantity"]) == ("add_to_cart", 1)
    assert (viewed["event"], viewed["ecommerce"]["items"][0]["quantity"]) == ("view_cart", 3)
    assert "£7.50" in page
    again = client.get("/cart").text
    assert [event["event"] for event in data_layer(again)] == ["view_cart"]
    page = client.post(
        "/cart", data={"item_id": "MUG", "quantity": "0", "set": "1"}, follow_redirects=True
    ).text
    assert "It is empty" in page


@pytest.mark.parametrize("quantity", ["-1", "x", "1e3", "", "99999"])
def test_odd_quantities_stay_sane(client: FlaskClient, quantity: str) -> None:
    client.post("/cart", data={"item_id": "MUG", "quantity": quantity})
    (event,) = data_layer(client.get("/cart").text)[-1:]
    assert 1 <= event["ecommerce"]["items"][0]["quantity"] <= 99


def test_a_cart_has_an_end(client: FlaskClient) -> None:
    for number in range(60):
        client.post("/cart", data={"item_id": f"G{number}"})
    (event,) = data_layer(client.get("/cart").text)[-1:]
    assert len(event["ecommerce"]["items"]) == MAX_LINES


def test_an_order_is_kept_for_the_service_and_told_to_the_page(
    client: FlaskClient, config: StorefrontConfig
) -> None:
    client.set_cookie("rcm_vid", "visitor-0001")
    client.post("/cart", data={"item_id": "MUG", "quantity": "2"})
    client.post("/cart", data={"item_id": "B/1"})
    page = client.post("/checkout", follow_redirects=True).text
    (order,) = waiting(config)
    fact = parse_order(order, shop=SHOP, received_at=NOW)
    # 2 × 2.50 + 19.99
    assert (fact.net_minor, fact.currency, fact.placed_at) == (2_499, "GBP", NOW)
    assert order["visitor_id"] == "visitor-0001"
    assert [(item.item_id, item.quantity, item.price_minor) for item in fact.items] == [
        ("MUG", 2, 250),
        ("B/1", 1, 1_999),
    ]
    (event,) = data_layer(page)
    assert event["event"] == "purchase"
    assert event["ecommerce"]["transaction_id"] == order["order_id"]
    assert event["ecommerce"]["value"] == 24.99
    assert "It is empty" in client.get("/cart").text
    client.post("/checkout")
    assert len(waiting(config)) == 1


def test_a_visitor_can_become_another(client: FlaskClient) -> None:
    client.set_cookie("rcm_vid", "visitor-0001")
    client.post("/visitor")
    assert client.get_cookie("rcm_vid") is None


@pytest.mark.parametrize("path", ["/p/none", "/c/none", "/image/none.svg", "/nowhere"])
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_pictures_are_drawn(client: FlaskClient) -> None:
    answer = client.get("/image/MUG.svg")
    assert answer.content_type == "image/svg+xml; charset=utf-8"
    assert answer.text.startswith("<svg")


def test_an_id_may_hold_a_slash(client: FlaskClient) -> None:
    assert "Bag &#34;No. 1&#34;" in client.get("/p/B%2F1").text
    assert client.get("/image/B%2F1.svg").status_code == 200


class Service(BaseHTTPRequestHandler):
    """Answers orders as told, and checks their signature as the service would."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        order = Webhook(SECRET).verify(body, dict(self.headers))
        server.heard.append((self.path, dict(self.headers), order))
        self.send_response(server.answers.pop(0))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def service() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Service)
    server.heard, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def outbox_to(config: StorefrontConfig, url: str) -> Outbox:
    wired = StorefrontConfig(**(asdict(config) | {"service_url": url}))
    return Outbox(wired, now=lambda: dt.datetime.now(dt.UTC))


def test_an_order_is_sent_signed_until_it_is_acknowledged(
    config: StorefrontConfig, service: Any
) -> None:
    outbox = outbox_to(config, f"http://127.0.0.1:{service.server_port}")
    outbox.put({"order_id": "LG-1"})
    service.answers = [503, 429, 201]
    assert [outbox.send_all() for _ in range(4)] == [1, 1, 0, 0]
    assert [order for _, _, order in service.heard] == [{"order_id": "LG-1"}] * 3
    path, headers, _ = service.heard[0]
    assert (path, headers["Authorization"]) == ("/v1/orders", "Bearer sk_demo")
    assert len({told["webhook-id"] for _, told, _ in service.heard}) == 1
    assert waiting(config) == []


def test_a_refused_order_is_kept_aside(config: StorefrontConfig, service: Any) -> None:
    outbox = outbox_to(config, f"http://127.0.0.1:{service.server_port}")
    outbox.put({"order_id": "LG-1"})
    service.answers = [422]
    assert [outbox.send_all(), outbox.send_all()] == [0, 0]
    (refused,) = Path(config.outbox).glob("*.refused")
    assert json.loads(refused.read_text()) == {"order_id": "LG-1"}


def test_without_the_service_orders_wait(config: StorefrontConfig) -> None:
    outbox = outbox_to(config, NOBODY)
    outbox.put({"order_id": "LG-1"})
    outbox.put({"order_id": "LG-2"})
    assert outbox.send_all() == 2
    assert len(waiting(config)) == 2


NOTES = DemoNotes("shop_1", "pk", "sk", SECRET, "a@b.example", "password", "key", "2026-03-01")


def test_notes_are_private_and_come_back(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    assert read_notes(folder) is None
    write_notes(folder, NOTES)
    assert read_notes(folder) == NOTES
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "notes.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"shop_id": "x"}'])
def test_damaged_notes_are_one_clear_line(tmp_path: Path, damage: str) -> None:
    (tmp_path / "notes.json").write_text(damage)
    with pytest.raises(UnavailableError, match="damaged"):
        read_notes(tmp_path)
