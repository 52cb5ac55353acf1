"""The page "Recommendations": picture, settings and try-out over the real application."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from pages import NOW, PASSWORD, log_in, log_in_by_hand, token
from playwright.sync_api import Browser
from werkzeug.test import TestResponse

from planted import BEGAN_AT, GROUPS, catalogue_item, two_groups
from recommender import tables
from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.records import EventItem, EventType, Placement, PlacementSetting, Shop
from recommender.shops.accounts import add_user
from recommender.shops.registry import ShopOrder, create_shop, set_placement
from recommender.training.interactions import Kind
from recommender.training.train import train
from shoppers import Shoppers

PAGE = "/console/recommendations"
See = Callable[[str], str]


def dial_step(dial: float, hits: float, tail: float) -> dict[str, float]:
    return {
        "dial": dial,
        "hit_rate@20": hits,
        "tail_share@20": tail,
        "coverage@20": 0.5,
        "gini@20": 0.7,
    }


def judged(hits: float) -> dict[str, float]:
    return {
        "hit_rate@20": hits,
        "tail_share@20": 0.3,
        "coverage@20": 0.4,
        "target_tail_share": 0.44,
    }


METRICS: dict[str, Any] = {
    "tasks": {
        "path": {
            "n_probes": 1_500,
            "sources": {"follows": judged(0.4), "history": judged(0.2), "popular": judged(0.1)},
            "blend": judged(0.5),
            "default_dial": 0.2,
            "tail_dial": [dial_step(0.0, 0.5, 0.2), dial_step(1.0, 0.4, 0.7)],
        }
    },
    "blends": {"path": {"weights": {"follows": 0.8, "history": 0.0, "popular": 0.2}}},
    "n_interactions": 54_321,
    "n_items": 987,
}


def store_training(services: Services, shop: Shop, **changes: Any) -> None:
    row = {
        "shop_id": shop.shop_id,
        "artifact": "artifact-1",
        "published": True,
        "reason": "published: 0.3 against 0.1 of recent popularity",
        "metrics": METRICS,
        "finished_at": NOW,
    } | changes
    with services.database.begin() as connection:
        connection.execute(sa.insert(tables.trainings).values(row))


def stock(services: Services, shop: Shop, *item_ids: str, **facts: Any) -> None:
    put_items(
        [catalogue_item(item_id, shop_id=shop.shop_id, **facts) for item_id in item_ids],
        database=services.database,
        hot_state=services.state,
        shop_id=shop.shop_id,
        now=NOW,
    )


@pytest.fixture
def stocked(services: Services, owner: Shop) -> Shop:
    """A shop with twelve items and no model: its newest items are recommended."""
    for number in range(12):
        stock(services, owner, f"i{number:02d}", title=f"Lamp No. {number}")
    return owner


def sent(client: FlaskClient, placement: str, **changes: str) -> TestResponse:
    """Change some fields of a placement's form and send it."""
    if client.get("/console/").status_code == 302:
        log_in(client)
    page = client.get(f"{PAGE}?placement={placement}").text
    form = page[page.index('<form class="settings"') :]
    form = form[: form.index("</form>")]
    fields = dict(re.findall(r'<input [^>]*name="([^"]+)"[^>]*?value="([^"]*)"', form))
    ticked = re.findall(r'name="(\w+)" type="checkbox"[^>]*checked', form)
    fields |= dict.fromkeys(ticked, "on") | changes
    assert fields["csrf_token"] == token(page)
    return client.post(f"{PAGE}/{placement}", data=fields)


def stored(services: Services, shop: Shop, placement: Placement) -> PlacementSetting:
    return services.shops.by_id(shop.shop_id).placements[placement]


# -- before and after training ------------------------------------------------------------------


def test_without_a_model_there_are_settings_and_the_newest_items(see: See, stocked: Shop) -> None:
    page = see(PAGE)
    assert "No model is trained yet" in page
    assert '<svg class="chart' not in page
    assert "these are the newest items" in page
    assert "Lamp No. 11" in page
    assert "Save Product page" in page


