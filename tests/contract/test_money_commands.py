"""The commands of proof and price, as a person or a script calls them."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from money_world import CONTRACT
from recommender.billing.archive import read_invoice_pdf
from recommender.bootstrap import Services
from recommender.cli import money_commands
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Shop
from recommender.shops.registry import ShopOrder, add_contract, create_shop
from shoppers import Shoppers, live_through
from world import Clock

STARTS_ON = dt.date(2026, 3, 2)
Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command on the test's own services."""
    monkeypatch.setattr(money_commands, "make_services", lambda **_: services)

    def call(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(getattr(money_commands, name), list(arguments))

    return call


@pytest.fixture
def proven(services: Services, shop: Shop, clock: Clock) -> Shop:
    shoppers = Shoppers(shop)
    days = [STARTS_ON + dt.timedelta(days=i) for i in range(2)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
    shoppers.tell(services.event_log, services.database)
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=STARTS_ON, n_star=2_000)
    add_contract(terms, database=services.database)
    clock.at = dt.datetime(2026, 4, 2, 6, tzinfo=dt.UTC)
    return shop


def test_measure_settle_and_verify_follow_each_other(
    run: Run, services: Services, proven: Shop, tmp_path: Path
) -> None:
    measured = json.loads(run("measure", "--shop", proven.shop_id, "--json").stdout)["shops"][0]
    assert measured["through"] == "2026-04-02"
    assert measured["days"] == 2
    assert measured["arms"]["control"]["visitors"] == 200
    assert measured["estimate"]["incremental_sequence_minor"][0] > 0

    closed = run("settle", "--month", "2026-03", "--json")
    [settled] = json.loads(closed.stdout)["shops"]
    assert settled["new"]
    assert settled["reason"] == "due"
    again = json.loads(run("settle", "--month", "2026-03", "--json").stdout)["shops"][0]
    assert again == settled | {"new": False}

    path = tmp_path / "invoice.pdf"
    pdf = read_invoice_pdf(proven.shop_id, settled["invoice"], database=services.database)
    path.write_bytes(pdf)
    verified = run("verify", str(path), "--json")
    assert verified.exit_code == 0
    told = json.loads(verified.stdout)
    assert (told["passed"], told["due_minor"]) == (True, settled["amount_minor"])
    assert "daily sums are what happened" in told["does_not_prove"]
    assert run("verify", str(path)).stdout.count("ok  ") == 9


def test_text_is_for_people(run: Run, proven: Shop) -> None:
    measured = run("measure").stdout.replace("\u00a0", " ")
    assert "your visitors with recommendations spent between" in measured
    assert "control: 200 visitors" in measured
    assert "2026-03 closed: " in run("settle", "--month", "2026-03").stdout
    assert "2026-03 was closed before: " in run("settle", "--month", "2026-03").stdout


def test_a_shop_without_a_contract_stops_no_other(
    run: Run, services: Services, proven: Shop
) -> None:
    order = ShopOrder("Young", "EUR", "FR", "Europe/Paris", ["https://b.example"])
    young = create_shop(order, database=services.database, now=services.now())
    for command, code in (
        (["measure"], "no-contract"),
        (["settle", "--month", "2026-03"], "before-contract"),
    ):
        result = run(*command, "--json")
        assert result.exit_code == 0
        codes = {row["shop_id"]: row["code"] for row in json.loads(result.stdout)["shops"]}
        assert codes == {proven.shop_id: "", young.shop_id: code}
    alone = run("measure", "--shop", young.shop_id)
    assert isinstance(alone.exception, NotFoundError)


def test_a_month_that_cannot_be_closed_fails(run: Run, proven: Shop) -> None:
    result = run("settle", "--month", "2026-04", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["shops"][0]["code"] == "month-not-over"
    alone = run("settle", "--month", "2026-04", "--shop", proven.shop_id)
    assert isinstance(alone.exception, InvalidInputError)
