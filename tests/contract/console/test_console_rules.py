"""The page "Rules", over the real application and in a real browser at both widths."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lxml.html
import pytest
from flask.testing import FlaskClient
from pages import EMAIL, NOW, log_in, log_in_by_hand, token
from playwright.sync_api import Browser, expect
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.catalog.update_rules import list_rules, put_rules
from recommender.records import Item, Placement, Rule, RuleAction, RuleMatch, Shop
from recommender.shops.registry import ShopOrder, create_shop
from recommender.web.rule_words import rule_sentence, rule_standing
from world import SHOP, SHOP_ORIGIN


@pytest.fixture
def stocked(services: Services, owner: Shop) -> Shop:
    """The owner's shop with three items."""
    names = {"mug": "Red mug", "tea": "Green tea", "pot": "Tea pot"}
    items = [
        Item(owner.shop_id, name, title, f"/{name}", "", 1_000, owner.currency, "Kitchen > Tea")
        for name, title in names.items()
    ]
    put_items(
        items,
        database=services.database,
        hot_state=services.state,
        shop_id=owner.shop_id,
        now=services.now(),
    )
    return owner


@pytest.fixture
def fill(client: FlaskClient, stocked: Shop) -> Callable[..., TestResponse]:
    """Send the form of a new rule as the shop's owner."""
    log_in(client)

    def send(**typed: Any) -> TestResponse:
        form = client.get("/console/rules").text
        return client.post("/console/rules", data={"csrf_token": token(form), **typed})

    return send


def rules_of(shop: Shop, services: Services) -> tuple[Rule, ...]:
    return list_rules(shop.shop_id, database=services.database)


def test_a_rule_is_added_and_read_back_as_a_sentence(
    fill: Callable[..., TestResponse], client: FlaskClient, stocked: Shop, services: Services
) -> None:
    answer = fill(
        action="pin",
        item_ids="mug\r\n",
        position="1",
        placements=["product"],
        ends_at="2026-12-01T00:00",
        brands="left over from another action",
    )
    assert answer.status_code == 303
    page = " ".join(client.get(answer.headers["Location"]).text.split())
    assert "Pin “Red mug” at place 1 on product pages until 1 December 2026." in page
    assert "Saved. One item of your catalogue is meant by it now." in page
    assert "in force" in page
    (rule,) = rules_of(stocked, services)
    assert rule.match == RuleMatch(item_ids=("mug",))
    # Midnight in the shop's zone, Europe/Paris.
    assert rule.ends_at == dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)
    assert (rule.changed_by, rule.changed_at) == (EMAIL, NOW)


def test_amounts_and_shares_are_typed_as_people_write_them(
    fill: Callable[..., TestResponse], stocked: Shop, services: Services
) -> None:
    answer = fill(
        action="boost",
        factor="1,5",
        categories="Kitchen>Tea\nGarden",
        price_min="9,50",
        margin_min="12.5",
        stock_max="3",
        placements=[placement.value for placement in Placement],
    )
    assert answer.status_code == 303
    (rule,) = rules_of(stocked, services)
    assert rule.factor_ppm == 1_500_000
    assert rule.placements == ()
    assert rule.match == RuleMatch(
        categories=("Kitchen > Tea", "Garden"),
        price_min_minor=950,
        margin_min_ppm=125_000,
        stock_max=3,
    )