def test_the_picture_says_what_the_dial_costs_and_brings(
    services: Services, see: See, owner: Shop
) -> None:
    store_training(services, owner)
    page = see(PAGE)
    # At 0.2 between (0.5, 0.2) and (0.4, 0.7): 0.48 of 0.5 hits, 30 of 100 from the tail.
    assert (
        "<strong>Home page, Product page, Category page, Search without result.</strong> At 0.2, "
        "about 30 of 100 recommended items come from the tail (your shoppers’ own choices: 44), "
        "and hits fall by 4 % against the most accurate setting." in page
    )
    assert page.count('role="img" aria-labelledby="dial-1-') == 2  # for wide and narrow screens
    for size in ("wide", "narrow"):
        assert f'<title id="dial-1-{size}-title">' in page
        assert f'<desc id="dial-1-{size}-desc">' in page
    assert "<td>40.0 %</td><td>−20.0 %</td><td>70.0 %</td>" in page


def test_a_placement_follows_the_suggestion_until_it_has_its_own(
    services: Services, see: See, owner: Shop
) -> None:
    store_training(services, owner)
    assert "<strong>Suggested.</strong>" not in see(PAGE)
    assert 'name="tail" inputmode="decimal" value="" placeholder="0.2"' in see(PAGE)
    for placement in Placement:
        own = PlacementSetting(placement, tail_ppm=500_000)
        set_placement(owner.shop_id, own, database=services.database)
    page = see(PAGE)
    assert "<strong>Suggested.</strong> At 0.2" in page
    assert "Search without result.</strong> At 0.5" in page
    assert 'name="tail" inputmode="decimal" value="0.5"' in page


def test_the_models_are_shown_beside_their_mix(services: Services, see: See, owner: Shop) -> None:
    store_training(services, owner)
    page = see(PAGE)
    assert page.index("All together") < page.index("Seen next") < page.index("Popular lately")
    assert "does not help this shop" in page
    assert "Published: 0.3 against 0.1 of recent popularity." in page
    assert "artifact-1" in page
    assert "54,321 views, carts and purchases" in page
    assert "987" in page


def test_a_training_that_was_refused_says_so(services: Services, see: See, owner: Shop) -> None:
    store_training(services, owner)
    later = NOW.replace(hour=10)
    reason = "kept the old one: worse"
    store_training(
        services, owner, artifact="a2", published=False, reason=reason, finished_at=later
    )
    page = see(PAGE)
    assert "not in use" in page
    assert "Kept the old one: worse." in page


@pytest.mark.parametrize("metrics", [{}, {"tasks": {}}, {"tasks": {"path": {"n_probes": 3}}}])
def test_the_page_stands_whatever_an_older_training_told(
    services: Services, see: See, owner: Shop, metrics: dict[str, Any]
) -> None:
    store_training(services, owner, metrics=metrics)
    page = see(PAGE)
    assert "What your recommendations are made of" in page
    assert '<svg class="chart' not in page


def test_the_page_has_no_inline_script_or_style(
    services: Services, client: FlaskClient, see: See, stocked: Shop
) -> None:
    store_training(services, stocked)
    page = see(PAGE)
    assert re.findall(r"<script[^>]*>", page) == ['<script defer src="/static/console.js">']
    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page)
    answer = client.get(PAGE)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# -- settings -----------------------------------------------------------------------------------


def test_a_form_sent_back_untouched_changes_nothing(
    services: Services, client: FlaskClient, owner: Shop
) -> None:
    setting = PlacementSetting(
        Placement.CART,
        n=5,
        n_min=3,
        allow_seen=True,
        tail_ppm=123_456,
        enabled=False,
        title={"fr": "L’« autre » <choix>", "pt-BR": "Com isto"},
        rotation_ppm=0,
        exploration_ppm=25_000,
    )
    set_placement(owner.shop_id, setting, database=services.database)
    log_in(client)
    page = client.get(f"{PAGE}?placement=cart").text
    assert "L’« autre » &lt;choix&gt;" in page
    answer = sent(client, "cart", **{"heading-fr": setting.title["fr"]})
    assert answer.status_code == 303
    assert stored(services, owner, Placement.CART) == setting


