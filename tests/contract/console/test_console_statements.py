"""Statements, invoices, contract and metrics in the console, in every state."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
import statement_world
from flask.testing import FlaskClient
from pages import PASSWORD, log_in

from recommender import tables
from recommender.bootstrap import Services
from recommender.records import RateTier, Shop
from recommender.shops.accounts import add_user
from recommender.shops.registry import NewShop, ShopOrder, add_contract, create_shop

MARCH = "/console/statements/2026-03/1"


@pytest.fixture
def owner(bare_owner: Shop) -> Shop:
    return bare_owner


@pytest.fixture
def lived(services: Services, owner: Shop) -> Callable[[str], None]:
    def live(name: str) -> None:
        statement_world.live_as(name, owner, services.database)

    return live


@pytest.mark.parametrize(
    ("state", "mark", "words"),
    [
        ("due", "Due", "Billed before"),
        ("capped", "Limited by the cap", "above the month’s or the year’s cap"),
        ("not-proven", "Not proven yet", "no difference is proven yet"),
        ("too-few", "Not proven yet", "each group needs 30 before anything is due"),
        ("frozen", "Billing is frozen", "(p &lt; 0.001)"),
        ("credit", "Credit", "in your favour, without VAT"),
    ],
)
def test_a_closed_month_says_where_it_stands(
    see: Callable[[str], str], lived: Callable[[str], None], state: str, mark: str, words: str
) -> None:
    lived(state)
    page = see(MARCH)
    assert re.search(rf'<span class="pill \w+">{mark}</span>', page)
    assert words in page
    assert "Four ways to price the same months" in page
    assert mark in see("/console/statements")


def test_page_statement_and_invoice_name_the_same_amount(
    see: Callable[[str], str], client: FlaskClient, lived: Callable[[str], None]
) -> None:
    lived("due")
    page = see(MARCH)
    body = client.get(f"{MARCH}.json").json
    assert body is not None
    due = f"{body['bill']['due_minor'] / 100:,.2f} EUR"
    # Beside the sentence, among the chart's figures, and under the arithmetic.
    assert page.count(due) == 3
    assert due in see("/console/invoices")
    assert body["sentence"].replace("\u00a0", " ") in page
    assert body["evidence_sha256"] in page


def test_the_running_month_is_no_bill(
    see: Callable[[str], str], lived: Callable[[str], None]
) -> None:
    lived("due")
    page = see("/console/statements/now")
    assert "If April 2026 closed now" in page
    assert "preview, no bill" in page
    assert "Test without recommendations" in page
    assert "/console/invoices/" not in page


def test_before_the_first_night_every_page_says_so(
    see: Callable[[str], str], client: FlaskClient, lived: Callable[[str], None]
) -> None:
    lived("empty")
    assert "Nothing is measured yet" in see("/console/statements/now")
    assert "Nothing is measured yet" in see("/console/metrics")
    assert "No contract is in force" in see("/console/contract")
    assert "There is no invoice yet" in see("/console/invoices")
    assert client.get("/console/statements/now/daily.csv").status_code == 404
    assert client.get(MARCH).status_code == 404


def test_the_daily_table_is_the_evidence_s(
    see: Callable[[str], str], client: FlaskClient, lived: Callable[[str], None]
) -> None:
    lived("due")
    see(MARCH)
    table = list(csv.DictReader(io.StringIO(client.get(f"{MARCH}/daily.csv").text)))
    body = client.get(f"{MARCH}.json").json
    assert body is not None
    assert len(table) == len(body["daily"])
    assert sum(int(row["orders"]) for row in table) == sum(row["orders"] for row in body["daily"])
    euros = sum(round(float(row["revenue"]) * 100) for row in table)
    assert euros == sum(row["revenue_minor"] for row in body["daily"])
    now = client.get("/console/statements/now/daily.csv")
    assert now.headers["Content-Disposition"] == 'attachment; filename="daily-now.csv"'
    assert now.text.splitlines()[-1].startswith("2026-04-15,")


def test_invoices_show_what_was_paid(
    see: Callable[[str], str], services: Services, owner: Shop, lived: Callable[[str], None]
) -> None:
    lived("due")
    details = tables.invoice_details.c
    with services.database.begin() as connection:
        gross = {
            row.number: row.amount_minor + row.vat_minor
            for row in connection.execute(
                sa.select(details.number, details.vat_minor, tables.invoices.c.amount_minor)
                .join_from(
                    tables.invoice_details,
                    tables.invoices,
                    details.number == tables.invoices.c.number,
                )
                .order_by(details.number)
            )
        }
        paid, partly, last = sorted(gross)
        for number, amount in ((paid, gross[paid]), (partly, 100)):
            connection.execute(
                tables.payments.insert().values(
                    shop_id=owner.shop_id,
                    transaction_id=f"t-{number}",
                    number=number,
                    amount_minor=amount,
                    currency="EUR",
                    paid_on=statement_world.NOW.date(),
                    entry_number=f"e-{number}",
                    recorded_at=statement_world.NOW,
                )
            )
    page = see("/console/invoices")
    found = re.findall(r'Invoice ([\w-]+)</a>.*?<span class="pill \w+">([\w ]+)</span>', page)
    # January's was due on 5 March, February's on 2 April, March's is on 3 May; it is 16 April.
    assert dict(found) == {paid: "paid", partly: "overdue", last: "open"}


def test_an_invoice_issued_as_a_page_is_named_so(
    see: Callable[[str], str], services: Services, lived: Callable[[str], None]
) -> None:
    lived("due")
    details = tables.invoice_details
    with services.database.begin() as connection:
        [first, *_] = connection.scalars(sa.select(details.c.number).order_by(details.c.number))
        connection.exec_driver_sql("DROP TRIGGER invoice_details_no_update")
        html = details.update().where(details.c.number == first).values(content_type="text/html")
        connection.execute(html)
    page = see("/console/invoices")
    assert re.findall(r'Invoice ([\w-]+)</a> <span class="pill held">HTML</span>', page) == [first]
    assert "no PDF could be drawn" in page


def test_an_invoice_comes_as_data_too(
    see: Callable[[str], str], client: FlaskClient, lived: Callable[[str], None]
) -> None:
    lived("due")
    link = re.search(r'href="(/console/invoices/[^"]+\.xml)"', see("/console/invoices"))
    assert link
    answer = client.get(link[1])
    assert (answer.mimetype, answer.data) == ("application/xml", b"<xml/>")
    assert client.get("/console/invoices/2020-000001.xml").status_code == 404


def test_another_shop_sees_none_of_it(
    services: Services, client: FlaskClient, lived: Callable[[str], None], owner: Shop
) -> None:
    lived("due")
    order = ShopOrder("Other", "EUR", "FR", "Europe/Paris", ["https://b.example"])
    now = statement_world.NOW
    other = create_shop(order, database=services.database, now=now)
    add_user(
        other.shop_id, "b@b.example", PASSWORD, database=services.database, now=now, user_id="u2"
    )
    log_in(client, email="b@b.example")
    with services.database.connect() as connection:
        number = connection.scalar(sa.select(tables.invoices.c.number).limit(1))
    for path in (MARCH, f"{MARCH}/daily.csv", f"/console/invoices/{number}.xml"):
        assert client.get(path).status_code == 404
    assert str(number) not in client.get("/console/invoices").text


# -- contract and metrics -----------------------------------------------------------------------


def test_the_contract_in_plain_words_with_its_versions(
    see: Callable[[str], str], services: Services, owner: Shop, lived: Callable[[str], None]
) -> None:
    lived("due")
    later = replace(
        statement_world.CONTRACT,
        shop_id=owner.shop_id,
        starts_on=dt.date(2026, 6, 1),
        tiers=(RateTier(5_000_000, 800),),
        licence_month_minor=4_900,
    )
    add_contract(later, database=services.database)
    page = see("/console/contract")
    assert "Version 1, in force" in page
    assert "10 %, 8 % above 50,000.00 EUR" in page
    assert "49.00 EUR" in page
    names = re.findall(r"<dt>([\w ]+) <span>", page)
    assert names == ["Prudent middle", "Proven minimum", "Fair value", "Last click"]


def test_what_each_policy_would_cost_follows_their_order(
    see: Callable[[str], str], lived: Callable[[str], None]
) -> None:
    """The middle lies between its ends."""
    lived("due")
    page = see("/console/contract")
    found = re.findall(r"<dt>([\w ]+) <span>.*?<dd>([\d,.]+) EUR</dd>", page)
    cost = {name: float(amount.replace(",", "")) for name, amount in found}
    assert 0 < cost["Proven minimum"] < cost["Prudent middle"] < cost["Fair value"]
    middle = (cost["Proven minimum"] + cost["Fair value"]) / 2
    assert cost["Prudent middle"] == pytest.approx(middle, abs=0.02)


def test_a_contract_before_its_first_night_has_terms_and_fees(
    see: Callable[[str], str], services: Services, owner: Shop
) -> None:
    statement_world.open_contract(
        owner, statement_world.LIVES["capped"], dt.date(2026, 4, 1), services.database
    )
    page = see("/console/contract")
    assert "a licence fee of 49.00 EUR a month" in page
    assert "Nothing is measured yet" in page
    assert "10,000.00 EUR</th><td>1,000.00 EUR</td><td>10.00 %" in page


@pytest.mark.parametrize("state", ["due", "empty"])
def test_what_to_expect_follows_what_is_asked(
    see: Callable[[str], str], lived: Callable[[str], None], state: str
) -> None:
    """The greater the effect, the likelier a fee; without an effect hardly ever."""
    lived(state)
    page = see("/console/plan?visitors=100000&uplift=4")
    assert "With 100,000 visitors a month and a true uplift of 4.0 %" in page
    chances = [float(found) for found in re.findall(r"<td>([\d.]+) %</td><td>[\d.,]+ EUR", page)]
    assert len(chances) == 6
    assert chances == sorted(chances)
    assert chances[0] < 1
    assert ("as measured in your shop" in page) == (state == "due")
    assert "50 %" in page  # the phase in force


def test_a_plan_that_cannot_be_read_says_which_field(
    see: Callable[[str], str], lived: Callable[[str], None]
) -> None:
    lived("empty")
    page = see("/console/plan?visitors=many&uplift=0&conversion=100&basket=-1")
    assert page.count('aria-invalid="true"') == 4
    assert "The first year" not in page


def test_metrics_stand_with_their_intervals(
    see: Callable[[str], str], lived: Callable[[str], None]
) -> None:
    lived("due")
    page = see("/console/metrics")
    for title in (
        "Revenue per visitor",
        "Conversion rate",
        "Average basket",
        "Pages per visit",
        "Tail share of revenue",
        "Last 91 days",
        "Home page",
        "March 2026",
    ):
        assert title in page
    # 4 pages a visit with, 3 without, the same for everybody.
    assert re.search(r"Pages per visit .*?<td[^>]*>4.00 .*?<td[^>]*>3.00 .*?\+33.3 %", page)
    assert page.count('class="whiskers"') == 4 + 3 + 4
    revenue = re.search(r"Revenue per visitor .*?([+−-]\S+ % to [+−-]\S+ %)", page)
    billed = re.search(r"All so far .*?([+−-]\S+ % to [+−-]\S+ %)", page)
    assert revenue is not None
    assert billed is not None
    assert revenue[1] == billed[1]


def test_the_overview_colours_only_what_is_more_than_chance(
    see: Callable[[str], str], lived: Callable[[str], None]
) -> None:
    lived("not-proven")
    page = see("/console/")
    changes = re.findall(r'<p class="change (\w+)">([+-]\S+ %)</p>', page)
    assert [direction for direction, _ in changes] == ["up", "same", "same", "same"]
    assert all(not change.startswith("+0.0") for _, change in changes)


def test_a_measurement_of_an_earlier_release_has_no_metrics(
    see: Callable[[str], str], services: Services, lived: Callable[[str], None]
) -> None:
    lived("due")
    rows = tables.behaviour
    with services.database.begin() as connection:
        body = connection.scalar(sa.select(rows.c.body).where(rows.c.arm == "none"))
        body = {name: body[name] for name in ("excluded", "last_click_minor")}
        connection.execute(rows.update().where(rows.c.arm == "none").values(body=body))
    page = see("/console/metrics")
    assert page.count("Not measured yet.") == 4


# -- for the shop's server ----------------------------------------------------------------------


def test_the_shop_s_server_reads_the_same(
    client: FlaskClient, new_shop: NewShop, lived: Callable[[str], None]
) -> None:
    lived("due")
    bearer = {"Authorization": f"Bearer {new_shop.secret_key}"}
    listing = client.get("/v1/statements", headers=bearer).json
    one = client.get("/v1/statements/2026-03", headers=bearer).json
    assert listing is not None
    assert one is not None
    assert one == listing["statements"][0]
    assert client.get("/v1/statements/2026-04", headers=bearer).status_code == 404
    xml = client.get(f"/v1/invoices/{one['invoice']}.xml", headers=bearer)
    assert (xml.mimetype, xml.data) == ("application/xml", b"<xml/>")
    uplift = client.get("/v1/uplift", headers=bearer).json
    assert uplift is not None
    metrics = {metric["name"]: metric for metric in uplift["metrics"]}
    assert "pages_per_visit" in metrics
    # The small group missed large baskets: the billed interval allows for that, so all of them do.
    revenue, billed = metrics["revenue_per_visitor_minor"], uplift["estimate"]
    for interval in ("fixed", "sequence"):
        told = [round(bound * 1_000_000) for bound in revenue[f"relative_{interval}"]]
        assert told == billed[f"uplift_{interval}_ppm"]
    assert round(revenue["relative"] * 1_000_000) == billed["uplift_ppm"]
    assert {view["kind"] for view in uplift["views"]} >= {"trailing", "placement"}
    assert uplift["preview"]["month"] == "2026-04"