def test_a_rule_is_changed_in_its_place(
    fill: Callable[..., TestResponse], client: FlaskClient, stocked: Shop, services: Services
) -> None:
    fill(
        action="boost",
        factor="1.25",
        name="Tea week",
        categories="Kitchen > Tea\nGarden",
        price_min="9.50",
        margin_max="12.5",
        stock_min="3",
        starts_at="2026-12-01T00:00",
        ends_at="2026-12-08T00:00",
        placements=["home", "cart"],
    )
    (before,) = rules_of(stocked, services)
    switched = {"csrf_token": token(client.get("/console/rules").text), "active": "0"}
    client.post(f"/console/rules/{before.rule_id}/switch", data=switched)
    form = client.get(f"/console/rules?edit={before.rule_id}").text
    assert "Change a rule" in form
    typed = _typed(form)
    assert fill(**typed).status_code == 303
    (same,) = rules_of(stocked, services)
    assert replace(same, active=True) == before
    assert fill(**typed | {"factor": "2"}).status_code == 303
    (after,) = rules_of(stocked, services)
    assert (after.rule_id, after.factor_ppm, after.active) == (before.rule_id, 2_000_000, False)
    assert fill(**typed | {"rule_id": "rule-of-nobody"}).status_code == 404
    assert client.get("/console/rules?edit=rule-of-nobody").status_code == 404


def _typed(page: str) -> dict[str, Any]:
    """Read what the form of a page would send."""
    form = lxml.html.fromstring(page).get_element_by_id("action").getparent()
    while form.tag != "form":
        form = form.getparent()
    fields = [field for field in form.form_values() if field[0] != "csrf_token"]
    places = [value for name, value in fields if name == "placements"]
    return dict(fields) | {"placements": places}


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"action": "pin", "item_ids": "mug"}, "position", "A pin needs a position from 1."),
        (
            {"action": "pin", "item_ids": "mug", "position": "first"},
            "position",
            "Please enter a whole number.",
        ),
        (
            {"action": "pin", "item_ids": "cup", "position": "1"},
            "item_ids",
            "There is no item cup in your catalogue.",
        ),
        ({"action": "exclude"}, "categories", "The rule must say which items it means."),
        (
            {"action": "boost", "item_ids": "mug", "factor": "0.5"},
            "factor",
            "A boost needs a factor above 1.",
        ),
        (
            {"action": "exclude", "price_min": "ten"},
            "price_min",
            "‘ten’ is not an amount such as 12.50.",
        ),
        (
            {"action": "exclude", "margin_min": "500"},
            "margin_min",
            "Please enter a percentage from −100 to 100.",
        ),
        (
            {"action": "exclude", "stock_min": "5", "stock_max": "1"},
            "stock_max",
            "It lies below its minimum.",
        ),
        (
            {
                "action": "exclude",
                "item_ids": "mug",
                "ends_at": "2026-12-01T00:00",
                "starts_at": "2026-12-02T00:00",
            },
            "ends_at",
            "The rule must end after it starts.",
        ),
    ],
)
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(
    fill: Callable[..., TestResponse],
    stocked: Shop,
    services: Services,
    typed: dict[str, str],
    field: str,
    sentence: str,
) -> None:
    answer = fill(**typed, name="Kept")
    assert answer.status_code == 422
    page = " ".join(answer.text.replace("&#39;", "‘").split())
    assert f'id="{field}-fault">{sentence.replace("’", "‘")}</span>' in page
    assert 'value="Kept"' in page
    assert rules_of(stocked, services) == ()


def test_a_rule_is_switched_off_on_and_deleted(
    fill: Callable[..., TestResponse], client: FlaskClient, stocked: Shop, services: Services
) -> None:
    fill(action="exclude", item_ids="mug")
    (rule,) = rules_of(stocked, services)
    address = f"/console/rules/{rule.rule_id}"
    csrf_token = token(client.get("/console/rules").text)
    client.post(f"{address}/switch", data={"csrf_token": csrf_token, "active": "0"})
    assert not rules_of(stocked, services)[0].active
    assert "switched off" in client.get("/console/rules").text
    client.post(f"{address}/switch", data={"csrf_token": csrf_token, "active": "1"})
    assert rules_of(stocked, services)[0].active
    assert client.post(f"{address}/delete", data={}).status_code == 400
    client.post(f"{address}/delete", data={"csrf_token": csrf_token})
    assert rules_of(stocked, services) == ()
    for deed in ("switch", "delete"):
        gone = client.post(f"{address}/{deed}", data={"csrf_token": csrf_token})
        assert gone.status_code == 404


