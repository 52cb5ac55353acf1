"""What the service gives the widget: settings, placed slots, previews, HTML, files."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import brotli
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError, NotFoundError
from recommender.events.identity import pseudonym
from recommender.records import Item, Placement, PlacementSetting, Shop
from recommender.shops.audit import read_audit
from recommender.shops.change_widget import place_slot, remove_slot, set_widget, switch_slot
from recommender.shops.directory import ShopDirectory
from recommender.shops.registry import set_placement, start_stratum
from recommender.shops.widget_settings import MOST_SLOTS
from recommender.web.app import create_app
from recommender.web.operations_routes import STATIC_FOLDER
from recommender.web.preview_tokens import preview_token
from recommender.web.prices import written_price
from recommender.web.slate_page import web_address
from recommender.widget_records import ConsentMode, PlacedSlot, SlotPosition
from world import SHOP_ORIGIN, STARTED_AT, Clock

SLOT = PlacedSlot("slot_1", "product", ".details", SlotPosition.BEFORE)


def read(database: sa.Engine, shop: Shop) -> Shop:
    return ShopDirectory(database).by_id(shop.shop_id)


# -- settings and slots -------------------------------------------------------------------------


def test_a_new_shop_has_the_widget_on_and_places_nothing(shop: Shop) -> None:
    assert (shop.widget.enabled, shop.widget.consent) == (True, ConsentMode.IMPLIED)
    assert (shop.widget.cart_button, shop.widget.slots) == (False, ())
    assert not shop.widget.sandboxed_pixels


def test_settings_are_stored_and_audited(database: sa.Engine, shop: Shop) -> None:
    set_widget(
        shop.shop_id,
        enabled=False,
        consent=ConsentMode.REQUIRED,
        cart_button=True,
        sandboxed_pixels=True,
        database=database,
    )
    widget = read(database, shop).widget
    assert (widget.enabled, widget.consent, widget.cart_button) == (False, "required", True)
    assert widget.sandboxed_pixels
    [entry] = read_audit(shop.shop_id, database=database, limit=1)
    assert entry.action == "widget.changed"
    assert entry.detail["consent_mode"] == "required"
    assert entry.detail["sandboxed_pixels"] is True


def test_a_slot_is_placed_switched_and_removed(database: sa.Engine, shop: Shop) -> None:
    place_slot(shop.shop_id, SLOT, database=database, now=STARTED_AT)
    assert read(database, shop).widget.slots == (SLOT,)
    switch_slot(shop.shop_id, "slot_1", is_live=True, database=database)
    [slot] = read(database, shop).widget.slots
    assert slot.is_live
    remove_slot(shop.shop_id, "slot_1", database=database)
    assert read(database, shop).widget.slots == ()
    with pytest.raises(NotFoundError):
        switch_slot(shop.shop_id, "slot_1", is_live=True, database=database)
    with pytest.raises(NotFoundError):
        remove_slot(shop.shop_id, "slot_1", database=database)
    deeds = [entry.action for entry in read_audit(shop.shop_id, database=database, limit=3)]
    assert deeds == ["slot.removed", "slot.switched", "slot.placed"]


def test_what_is_no_slot_is_refused(database: sa.Engine, shop: Shop) -> None:
    for wrong in (PlacedSlot("s", "product", ".."), PlacedSlot("s", "nowhere", ".x")):
        with pytest.raises(InvalidInputError, match=r"placement|selector"):
            place_slot(shop.shop_id, wrong, database=database, now=STARTED_AT)
    assert read(database, shop).widget.slots == ()


def test_there_is_an_end_to_slots(database: sa.Engine, shop: Shop) -> None:
    for n in range(MOST_SLOTS):
        slot = PlacedSlot(f"slot_{n}", "home", f"#a{n}")
        place_slot(shop.shop_id, slot, database=database, now=STARTED_AT)
    with pytest.raises(InvalidInputError, match="at most"):
        place_slot(shop.shop_id, SLOT, database=database, now=STARTED_AT)
    assert len(read(database, shop).widget.slots) == MOST_SLOTS


# -- over HTTP -----------------------------------------------------------------------------------


class Pages:
    """Asks as the pages of one shop do."""

    def __init__(self, client: FlaskClient, shop: Shop, services: Services) -> None:
        self.client, self.shop, self.services = client, shop, services

    def config(self, **arguments: str) -> TestResponse:
        return self.client.get(f"/v1/config/{self.shop.public_key}", query_string=arguments)

    def slate(self, **arguments: str) -> Any:
        return self._ask("/v1/recommendations", arguments).json

    def html(self, **arguments: str) -> TestResponse:
        return self._ask("/v1/recommendations.html", arguments)

    def _ask(self, path: str, arguments: dict[str, str]) -> TestResponse:
        named = {"key": self.shop.public_key, "placement": "home", **arguments}
        answer = self.client.get(path, query_string=named, headers={"Origin": SHOP_ORIGIN})
        assert answer.status_code == 200
        return answer

    def token(self) -> str:
        secret, now = self.services.secret, self.services.now()
        return preview_token(self.shop.shop_id, service_secret=secret, now=now)

    def exposures(self) -> list[Any]:
        entries = self.services.state.read(0, 1000)
        return [event for entry in entries for event in entry.events if event.type == "exposure"]


EVIL = '<script>alert("1")</script>'


@pytest.fixture
def pages(services: Services, shop: Shop) -> Iterator[Pages]:
    def item(name: str, title: str, url: str, image: str = "", price: int = 1290) -> Item:
        return Item(shop.shop_id, name, title, url, image, price, shop.currency)

    items = [
        item("a", "Linen shirt", "/a?x=1&y=2", "https://img.example/a.jpg", 123_456),
        item("b", EVIL, "javascript:alert(1)", "data:image/png,x"),
        item("c", "Tea", "https://shop.example/c"),
    ]
    told = {"shop_id": shop.shop_id, "database": services.database, "now": services.now()}
    put_items(items, hot_state=services.state, **told)  # type: ignore[arg-type]
    with create_app(services).test_client() as client:
        yield Pages(client, shop, services)


@pytest.fixture
def all_treated(pages: Pages) -> None:
    share(pages, 1_000_000)


def share(pages: Pages, ppm: int) -> None:
    database, now = pages.services.database, pages.services.now()
    start_stratum(pages.shop.shop_id, ppm, database=database, now=now)


def test_the_settings_name_live_slots_only(pages: Pages) -> None:
    database = pages.services.database
    for slot in (SLOT, PlacedSlot("slot_2", "home", "#end", SlotPosition.APPEND, is_live=True)):
        place_slot(pages.shop.shop_id, slot, database=database, now=pages.services.now())
    body = pages.config().json
    assert body["slots"] == [{"placement": "home", "selector": "#end", "position": "append"}]
    assert (body["enabled"], body["consent"], body["cart_button"]) == (True, "implied", False)


def test_words_come_in_the_pages_language_or_in_english(pages: Pages) -> None:
    assert pages.config(language="de-AT").json["words"]["next"] == "Weiter"
    assert "reasons" not in pages.config(language="de-AT").json["words"]
    for unknown in ("", "en-CA", "xx", "../de"):
        assert pages.config(language=unknown).json["words"]["next"] == "Next"


def test_settings_say_how_the_page_writes_the_shops_currency(pages: Pages) -> None:
    assert pages.shop.currency == "EUR"
    [pattern] = pages.config(language="de-DE").json["price_patterns"]
    assert pattern.endswith("##0,00\xa0€")
    assert pages.config(language="ar-EG").json["price_patterns"] == []


def test_a_preview_shows_what_is_switched_off_and_records_nothing(pages: Pages) -> None:
    services, shop = pages.services, pages.shop
    place_slot(shop.shop_id, SLOT, database=services.database, now=services.now())
    off = PlacementSetting(Placement.HOME, enabled=False)
    set_placement(shop.shop_id, off, database=services.database)
    share(pages, 0)
    token = pages.token()
    answer = pages.config(preview=token)
    assert answer.json["preview"] is True
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["placements"]["home"]["enabled"]
    assert len(answer.json["slots"]) == 1
    slate = pages.slate(preview=token, visitor_id="owner")
    assert (slate["arm"], len(slate["items"])) == ("", 3)
    assert len(pages.html(preview=token).text) > 0
    assert pages.exposures() == []
    # The same without a token: switched off.
    assert pages.slate(visitor_id="owner")["items"] == []


def test_an_old_or_foreign_token_opens_nothing(pages: Pages, clock: Clock) -> None:
    share(pages, 0)
    place_slot(pages.shop.shop_id, SLOT, database=pages.services.database, now=clock())
    token = pages.token()
    assert pages.config(preview=token + "x").json["preview"] is False
    clock.advance(hours=2)
    answer = pages.config(preview=token).json
    assert (answer["preview"], answer["slots"]) == (False, [])
    assert pages.slate(preview=token, visitor_id="v")["arm"] == "control"


class Fragment(HTMLParser):
    """Tags and texts of a fragment; fails when a tag is left open."""

    VOID = frozenset({"img", "br", "meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def values(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.mark.usefixtures("all_treated")
@pytest.mark.parametrize("variant", ["list", "email"])
def test_a_slate_as_html_has_texts_as_texts_and_web_addresses_only(
    pages: Pages, variant: str
) -> None:
    answer = pages.html(variant=variant, visitor_id="v1", language="fr")
    assert answer.mimetype == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"
    found = Fragment(answer.text)
    assert {"Vous aimerez aussi", "Linen shirt", EVIL, "Tea"} <= set(found.texts)
    assert sorted(map(str, found.values("href"))) == [
        "https://shop.example/a?x=1&y=2",
        "https://shop.example/c",
    ]
    assert found.values("src") == ["https://img.example/a.jpg"]
    assert not {"script", "style", "link"} & {tag for tag, _ in found.tags}
    assert not [name for _, told in found.tags for name in told if name.startswith("on")]
    # French writes 1 234,56 € with narrow and no-break spaces.
    prices = [re.sub(r"\s", " ", text) for text in found.texts]
    assert "1 234,56 €" in prices
    [exposure] = pages.exposures()
    assert (exposure.arm, exposure.visitor) == (
        "treatment",
        pseudonym(pages.shop.visitor_key, "v1"),
    )
    tables = [tag for tag, _ in found.tags if tag == "table"]
    assert bool(tables) == (variant == "email")


def test_control_visitors_get_an_empty_fragment_and_are_recorded(pages: Pages) -> None:
    share(pages, 0)
    for _ in range(2):
        answer = pages.html(visitor_id="v1")
        assert (answer.status_code, answer.text) == (200, "")
    [exposure] = pages.exposures()
    assert exposure.arm == "control"


def test_an_unknown_variant_is_said(pages: Pages) -> None:
    named = {"key": pages.shop.public_key, "placement": "home", "variant": "pdf"}
    answer = pages.client.get("/v1/recommendations.html", query_string=named)
    assert (answer.status_code, answer.json["code"]) == (422, "unknown-variant")


@given(st.text(max_size=60))
def test_only_web_addresses_leave(url: str) -> None:
    found = web_address(url, SHOP_ORIGIN)
    assert found == "" or re.match(r"https?://[^/]", found)


@pytest.mark.parametrize(
    ("minor", "currency", "language", "text"),
    [
        (1290, "GBP", "en", "£12.90"),
        (1290, "EUR", "de", "12,90 €"),
        (1290, "JPY", "en", "¥1,290"),  # no minor unit
        (1290, "KWD", "en", "KWD 1.290"),  # thousandths
        (1290, "?", "en", ""),
    ],
)
def test_prices_are_written_in_the_language(
    minor: int, currency: str, language: str, text: str
) -> None:
    assert re.sub(r"\s", " ", written_price(minor, currency, language)) == text


# -- files ---------------------------------------------------------------------------------------

UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, "identity": bytes}


@pytest.mark.parametrize("path", ["/widget.js", "/widget.module.js", "/widget-0.1.1.js"])
def test_each_coding_holds_the_same_file_under_its_own_tag(pages: Pages, path: str) -> None:
    plain = (STATIC_FOLDER / path[1:]).read_bytes()
    tags, sizes = set(), []
    for coding, unpack in UNPACK.items():
        answer = pages.client.get(path, headers={"Accept-Encoding": coding})
        assert answer.headers.get("Content-Encoding", "identity") == coding
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert unpack(answer.data) == plain
        tags.add(answer.headers["ETag"])
        sizes.append(len(answer.data))
        same = {"Accept-Encoding": coding, "If-None-Match": answer.headers["ETag"]}
        assert pages.client.get(path, headers=same).status_code == 304
    assert len(tags) == len(UNPACK)
    assert sizes == sorted(sizes), "brotli, gzip, plain"


@pytest.mark.parametrize("name", ["widget.js", "widget.module.js", "widget-debug.js"])
def test_a_technician_finds_the_sources_of_a_file(pages: Pages, name: str) -> None:
    told = pages.client.get(f"/{name}").headers["SourceMap"]
    with pages.client.get(told) as answer:
        assert any(path.endswith("src/install.js") for path in json.loads(answer.data)["sources"])


def test_browsers_that_take_all_get_the_smallest(pages: Pages) -> None:
    answer = pages.client.get("/widget.js", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert answer.headers["Content-Encoding"] == "br"


def test_every_release_has_its_integrity(pages: Pages) -> None:
    with pages.client.get("/static/integrity.json") as answer:
        told = answer.json
    released = {path.name for path in STATIC_FOLDER.glob("widget-[0-9]*.js")}
    assert told.keys() == released
    for name, integrity in told.items():
        digest = hashlib.sha384(pages.client.get(f"/{name}").data).digest()
        assert integrity == "sha384-" + base64.b64encode(digest).decode()
