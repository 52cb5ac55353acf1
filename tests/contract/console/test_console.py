"""The console over the real application, and in a real browser at both widths."""

import datetime as dt
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from pages import EMAIL, NOW, PASSWORD, STARTS_ON, log_in, log_in_by_hand, token
from playwright.sync_api import Browser
from statement_world import measurement

from money_world import CONTRACT, buyers
from recommender import tables
from recommender.adapters.invoice_pdf import render_invoice
from recommender.adapters.redis_state import RedisState
from recommender.billing.advance import begin_design
from recommender.billing.archive import Settlement
from recommender.billing.settle import settle
from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.records import Arm, EventItem, EventType, Item, Shop
from recommender.shops import accounts
from recommender.shops.accounts import add_user
from recommender.shops.registry import ShopOrder, create_shop
from recommender.uplift.measure import measure
from recommender.uplift.stored import store_measurement
from recommender.web.app import create_app
from shoppers import Shoppers, live_through
from world import Clock


@pytest.fixture
def settled(services: Services, owner: Shop, clock: Clock) -> Settlement:
    """A proven month: measured, closed, invoiced."""
    shoppers = Shoppers(owner)
    days = [STARTS_ON + dt.timedelta(days=i) for i in range(4)]
    live_through(shoppers, days, visitors_a_day=150, uplift=2.0, conversion=0.3)
    shoppers.tell(services.event_log, services.database)
    stores = {"event_log": services.event_log, "database": services.database}
    terms = replace(CONTRACT, shop_id=owner.shop_id, starts_on=STARTS_ON, n_star=2_000)
    measure(owner, **stores, contract=terms, through=NOW.date(), now=clock())
    return settle(owner, "2026-03", **stores, render_invoice=render_invoice, now=clock())


# -- who may look -------------------------------------------------------------------------------


@pytest.mark.usefixtures("owner")
def test_only_address_and_password_together_open_the_console(client: FlaskClient) -> None:
    assert client.get("/console/").headers["Location"].endswith("/console/login")
    for email, password in ((EMAIL, "wrong"), ("nobody@shop.example", PASSWORD), ("", "")):
        answer = log_in(client, password, email)
        assert answer.status_code == 401
        assert "do not fit together" in answer.text
    assert client.get("/console/").status_code == 302
    answer = log_in(client)
    assert answer.headers["Location"].endswith("/console/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/console/").status_code == 200