def test_another_shops_rules_are_out_of_sight_and_reach(
    client: FlaskClient, stocked: Shop, services: Services
) -> None:
    order = ShopOrder("Other", "EUR", "FR", "Europe/Paris", [SHOP_ORIGIN])
    other = create_shop(order, database=services.database, now=NOW)
    put_rules(
        [Rule(other.shop_id, "theirs", "", RuleAction.EXCLUDE, RuleMatch(brands=("Clay",)))],
        database=services.database,
        hot_state=services.state,
        shop_id=other.shop_id,
        changed_by="api",
        now=NOW,
    )
    log_in(client)
    page = client.get("/console/rules").text
    assert "Clay" not in page
    form = {"csrf_token": token(page), "active": "0"}
    for deed in ("switch", "delete"):
        assert client.post(f"/console/rules/theirs/{deed}", data=form).status_code == 404
    (theirs,) = list_rules(other.shop_id, database=services.database)
    assert theirs.active


def rule(action: RuleAction, match: RuleMatch, **changes: Any) -> Rule:
    return Rule(SHOP.shop_id, "r", "", action, match, **changes)


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (
            rule(
                RuleAction.BURY,
                RuleMatch(categories=("Shoes", "Bags"), brands=("Clay",), price_max_minor=1_999),
                factor_ppm=250_000,
                placements=(Placement.HOME, Placement.CART),
            ),
            (
                "Bury (×0.25) items in “Shoes” or “Bags” of “Clay” with a price of 19.99 EUR or "
                "less on the home page and the cart."
            ),
        ),
        (
            rule(
                RuleAction.INCLUDE_ONLY,
                RuleMatch(margin_min_ppm=200_000, margin_max_ppm=500_000, stock_min=3),
                starts_at=dt.datetime(2026, 6, 1, 8, 30, tzinfo=dt.UTC),
            ),
            (
                "Show only items with a margin from 20 % to 50 % and a stock of 3 or more "
                "everywhere from 1 June 2026, 10:30."
            ),
        ),
        (
            rule(RuleAction.EXCLUDE, RuleMatch(item_ids=tuple("abcdef"))),
            "Never show “A”, “b”, “c”, “d” and 2 more items everywhere.",
        ),
    ],
)
def test_rules_are_put_in_words(stated: Rule, sentence: str) -> None:
    assert rule_sentence(stated, SHOP, {"a": "A"}).replace("\u00a0", " ") == sentence


def test_a_rules_standing_follows_its_window() -> None:
    hour = dt.timedelta(hours=1)
    stated = rule(RuleAction.EXCLUDE, RuleMatch(), starts_at=NOW, ends_at=NOW + hour)
    standings = [rule_standing(stated, NOW + step * hour) for step in (-1, 0, 1)]
    assert standings == ["planned", "on", "over"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_form_shows_what_an_action_needs_and_fits_the_screen(
    address: str, stocked: Shop, browser: Browser, width: int
) -> None:
    complaints: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        log_in_by_hand(page, address)
        page.click("nav >> text=Rules")
        expect(page.locator("#position")).to_be_visible()
        expect(page.locator("#brands")).to_be_hidden()
        page.select_option("#action", "boost")
        expect(page.locator("#position")).to_be_hidden()
        page.fill("#factor", "1.5")
        page.fill("#categories", "Kitchen")
        page.check("text=Product page")
        page.click("text=Add rule")
        saved = page.locator("[role=status]")
        expect(saved).to_have_text("Saved. 3 items of your catalogue are meant by it now.")
        expect(page.locator(".rules li")).to_contain_text(
            "Boost (×1.5) items in “Kitchen” on product pages."
        )
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        page.click(".rules >> text=Switch off")
        expect(page.locator(".rules .pill")).to_have_text("switched off")
        page.click(".rules >> text=Delete")
        expect(page.locator("main")).to_contain_text("There are no rules")
    assert complaints == []