def test_a_change_is_stored_and_reaches_the_shop(
    services: Services, client: FlaskClient, owner: Shop
) -> None:
    answer = sent(
        client,
        "home",
        **{
            "n": "12",
            "tail": "0,4",
            "rotation": "2.5",
            "heading-fr": "Pour vous",
            "allow_seen": "on",
        },
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{PAGE}?placement=home&saved=1#settings"
    assert "Saved." in client.get(answer.headers["Location"]).text
    setting = stored(services, owner, Placement.HOME)
    assert (setting.n, setting.tail_ppm, setting.rotation_ppm) == (12, 400_000, 25_000)
    assert setting.allow_seen
    assert setting.title == {"fr": "Pour vous"}
    assert stored(services, owner, Placement.CART) == PlacementSetting(Placement.CART)
    told = client.get(f"/v1/config/{owner.public_key}").json
    assert told["placements"]["home"]["title"] == {"fr": "Pour vous"}


def test_a_fault_stands_at_its_field_and_nothing_is_stored(
    services: Services, client: FlaskClient, owner: Shop
) -> None:
    answer = sent(client, "home", n="4", n_min="9", tail="lots", **{"heading-de": "x" * 81})
    assert answer.status_code == 422
    page = " ".join(answer.text.split())
    assert "Nothing was saved yet" in page
    faults = dict(re.findall(r'id="(\w+)-fault">([^<]+)<', page))
    assert set(faults) == {"n_min", "tail", "heading"}
    assert faults["tail"] == "Please enter a number such as 0.3."
    assert re.search(r'name="tail"[^>]*value="lots"[^>]*aria-invalid="true"', page)
    assert re.search(r'name="n"[^>]*value="4"', page)
    assert stored(services, owner, Placement.HOME) == PlacementSetting(Placement.HOME)
    again = client.get(f"{PAGE}/home")  # the address that the browser shows now
    assert again.headers["Location"] == f"{PAGE}?placement=home"


def test_a_change_from_elsewhere_is_refused(
    services: Services, client: FlaskClient, owner: Shop
) -> None:
    log_in(client)
    answer = client.post(f"{PAGE}/home", data={"n": "1", "n_min": "1"})
    assert answer.status_code == 400
    assert "Please try again" in answer.text
    assert stored(services, owner, Placement.HOME) == PlacementSetting(Placement.HOME)


def test_an_owner_changes_only_the_own_shop(
    services: Services, client: FlaskClient, owner: Shop
) -> None:
    order = ShopOrder("Other", "EUR", "FR", "Europe/Paris", ["https://b.example"])
    other = create_shop(order, database=services.database, now=NOW)
    add_user(
        other.shop_id, "b@b.example", PASSWORD, database=services.database, now=NOW, user_id="u2"
    )
    log_in(client, email="b@b.example")
    assert sent(client, "home", n="3").status_code == 303
    assert services.shops.by_id(other.shop_id).placements[Placement.HOME].n == 3
    assert stored(services, owner, Placement.HOME) == PlacementSetting(Placement.HOME)


@pytest.mark.usefixtures("owner")
def test_a_placement_that_does_not_exist_is_a_page(client: FlaskClient) -> None:
    log_in(client)
    answer = client.get(f"{PAGE}?placement=cellar")
    assert answer.status_code == 404
    assert "This page cannot be shown" in answer.text


# -- try it -------------------------------------------------------------------------------------


def test_items_are_found_by_the_words_of_their_title(see: See, stocked: Shop) -> None:
    page = see(f"{PAGE}?placement=product&find=no+lamp+7")
    found = page[page.index('<ul class="found"') : page.index("</ul>")]
    assert re.findall(r">(Lamp[^<]*)<", found) == ["Lamp No. 7"]
    assert "path=i07" in found
    assert "No item has “100 %” in its title." in see(f"{PAGE}?find=100+%25")


def test_a_path_is_walked_and_nothing_is_recorded(
    services: Services, client: FlaskClient, see: See, stocked: Shop
) -> None:
    page = see(f"{PAGE}?placement=product&path=i11&path=i03&path=unknown&dial=0.7")
    assert "At 0.7" in page
    assert re.findall(r'class="chip"[^>]*>(Lamp No. \d+)', page) == ["Lamp No. 11", "Lamp No. 3"]
    slates = re.findall(r'<ol class="slate">(.*?)</ol>', page)
    assert len(slates) == 2
    for slate in slates:
        titles = re.findall(r">(Lamp No. \d+)</a>", slate)
        # The page's own item and what was seen are left out; the newest come first.
        assert titles[:3] == ["Lamp No. 10", "Lamp No. 9", "Lamp No. 8"]
        assert "Lamp No. 3" not in titles
    assert services.state.latest_events(stocked.shop_id, 10) == []


def test_what_is_switched_off_can_be_tried(services: Services, see: See, stocked: Shop) -> None:
    off = PlacementSetting(Placement.HOME, n=2, enabled=False)
    set_placement(stocked.shop_id, off, database=services.database)
    page = see(f"{PAGE}?placement=home")
    assert re.findall(r">(Lamp No. \d+)</a>", page) == ["Lamp No. 11", "Lamp No. 10"] * 2


def test_a_slate_that_stays_hidden_says_so(services: Services, see: See, owner: Shop) -> None:
    page = see(f"{PAGE}?placement=home")
    assert "Too few items fit: the widget stays hidden here." in page


def test_a_category_page_is_tried_with_its_category(see: See, stocked: Shop) -> None:
    page = see(f"{PAGE}?placement=category&category=i")
    assert "<option selected>i</option>" in page
    assert "Lamp No. 11" in page
    assert "Lamp No." not in see(f"{PAGE}?placement=category&category=none")


def test_a_trained_shop_shows_where_scores_come_from(
    services: Services, see: See, owner: Shop
) -> None:
    """Visitors walk one of two groups of items in order; low numbers are met more often."""
    shoppers = Shoppers(owner)
    for step, kind, visitor, _, item, seconds in two_groups(200):
        type_ = EventType.ORDER if kind == Kind.ORDER else EventType.VIEW_ITEM
        order_id = step if kind == Kind.ORDER else ""
        at = BEGAN_AT + dt.timedelta(seconds=seconds)
        shoppers.event(type_, visitor, at, items=(EventItem(item),), order_id=order_id)
    shoppers.tell(services.event_log, services.database)
    stock(services, owner, *(item for members in GROUPS.values() for item in members))
    report = train(
        owner,
        catalogue=services.catalogues.get(owner.shop_id).items(),
        event_log=services.event_log,
        database=services.database,
        artifacts=services.artifacts,
        now=NOW,
    )
    assert report.published
    page = see(f"{PAGE}?placement=product&path=a04&dial=1")
    now, turned = re.findall(r'<ol class="slate">(.*?)</ol>', page)
    first = re.search(r">Item (\w+)</a>", now)
    assert first
    assert first[1].startswith("a")
    assert "Item a04 · from what" in now
    told = [int(count) for count in re.findall(r'class="tail">(\d+) of 8 from the tail<', page)]
    assert told == [slate.count('class="from-tail"') for slate in (now, turned)]
    assert told[0] <= told[1]
    assert f"{report.n_interactions:,} views, carts and purchases" in page
    assert "best-sellers, the same for everyone" in page
    services.models.close()


# -- in a browser -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_an_owner_turns_the_dial(
    services: Services, address: str, stocked: Shop, browser: Browser, width: int
) -> None:
    store_training(services, stocked)
    complaints: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        log_in_by_hand(page, address)
        page.get_by_role("link", name="Recommendations").click()
        page.wait_for_url("**/recommendations")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.locator("svg.dial:visible").count() == 1
        page.get_by_role("link", name="Cart", exact=True).click()
        page.wait_for_url("**placement=cart*")
        slider = page.get_by_role("slider", name="Tail dial", exact=True)
        assert slider.input_value() == "0"  # there is no suggestion for the cart
        slider.focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        assert page.locator("#tail").input_value() == "0.4"
        page.get_by_role("button", name="Save Cart").click()
        page.get_by_role("status").wait_for()
        assert page.locator("#tail").input_value() == "0.4"
        page.locator("#find").fill("lamp")
        page.keyboard.press("Enter")
        page.locator(".found a").first.click()
        page.locator(".chip").wait_for()
        assert page.locator(".slate li").count() == 16
    assert complaints == []
    assert stored(services, stocked, Placement.CART).tail_ppm == 400_000
