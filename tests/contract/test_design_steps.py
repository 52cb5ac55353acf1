"""A shop's experiment from its A/A fortnight to the running holdout, measured for real."""

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from money_world import CONTRACT
from recommender.billing.advance import advance_design, begin_design, measured_plan
from recommender.billing.preview import preview
from recommender.errors import InvalidInputError
from recommender.experiments.design import Step
from recommender.ports import EventLog
from recommender.records import Arm, Phase, Shop
from recommender.shops.audit import read_audit
from recommender.shops.directory import ShopDirectory
from recommender.shops.registry import add_contract
from recommender.uplift.measure import measure
from shoppers import Shoppers

BEGAN_AT = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: nothing here is asked of a database that is not asked of both elsewhere."""
    return sqlite_url


@pytest.fixture
def begun(database: sa.Engine, shop: Shop) -> Shop:
    """A shop with a contract, in its A/A stretch."""
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=BEGAN_AT.date(), n_star=1_000)
    add_contract(terms, database=database)
    begin_design(shop, database=database, now=BEGAN_AT)
    return reread(database, shop)


def reread(database: sa.Engine, shop: Shop) -> Shop:
    return ShopDirectory(database).by_id(shop.shop_id)


def live(
    shop: Shop, event_log: EventLog, database: sa.Engine, at: dt.datetime, *, lucky: float = 1.0
) -> None:
    """Expose 200 visitors in each arm and let some buy; `lucky` times as many of the treated."""
    shoppers, stratum = Shoppers(shop), shop.current_stratum.stratum
    for arm, buyers in ((Arm.CONTROL, 40), (Arm.TREATMENT, round(40 * lucky))):
        for number in range(200):
            # The same people come back in every phase.
            visitor = f"{arm}{number:03}"
            shoppers.expose(visitor, at, arm, stratum)
            if number < buyers:
                later = at + dt.timedelta(minutes=5)
                shoppers.order(f"{stratum}-{visitor}", 4_000 + number, later, visitor)
    shoppers.tell(event_log, database)


def advance(shop: Shop, event_log: EventLog, database: sa.Engine, now: dt.datetime) -> Step:
    [terms] = [replace(CONTRACT, shop_id=shop.shop_id, starts_on=BEGAN_AT.date(), n_star=1_000)]
    through = now.date()
    measure(shop, event_log=event_log, database=database, contract=terms, through=through, now=now)
    return advance_design(shop, database=database, now=now)


def test_a_design_goes_from_a_a_to_its_running_holdout(
    begun: Shop, event_log: EventLog, database: sa.Engine
) -> None:
    live(begun, event_log, database, BEGAN_AT + dt.timedelta(days=1))
    early = advance(begun, event_log, database, BEGAN_AT + dt.timedelta(days=13))
    assert early.phase is None

    now = BEGAN_AT + dt.timedelta(days=14)
    assert advance(begun, event_log, database, now).phase is Phase.CALIBRATION
    shop = reread(database, begun)
    assert shop.current_stratum.treatment_share_ppm == 500_000
    assert shop.current_stratum.salt != begun.current_stratum.salt

    # Who was met in the A/A stretch is met anew, and only what follows proves anything.
    live(shop, event_log, database, now + dt.timedelta(days=1), lucky=4.0)
    now += dt.timedelta(days=2)
    assert advance(shop, event_log, database, now).phase is Phase.RUNNING
    seen = preview(reread(database, begun), database=database, now=now)
    assert seen is not None
    assert {row.stratum for row in seen.evidence.sums} == {shop.current_stratum.stratum}
    assert sum(row.visitors for row in seen.evidence.sums) == 400
    plan = measured_plan(seen)
    assert plan is not None
    assert plan.conversion == 40 / 200
    running = reread(database, begun).current_stratum
    assert 800_000 <= running.treatment_share_ppm <= 950_000
    assert advance_design(reread(database, begun), database=database, now=now).phase is None


def test_arms_that_differ_without_a_cause_stop_the_design(
    begun: Shop, event_log: EventLog, database: sa.Engine
) -> None:
    live(begun, event_log, database, BEGAN_AT + dt.timedelta(days=1), lucky=4.0)
    step = advance(begun, event_log, database, BEGAN_AT + dt.timedelta(days=40))
    assert step.phase is None
    assert "differ" in step.reason


def test_nothing_of_an_a_a_stretch_is_billed(
    begun: Shop, event_log: EventLog, database: sa.Engine
) -> None:
    at = BEGAN_AT + dt.timedelta(days=1)
    live(begun, event_log, database, at, lucky=4.0)
    advance(begun, event_log, database, at + dt.timedelta(days=1))
    seen = preview(begun, database=database, now=at)
    assert seen is not None
    assert seen.evidence.sums
    assert (seen.bill.target.estimate, seen.bill.due_minor) == (None, 0)


def test_every_step_is_logged_with_salt_share_and_reason(begun: Shop, database: sa.Engine) -> None:
    [entry] = [
        entry
        for entry in read_audit(begun.shop_id, database=database)
        if entry.action == "stratum.started" and entry.detail["phase"] == "a_a"
    ]
    stratum = begun.current_stratum
    assert entry.detail["salt"] == stratum.salt
    assert entry.detail["treatment_share_ppm"] == 500_000
    assert "A/A" in entry.detail["reason"]
    with pytest.raises(InvalidInputError) as caught:
        begin_design(begun, database=database, now=BEGAN_AT)
    assert caught.value.code == "design-begun"


def test_a_shop_without_figures_stays_in_its_phase(begun: Shop, database: sa.Engine) -> None:
    now = BEGAN_AT + dt.timedelta(days=20)
    assert advance_design(begun, database=database, now=now).phase is None
