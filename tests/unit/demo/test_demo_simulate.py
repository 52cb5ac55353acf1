import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import world
from recommender.demo.shoppers import MAX_BASKET_MINOR, Baskets, collect_baskets
from recommender.demo.simulate import Plan, simulate
from recommender.events.history_events import read_events
from recommender.experiments.assignment import assign
from recommender.records import Arm, Stratum

STRATUM = Stratum("shop_1", 3, "salt", 500_000, dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
SHOP = replace(
    world.SHOP, currency="GBP", country="GB", timezone="Europe/London", strata=(STRATUM,)
)
FIRST, LAST = dt.date(2026, 1, 5), dt.date(2026, 1, 18)


def make_baskets() -> Baskets:
    """Two groups of items that are never bought together: a0…a9 and b0…b9."""
    rng = np.random.default_rng(1)
    order, item, quantity, price = [], [], [], []
    for number in range(400):
        group = "ab"[number % 2]
        for which in rng.choice(10, 4, replace=False):
            order.append(number)
            item.append(f"{group}{which}")
            quantity.append(int(rng.integers(1, 30)))
            price.append(100 + 50 * int(which))
    return collect_baskets(
        np.array(order), np.array(item), np.array(quantity), np.array(price, np.int64)
    )


BASKETS = make_baskets()


def run(n_visitors: int = 3_000, effect_ppm: int = 0, seed: int = 5) -> Any:
    return simulate(BASKETS, Plan(FIRST, LAST, n_visitors, effect_ppm, seed), STRATUM)


def of(events: Any, kind: str) -> Any:
    return events.filter(pc.equal(events["type"], kind))


@pytest.fixture(scope="module")
def events() -> Any:
    return run()


def test_equal_seeds_give_equal_shoppers(events: Any) -> None:
    assert run().equals(events)
    assert not run(seed=6).equals(events)


def test_every_row_is_an_event_the_import_takes(events: Any) -> None:
    past = read_events([("simulated", events)], SHOP)
    assert past.rejected == {}
    assert past.rows_read == events.num_rows
    assert set(past.accepted) == {
        "view_item", "add_to_cart", "select_item", "exposure", "impression", "purchase",
        "order", "refund",
    }  # fmt: skip
    assert pc.count_distinct(events["event_id"]).as_py() == events.num_rows


def test_all_happens_on_the_planned_days(events: Any) -> None:
    first, last = pc.min(events["occurred_at"]).as_py(), pc.max(events["occurred_at"]).as_py()
    assert first.date() == FIRST
    assert last.date() == LAST


def test_arms_are_those_of_the_service(events: Any) -> None:
    exposures = of(events, "exposure").to_pylist()
    assert {row["stratum"] for row in exposures} == {3}
    arms = {row["visitor_id"]: row["arm"] for row in exposures}
    assert arms == {visitor: assign(visitor, STRATUM).value for visitor in arms}
    treated = {visitor for visitor, arm in arms.items() if arm == Arm.TREATMENT.value}
    for kind in ("impression", "select_item"):
        assert set(of(events, kind)["visitor_id"].to_pylist()) <= treated


def test_nobody_buys_before_the_exposure(events: Any) -> None:
    exposed: dict[str, dt.datetime] = {}
    for row in of(events, "exposure").sort_by("occurred_at").to_pylist():
        exposed.setdefault(row["visitor_id"], row["occurred_at"])
    orders = of(events, "order").to_pylist()
    assert orders
    assert all(
        row["occurred_at"] > exposed[row["visitor_id"]] for row in orders if row["visitor_id"]
    )


def test_shoppers_walk_along_what_is_bought_together(events: Any) -> None:
    views = of(events, "view_item").sort_by(
        [("session", "ascending"), ("occurred_at", "ascending")]
    )
    session, item = views["session"].to_pylist(), views["item_id"].to_pylist()
    steps = [
        item[i][0] == item[i + 1][0] for i in range(len(item) - 1) if session[i] == session[i + 1]
    ]
    # 70 % of steps follow a neighbour, which is of the same group; the rest are half and half:
    # 0.7 + 0.3 × 0.5 = 0.85
    assert np.mean(steps) == pytest.approx(0.85, abs=0.02)


def test_baskets_are_parts_of_real_orders_at_retail_size(events: Any) -> None:
    price = dict(zip(BASKETS.item_ids.tolist(), BASKETS.price_minor.tolist(), strict=True))
    orders = of(events, "order").to_pylist()
    for order in orders:
        lines = order["items"]
        assert order["net_minor"] == sum(line["quantity"] * line["price_minor"] for line in lines)
        assert order["net_minor"] <= MAX_BASKET_MINOR
        assert all(line["price_minor"] == price[line["item_id"]] for line in lines)
        assert len({line["item_id"][0] for line in lines}) == 1
        assert len({line["item_id"] for line in lines}) == len(lines)
    assert len({order["order_id"] for order in orders}) == len(orders)


def test_refunds_send_back_orders_that_exist(events: Any) -> None:
    orders = {row["order_id"]: row for row in of(events, "order").to_pylist()}
    refunds = of(events, "refund").to_pylist()
    assert refunds
    for refund in refunds:
        order = orders[refund["order_id"]]
        assert 0 < refund["net_minor"] <= order["net_minor"]
        assert refund["occurred_at"] > order["occurred_at"]


def test_the_declared_effect_is_the_true_one() -> None:
    events = run(n_visitors=60_000, effect_ppm=500_000)
    exposures = of(events, "exposure")
    arm_of = dict(
        zip(exposures["visitor_id"].to_pylist(), exposures["arm"].to_pylist(), strict=True)
    )
    buyers = {"treatment": 0, "control": 0}
    for visitor in of(events, "order")["visitor_id"].to_pylist():
        if visitor:
            buyers[arm_of[visitor]] += 1
    visitors = {name: list(arm_of.values()).count(name) for name in buyers}
    rate = {name: buyers[name] / visitors[name] for name in buyers}
    # 5,000 orders and more: the ratio's standard error is about 3 %, this bound is four of them.
    assert rate["treatment"] / rate["control"] == pytest.approx(1.5, abs=0.18)


def test_without_effect_the_arms_buy_alike() -> None:
    events = run(n_visitors=60_000)
    arms = pa.array([assign(v, STRATUM).value for v in of(events, "order")["visitor_id"].to_pylist()
                     if v])  # fmt: skip
    treated = pc.sum(pc.equal(arms, "treatment")).as_py()
    # Binomial(n, ½): four standard deviations are 2 √n.
    assert abs(treated - len(arms) / 2) < 2 * len(arms) ** 0.5