@pytest.mark.usefixtures("owner")
def test_a_form_from_elsewhere_is_refused(client: FlaskClient) -> None:
    answer = client.post("/console/login", data={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 400
    assert "Please try again" in answer.text
    assert client.get("/console/").status_code == 302


@pytest.mark.usefixtures("owner")
def test_logging_out_ends_the_session(client: FlaskClient) -> None:
    log_in(client)
    page = client.get("/console/").text
    assert client.post("/console/logout").status_code == 400  # without the form's token
    client.post("/console/logout", data={"csrf_token": token(page)})
    assert client.get("/console/").status_code == 302


@pytest.mark.usefixtures("owner")
def test_a_session_ends_after_twelve_hours(client: FlaskClient, clock: Clock) -> None:
    log_in(client)
    for _ in range(6):
        clock.advance(hours=2)
        assert client.get("/console/").status_code == 200
    clock.advance(seconds=1)
    assert client.get("/console/").status_code == 302


@pytest.mark.parametrize("deed", ["password set", "login removed"])
def test_a_changed_login_ends_its_sessions(
    client: FlaskClient, services: Services, owner: Shop, deed: str
) -> None:
    log_in(client)
    assert client.get("/console/").status_code == 200
    if deed == "login removed":
        accounts.remove_user(owner.shop_id, EMAIL, database=services.database)
    else:
        accounts.set_password(
            owner.shop_id, f" {EMAIL.upper()}", "quite another one", database=services.database
        )
    assert client.get("/console/").status_code == 302
    assert log_in(client).status_code == 401
    if deed == "password set":
        assert log_in(client, "quite another one").status_code == 302


def test_pages_allow_no_script_and_no_inline_style(
    client: FlaskClient, see: Callable[[str], str], settled: Settlement
) -> None:
    for path in ("/console/", "/console/statements", "/console/integration"):
        page = see(path)
        assert "<script" not in page
        assert "style=" not in page
        assert "<style" not in page
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# -- a new shop ---------------------------------------------------------------------------------


def test_a_new_shop_is_told_what_to_do(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    page = see("/console/")
    assert "Nothing is measured yet" in page
    assert "Show the snippet" in page
    assert "<strong>Send your catalogue.</strong>" in page
    assert "50 % of them see recommendations" in page
    assert "No month is closed yet" in see("/console/statements")
    page = see("/console/integration")
    assert f'data-shop="{owner.public_key}"&gt;&lt;/script&gt;' in page
    assert "No event has arrived lately" in page
    assert "No model is trained yet" in page
    assert "until then the newest items of your catalogue are shown" in page
    assert "No item has arrived yet" in page
    put_items(
        [Item(owner.shop_id, "mug", "Mug", "/mug", "", 1_000, owner.currency)],
        database=services.database,
        hot_state=services.state,
        shop_id=owner.shop_id,
        now=NOW,
    )
    assert "Items have arrived." in see("/console/integration")


def test_in_the_a_a_fortnight_nobody_is_said_to_see_anything(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    begin_design(owner, database=services.database, now=NOW)
    page = see("/console/")
    assert "For the first 14 days (A/A) nobody sees recommendations" in page
    assert "nobody sees recommendations" in see("/console/statements/now")
    assert re.search(r"<td>nobody</td>", see("/console/plan"))
    sums = [buyers(arm, 40, 2, 5_000, NOW.date(), stratum=2) for arm in Arm]
    with services.database.begin() as connection:
        store_measurement(connection, owner.shop_id, measurement(sums), NOW)
    assert "nobody sees recommendations" in see("/console/")


def test_a_shop_measured_without_visitors_still_reads_as_new(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    terms = replace(CONTRACT, shop_id=owner.shop_id, starts_on=STARTS_ON)
    measure(
        owner,
        event_log=services.event_log,
        database=services.database,
        contract=terms,
        through=NOW.date(),
        now=NOW,
    )
    assert "Nothing is measured yet" in see("/console/")


def test_few_visitors_give_figures_but_no_comparison(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    shoppers = Shoppers(owner)
    live_through(shoppers, [STARTS_ON], visitors_a_day=20, uplift=0.0)
    shoppers.tell(services.event_log, services.database)
    terms = replace(CONTRACT, shop_id=owner.shop_id, starts_on=STARTS_ON)
    measure(
        owner,
        event_log=services.event_log,
        database=services.database,
        contract=terms,
        through=NOW.date(),
        now=NOW,
    )
    page = see("/console/")
    assert "Too few visitors have bought yet" in page
    assert page.count("too few yet") == 5  # four cards, and the buyers
    assert "10 with and 10 without recommendations" in page
    assert "<polygon" not in page


# -- a proven shop ------------------------------------------------------------------------------


def test_the_overview_shows_effect_figures_and_price(
    see: Callable[[str], str], settled: Settlement
) -> None:
    page = see("/console/")
    assert settled.statement["sentence"].replace("\u00a0", " ") in page
    assert page.count("<polygon") == 2  # for wide and for narrow screens
    for title in ("Pages per visit", "Conversion rate", "Average basket", "Tail share of sales"):
        assert title in page
    assert "If April 2026 closed now" in page
    assert "No success fee is due: the fee so far was billed before." in page
    assert "simulated" not in page


def test_the_cards_show_what_was_counted(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    """Two visits of 3 and 1 pages against one of 2; one order each, of 30.00 and 20.00."""
    shoppers = Shoppers(owner)
    noon = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
    for visitor, arm, pages in (
        ("a", Arm.TREATMENT, 3),
        ("b", Arm.TREATMENT, 1),
        ("c", Arm.CONTROL, 2),
    ):
        shoppers.expose(visitor, noon, arm)
        for page in range(pages):
            at = noon + dt.timedelta(minutes=page)
            shoppers.event(EventType.PAGE_VIEW, visitor, at)
    shoppers.order("1", 3_000, noon, "a", [EventItem("rare"), EventItem("hit", 3)])
    shoppers.order("2", 2_000, noon, "c", [EventItem("hit", 5)])
    shoppers.tell(services.event_log, services.database)
    terms = replace(CONTRACT, shop_id=owner.shop_id, starts_on=STARTS_ON)
    measure(
        owner,
        event_log=services.event_log,
        database=services.database,
        contract=terms,
        through=NOW.date(),
        now=NOW,
    )
    page = see("/console/")
    cards = re.findall(r'<p class="figure">(.*?)</p>.*?Without</span>(.*?)</p>', page)
    assert [(on.strip(), off.strip()) for on, off in cards] == [
        ("2.00", "2.00"),
        ("50.0 %", "100.0 %"),
        ("30.00 EUR", "20.00 EUR"),
        ("25.0 %", "0.00 %"),
    ]


def test_a_simulated_shop_says_so(
    services: Services, see: Callable[[str], str], settled: Settlement
) -> None:
    with services.database.begin() as connection:
        connection.execute(tables.shops.update().values(declared_effect_ppm=150_000))
    assert "simulated true effect: +15.0 %" in see("/console/")


def test_downloads_are_what_was_stored(
    client: FlaskClient, see: Callable[[str], str], settled: Settlement
) -> None:
    page = see("/console/statements")
    assert "March 2026" in page
    assert f"Invoice {settled.invoice_number}" in page
    links = re.findall(r'href="(/console/[^"]+\.(?:pdf|csv|json))"', page)
    answers = {link.rpartition(".")[2]: client.get(link) for link in links}
    assert all("attachment" in a.headers["Content-Disposition"] for a in answers.values())
    assert hashlib.sha256(answers["json"].data).hexdigest() == settled.statement_sha256
    evidence = hashlib.sha256(answers["csv"].data).hexdigest()
    assert evidence == settled.statement["evidence_sha256"]
    inside = pypdf.PdfReader(io.BytesIO(answers["pdf"].data)).attachments
    assert inside["evidence.csv"][0] == answers["csv"].data


def test_another_shop_finds_nothing_of_it(
    services: Services, client: FlaskClient, settled: Settlement
) -> None:
    order = ShopOrder("Other", "EUR", "FR", "Europe/Paris", ["https://b.example"])
    other = create_shop(order, database=services.database, now=NOW)
    add_user(
        other.shop_id, "b@b.example", PASSWORD, database=services.database, now=NOW, user_id="u2"
    )
    log_in(client, email="b@b.example")
    for path in (
        f"/console/invoices/{settled.invoice_number}.pdf",
        "/console/statements/2026-03/1.json",
        "/console/statements/2026-03/1.csv",
    ):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "This page cannot be shown" in answer.text
    assert "No month is closed yet" in client.get("/console/statements").text


def test_what_a_shop_is_called_cannot_run_in_the_page(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    with services.database.begin() as connection:
        connection.execute(tables.shops.update().values(name="<img src=x onerror=alert(1)>"))
    assert "&lt;img src=x" in see("/console/")


# -- integration --------------------------------------------------------------------------------


def test_the_technician_sees_what_arrives(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    shoppers = Shoppers(owner)
    items = tuple(EventItem(f"i{n}") for n in range(5))
    at = dt.datetime(2026, 4, 3, 6, 30, 15, tzinfo=dt.UTC)
    shoppers.event(EventType.ADD_TO_CART, "0123456789abcdef", at, items=items, placement="cart")
    for _ in range(2):  # the page was left before the answer came, and told it again
        services.state.accept(shoppers.events, {})
    late = Shoppers(owner)  # another process was slower with what came earlier
    late.event(EventType.PAGE_VIEW, "v", at - dt.timedelta(minutes=5))
    services.state.accept(late.events, {})
    page = see("/console/integration")
    assert page.index("3 Apr 2026, 08:30:15") < page.index("3 Apr 2026, 08:25:15")
    assert page.count("3 Apr 2026, 08:30:15") == 1  # in Paris
    assert "<code>add_to_cart</code>" in page
    assert "i0, i1, i2 …" in page
    assert "<code>01234567</code>" in page
    assert "89abcdef" not in page
    assert "Events arrive." in see("/console/")


def test_the_page_stands_while_the_stream_does_not_answer(
    services: Services, owner: Shop, tmp_path: Path
) -> None:
    dead = replace(services, state=RedisState(f"unix://{tmp_path}/nobody.sock"))
    client = create_app(dead).test_client()
    log_in(client)
    answer = client.get("/console/integration")
    assert answer.status_code == 200
    assert owner.public_key in answer.text


def test_the_last_training_is_told(
    services: Services, see: Callable[[str], str], owner: Shop
) -> None:
    blend = {"hit_rate@20": 0.503, "tail_share@20": 0.395}
    for artifact, published, age in (("a1", True, 2), ("a2", False, 1)):
        row = {
            "shop_id": owner.shop_id,
            "artifact": artifact,
            "published": published,
            "reason": f"reason of {artifact}",
            "metrics": {"tasks": {"path": {"blend": blend}}, "blends": {}},
            "finished_at": NOW - dt.timedelta(days=age),
        }
        with services.database.begin() as connection:
            connection.execute(sa.insert(tables.trainings).values(row))
    page = see("/console/integration")
    assert "reason of a2" in page
    assert "not published" in page
    assert "among 20 recommended in 50.3 % of cases" in page
    assert "reason of a1" not in page


# -- in a browser -------------------------------------------------------------------------------


_SEEN_WHOLE = """[...document.querySelectorAll(".email, .metrics td, .invoices td")]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && one.offsetParent
        || one.getBoundingClientRect().right > innerWidth)
    .map(one => one.textContent)"""
_LANDMARKS = """[...document.querySelectorAll("section, nav, [role=region]")].map(one =>
    one.getAttribute("aria-label")
    || document.getElementById(one.getAttribute("aria-labelledby"))?.textContent)
    .filter(name => name)"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_screen_and_break_no_policy(
    address: str, settled: Settlement, browser: Browser, width: int
) -> None:
    complaints: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        log_in_by_hand(page, address)
        for path in ("/", "/statements", "/invoices", "/integration", "/metrics", "/access"):
            page.goto(address + path)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path
            assert page.evaluate(_SEEN_WHOLE) == [], path
            names = page.evaluate(_LANDMARKS)
            assert len(names) == len(set(names)), path
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.tagName") == "MAIN"
        page.goto(f"{address}/")
        assert page.locator("svg.chart:visible").count() == 1
        with page.expect_download() as download:
            page.goto(f"{address}/statements")
            page.click("a.button")
        assert download.value.suggested_filename == f"{settled.invoice_number}.pdf"
    assert complaints == []


@pytest.mark.usefixtures("owner")
def test_an_address_that_does_not_exist_is_a_page(client: FlaskClient) -> None:
    log_in(client)
    for path in (
        "nothing-here",
        f"statements/2026-10/{10**23}",
        f"statements/2026-10/{10**23}.csv",
    ):
        answer = client.get(f"/console/{path}")
        assert answer.status_code == 404
        assert answer.mimetype == "text/html"
        assert "Back to the overview" in answer.text


def test_a_fault_of_ours_is_a_page_too(services: Services) -> None:
    app = create_app(services)
    app.add_url_rule("/console/broken", view_func=lambda: 1 // 0)
    answer = app.test_client().get("/console/broken")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "The service failed on this request; it is logged." in answer.text
    assert "Back to the overview" in answer.text
