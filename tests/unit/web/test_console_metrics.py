"""Figures by hand: four visitors a group, so that every interval can be followed."""

import datetime as dt
import math

import pytest

from money_world import contract, shop_month
from recommender.records import Arm
from recommender.uplift.estimate import total_strata
from recommender.uplift.metrics import Moments, Pair
from recommender.uplift.stored import Measurement
from recommender.uplift.views import View, ViewKind
from recommender.web.console_metrics import MetricsPage, metrics_page

TERMS = contract(n_star=100)


def moments(arm: Arm, visitors: int, orders: int, basket_minor: int) -> Moments:
    """One basket each for some visitors; two pages each for all of them."""
    revenue = orders * basket_minor
    return Moments(
        stratum=1,
        arm=arm,
        visitors=visitors,
        converted=orders,
        basket=Pair(revenue, orders, orders * basket_minor**2, orders, revenue),
        pages=Pair(2 * visitors, visitors, 4 * visitors, visitors, 2 * visitors),
        tail=Pair(),
    )


def page(
    figures: tuple[Moments, ...] = (), views: tuple[View, ...] = (), currency: str = "EUR"
) -> MetricsPage:
    measured = Measurement(
        sums=[],
        behaviour={},
        excluded={},
        last_click_minor=0,
        in_both_arms=0,
        moments=figures,
        views=views,
    )
    return metrics_page(measured, contract(n_star=100, currency=currency), None)


def test_figures_and_their_intervals() -> None:
    """300 of 1,000 buy with, 200 without; baskets of 10.00 in both groups."""
    shown = page(
        (moments(Arm.TREATMENT, 1_000, 300, 1_000), moments(Arm.CONTROL, 1_000, 200, 1_000))
    )
    rows = {row.title: row for row in shown.metrics}
    conversion = rows["Conversion rate"]
    assert (conversion.with_value, conversion.without_value) == ("30.00\u00a0%", "20.00\u00a0%")
    # Sample variance of 0 and 1: n p (1 − p) / (n − 1).
    margin = 1.959964 * math.sqrt(0.3 * 0.7 / 999) * 100
    assert conversion.with_interval == f"{30 - margin:.2f}\u00a0% to {30 + margin:.2f}\u00a0%"
    assert conversion.change == "+50.0\u00a0%"
    assert conversion.verdict == "up"
    basket = rows["Average basket"]
    assert (basket.with_value, basket.without_value) == ("10.00 EUR", "10.00 EUR")
    assert (basket.change, basket.verdict) == ("0.0\u00a0%", "same")
    assert rows["Pages per visit"].with_value == "2.00"
    assert "Tail share of revenue" not in rows  # no line had a price


def test_a_change_without_bounds_is_not_told() -> None:
    shown = page((moments(Arm.TREATMENT, 10, 3, 1_000), moments(Arm.CONTROL, 10, 1, 1_000)))
    revenue = shown.metrics[0]
    assert (revenue.change, revenue.change_interval, revenue.verdict) == ("–", "", "same")


def test_amounts_follow_the_currency() -> None:
    figures = (moments(Arm.TREATMENT, 9, 3, 1_000), moments(Arm.CONTROL, 9, 3, 1_000))
    baskets = [
        {row.title: row for row in page(figures, currency=code).metrics}["Average basket"]
        for code in ("JPY", "EUR", "KWD")
    ]
    assert [row.with_value for row in baskets] == ["1,000 JPY", "10.00 EUR", "1.000 KWD"]


def view(kind: ViewKind, name: str, *, treated: int = 600) -> View:
    return View(kind, name, tuple(total_strata(shop_month(dt.date(2027, 1, 1), treated=treated))))


def test_cuts_are_sorted_to_their_tables() -> None:
    shown = page(
        views=(
            view(ViewKind.MONTH, "2027-02"),
            view(ViewKind.PLACEMENT, "cart"),
            view(ViewKind.PLACEMENT, ""),  # a history's exposures name none
            view(ViewKind.TRAILING, ""),
            view(ViewKind.MONTH, "2027-01"),
        )
    )
    assert [row.title for row in shown.views] == ["All so far", "Last 91 days"]
    assert [row.title for row in shown.placements] == ["Cart", "Not told"]
    assert [row.title for row in shown.months] == ["January 2027", "February 2027"]
    assert shown.months[0].change == "+20.0\u00a0%"  # 600 against 500 buyers
    assert shown.months[0].visitors == "10,000"


def test_rows_of_a_table_share_their_scale() -> None:
    shown = page(
        views=(
            view(ViewKind.MONTH, "2027-01", treated=500),
            view(ViewKind.MONTH, "2027-02", treated=600),
        )
    )
    same, more = (row.bar for row in shown.months)
    assert same is not None
    assert more is not None
    assert same.zero == more.zero
    assert same.middle == pytest.approx(same.zero, abs=0.1)  # no difference
    assert 0 <= more.low < more.middle < more.high <= 100
    assert more.middle > more.zero


def test_a_cut_without_buyers_has_no_interval() -> None:
    nobody = View(
        ViewKind.PLACEMENT,
        "home",
        tuple(total_strata(shop_month(dt.date(2027, 1, 1), treated=0, held=0))),
    )
    (row,) = page(views=(nobody,)).placements
    assert (row.change, row.interval, row.bar) == ("–", "too few buyers", None)


def test_nothing_measured_is_an_empty_page() -> None:
    shown = page()
    assert (shown.metrics, shown.views, shown.placements, shown.months) == ([], [], [], [])
