"""Plan, design, ledger and contract, as a person or a script calls them."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from money_world import CONTRACT
from recommender.bootstrap import Services
from recommender.cli import ledger_commands, plan_commands, shop_commands
from recommender.cli.jobs import advance_designs
from recommender.errors import InvalidInputError
from recommender.records import RateTier, Shop
from recommender.shops.registry import add_contract, read_contracts
from recommender.uplift.measure import measure
from shoppers import Shoppers, live_through

STARTS_ON = dt.date(2026, 3, 2)
OFFER = ("--visitors-per-month", "50000", "--conversion", "2", "--basket", "80", "--uplift", "3")
Run = Callable[..., Result]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what these commands ask of a database is tested on both elsewhere."""
    return sqlite_url


@pytest.fixture
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command on the test's own services, if the test has any."""
    for module in (plan_commands, ledger_commands, shop_commands):
        monkeypatch.setattr(
            module, "make_services", lambda **_: request.getfixturevalue("services")
        )

    def call(command: object, *arguments: str) -> Result:
        return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]

    return call


def test_a_plan_says_the_interval_and_the_chance_of_a_fee(run: Run) -> None:
    told = json.loads(run(plan_commands.plan, *OFFER, "--holdout", "10", "--json").stdout)
    by_months = {one["months"]: one for one in told["expected"]}
    assert set(by_months) == {1, 12, 24}
    assert by_months[12]["fixed"] == pytest.approx(0.084, abs=5e-4)
    assert by_months[12]["sequence"] == pytest.approx(0.130, abs=5e-4)
    assert 0 < told["fee_chance"] < 0.1
    assert (told["recommended_holdout"], told["suffices"]) == (0.2, False)
    assert (told["squared_cv"], told["n_star"]) == (pytest.approx(99), 600_000)

    text = run(plan_commands.plan, *OFFER, "--months", "36").stdout.replace("\u00a0", " ")
    assert "the expected 36-month interval is ±" in text
    assert "chance that any fee is due in year 1:" in text
    assert "50 % of visitors held out for 3 months, then 20 %" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--conversion", "2"], "missing-argument"),
        ([*OFFER, "--basket", "0"], "bad-amount"),
        ([*OFFER, "--basket", "eighty"], "bad-amount"),
    ],
)
def test_a_plan_without_an_offer_says_what_is_missing(
    run: Run, arguments: list[str], code: str
) -> None:
    error = run(plan_commands.plan, *arguments).exception
    assert isinstance(error, InvalidInputError)
    assert error.code == code


@pytest.mark.parametrize("option", ["--conversion", "--holdout", "--uplift"])
def test_shares_that_cannot_be_are_wrong_use(run: Run, option: str) -> None:
    assert run(plan_commands.plan, *OFFER, option, "0").exit_code == 2


def test_a_measured_shop_is_planned_from_its_own_figures(
    run: Run, services: Services, shop: Shop
) -> None:
    nothing = run(plan_commands.plan, "--shop", shop.shop_id).exception
    assert isinstance(nothing, InvalidInputError)
    assert nothing.code == "nothing-measured"

    shoppers = Shoppers(shop)
    days = [STARTS_ON + dt.timedelta(days=i) for i in range(2)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
    shoppers.tell(services.event_log, services.database)
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=STARTS_ON, n_star=2_000)
    add_contract(terms, database=services.database)
    services.now.at = dt.datetime(2026, 3, 4, 6, tzinfo=dt.UTC)  # type: ignore[attr-defined]
    measure(
        shop,
        event_log=services.event_log,
        database=services.database,
        contract=terms,
        through=days[-1],
        now=services.now(),
    )
    told = json.loads(run(plan_commands.plan, "--shop", shop.shop_id, "--json").stdout)
    # 400 visitors in two days, 30.4 of which make a month
    assert told["visitors_per_month"] == round(200 * 365.25 / 12)
    assert (told["n_star"], told["rate_bps"], told["currency"]) == (2_000, 1_000, "EUR")


def test_a_design_is_begun_shown_and_advanced(run: Run, services: Services, shop: Shop) -> None:
    named = ("--shop", shop.shop_id)
    begun = json.loads(run(plan_commands.design, "begin", *named, "--json").stdout)
    assert begun["phase"] == "a_a"
    strata = json.loads(run(plan_commands.design, "show", *named, "--json").stdout)["strata"]
    assert [stratum["phase"] for stratum in strata] == ["", "a_a"]
    assert "goes on: 0 of 14 days" in run(plan_commands.design, "advance", *named).stdout
    # Without a single buyer the scheduler waits for twice the time.
    services.now.advance(minutes=29 * 24 * 60)  # type: ignore[attr-defined]
    advance_designs(services)
    lines = run(plan_commands.design, "show", *named).stdout.splitlines()
    assert [line.split()[-3] for line in lines] == ["hand", "a_a", "calibration"]


def test_the_ledger_is_verified(run: Run, services: Services) -> None:
    told = json.loads(run(ledger_commands.ledger, "verify", "--json").stdout)
    assert told == {"transactions": 0, "invoices": 0}


def test_all_terms_can_be_agreed_by_command(run: Run, services: Services, shop: Shop) -> None:
    arguments = (
        *("contract", "--shop", shop.shop_id, "--starts-on", "2026-03-01", "--n-star", "5000"),
        *("--policy", "fair_value", "--rate", "0.12", "--tier", "100000=0.08"),
        *("--tier", "500000=0.05", "--licence", "99", "--minimum", "250", "--cap-year", "50000"),
        *("--cap-year-share", "0.03", "--vat-case", "reverse_charge"),
        *("--visitor-month-cap", "900"),
    )
    result = run(shop_commands.shop, *arguments)
    assert result.exit_code == 0, result.output
    [stored] = read_contracts(shop.shop_id, database=services.database)
    assert stored.tiers == (RateTier(10_000_000, 800), RateTier(50_000_000, 500))
    assert stored.visitor_month_cap_minor == 90_000
    assert (stored.licence_month_minor, stored.minimum_month_minor) == (9_900, 25_000)
    assert (stored.cap_year_minor, stored.cap_year_bps) == (5_000_000, 300)
    assert (stored.policy, stored.rate_bps, stored.vat_case) == (
        "fair_value",
        1_200,
        "reverse_charge",
    )


@pytest.mark.parametrize("tier", ["100000", "x=0.1", "5=much", "500=0.05"])
def test_a_tier_that_cannot_be_is_refused(
    run: Run, services: Services, shop: Shop, tier: str
) -> None:
    arguments = ("--starts-on", "2026-03-01", "--n-star", "5000", "--tier", "1000=0.1")
    result = run(shop_commands.shop, "contract", "--shop", shop.shop_id, *arguments, "--tier", tier)
    assert isinstance(result.exception, InvalidInputError)
    assert read_contracts(shop.shop_id, database=services.database) == []
