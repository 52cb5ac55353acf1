import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from recommender.records import Arm, EventItem, EventType
from recommender.uplift import sales
from recommender.uplift.behaviour import (
    Behaviour,
    by_visitor,
    head_items,
    last_click_minor,
    visit_moments,
)
from recommender.uplift.days import window
from recommender.uplift.exposures import entries, exposed

NOON = dt.datetime(2027, 3, 2, 12, tzinfo=dt.UTC)
MARCH = window(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


def visits(table: Any) -> dict[str, tuple[int, int]]:
    seen = by_visitor(table, exposed(entries(table, MARCH)), MARCH)
    rows = visit_moments(seen).to_pyarrow().to_pylist()
    arms = ("control", "treatment")
    return {arms[row["arm"]]: (int(row["b"]), int(row["a"])) for row in rows}


def see_pages(tell: Any, visitor: str, at: dt.datetime, minutes: list[int]) -> None:
    for minute in minutes:
        tell(EventType.PAGE_VIEW, visitor, at + minute * MINUTE)


def test_half_an_hour_of_silence_ends_a_visit(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.TREATMENT)
    see_pages(tell, "v", NOON, [0, 30, 60, 91])  # gaps of 30, 30 and 31 minutes
    assert visits(event_table(tell.events)) == {"treatment": (2, 4)}


def test_the_visit_of_the_exposure_counts_whole_and_earlier_visits_do_not(
    tell: Any, event_table: Any
) -> None:
    see_pages(tell, "v", NOON - DAY, [0, 1, 2])
    see_pages(tell, "v", NOON, [0, 1, 5])
    tell(EventType.EXPOSURE, "v", NOON + 2 * MINUTE, arm=Arm.CONTROL)
    see_pages(tell, "never exposed", NOON, [0, 1])
    assert visits(event_table(tell.events)) == {"control": (1, 3)}


def test_who_leaves_right_after_the_exposure_has_a_visit_too(tell: Any, event_table: Any) -> None:
    see_pages(tell, "v", NOON, [0])
    tell(EventType.EXPOSURE, "v", NOON + MINUTE, arm=Arm.CONTROL)
    assert visits(event_table(tell.events)) == {"control": (1, 1)}


def test_item_views_are_pages_where_a_shop_reports_no_others(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.CONTROL)
    tell(EventType.EXPOSURE, "w", NOON, arm=Arm.TREATMENT)
    for minute in (1, 2, 3):
        tell(EventType.VIEW_ITEM, "v", NOON + minute * MINUTE)
        tell(EventType.VIEW_ITEM, "w", NOON + minute * MINUTE)
        tell(EventType.PAGE_VIEW, "w", NOON + minute * MINUTE)
    assert visits(event_table(tell.events)) == {"control": (1, 3), "treatment": (1, 3)}


def test_the_head_is_the_best_selling_fifth() -> None:
    units = {"a": 5, "b": 9, "c": 9, "d": 1, "e": 1, "f": 1}
    # 6 items: a fifth is 1.2, so two; b and c
    assert head_items(units) == {"b", "c"}
    assert head_items({"only": 1}) == {"only"}
    assert head_items({}) == set()
    assert head_items({"y": 1, "x": 1}) == {"x"}


def ordered(tell: Any, order_id: str, *items: EventItem, at: dt.datetime = NOON) -> None:
    tell(EventType.ORDER, "", at, order_id=order_id, items=items)


def test_what_lines_come_to_in_all_and_in_the_tail(tell: Any, event_table: Any) -> None:
    ordered(tell, "1", EventItem("a", 2, 300), EventItem("b", 1, 400))
    ordered(tell, "2", EventItem("a", 3, 300), EventItem("c", 5))
    lines = sales.order_lines(event_table(tell.events), MARCH)
    rows = sales.order_values(lines, ["a"]).to_pyarrow().to_pylist()
    found = {row.pop("order_id"): {name: int(value) for name, value in row.items()} for row in rows}
    assert found == {
        "1": {"units": 3, "tail_units": 1, "sold_minor": 1_000, "tail_minor": 400},
        # c has no price: its units count, its value does not
        "2": {"units": 8, "tail_units": 5, "sold_minor": 900, "tail_minor": 0},
    }
    everywhere = sales.units_by_item(lines).to_pyarrow().to_pylist()
    assert {r["item_id"]: r["units"] for r in everywhere} == {"a": 5, "b": 1, "c": 5}


def test_pages_and_visits_leave_as_sums_squares_and_products(tell: Any, event_table: Any) -> None:
    for visitor, minutes in {"one": [0, 1, 2], "two": [0, 60]}.items():
        tell(EventType.EXPOSURE, visitor, NOON, arm=Arm.CONTROL, stratum=1)
        see_pages(tell, visitor, NOON, minutes)
    table = event_table(tell.events)
    seen = by_visitor(table, exposed(entries(table, MARCH)), MARCH)
    (row,) = visit_moments(seen).to_pyarrow().to_pylist()
    # one: 3 pages in 1 visit; two: 2 pages in 2 visits
    assert {name: int(value) for name, value in row.items()} == {
        "stratum": 1, "arm": 0, "a": 5, "b": 3, "aa": 9 + 4, "bb": 1 + 4, "ab": 3 + 4,
    }  # fmt: skip


def test_a_click_within_seven_days_before_the_order_is_claimed(tell: Any, event_table: Any) -> None:
    ordered(tell, "1", *(EventItem(name) for name in ["late", "fresh", "edge", "old", "plain"]))
    for item_id, at, slate_id in [
        ("late", NOON + MINUTE, "s"),
        ("fresh", NOON - MINUTE, "s"),
        ("fresh", NOON - DAY, "s"),
        ("edge", NOON - 7 * DAY, "s"),
        ("old", NOON - 7 * DAY - dt.timedelta(seconds=1), "s"),
        ("plain", NOON - MINUTE, ""),  # a click in the shop's own list
    ]:
        tell(EventType.SELECT_ITEM, "v", at, slate_id=slate_id, items=(EventItem(item_id),))
    tell(EventType.SELECT_ITEM, "w", NOON, slate_id="s", items=(EventItem("plain"),))
    since = window(dt.date(2027, 2, 1), dt.date(2027, 3, 31), "Europe/Paris")
    events = event_table(tell.events)
    lines = sales.order_lines(events, since)
    asked = {"order_id": ["1"], "visitor": ["v"], "placed_seconds": [int(NOON.timestamp())]}
    found = sales.clicked_lines(events, lines, pa.table(asked), since)
    rows = found.to_pyarrow().to_pylist()
    assert sorted(row["item_id"] for row in rows) == ["edge", "fresh"]


@pytest.mark.parametrize(
    ("lines", "claimed"),
    [
        # 2 × 300 of 2 × 300 + 400 = 60 % of 9,000
        ([("1", "a", 2, 300), ("1", "b", 1, 400)], 5_400),
        # without a price quantities decide: 2 of 3
        ([("1", "a", 2, None), ("1", "b", 1, 400)], 6_000),
        ([("1", "a", 2, 0), ("1", "b", 1, 0)], 6_000),
        ([("1", "b", 1, 400)], 0),
    ],
)
def test_last_click_claims_a_lines_part_of_the_net_revenue(
    lines: list[tuple[str, str, int, int | None]], claimed: int
) -> None:
    assert last_click_minor([("1", "a"), ("2", "b")], lines, {"1": 9_000}) == claimed


def test_ratios_are_absent_while_nothing_is_counted() -> None:
    empty = Behaviour(0, 0, 0, 0, 0, 0, 0, 0)
    assert empty.pages_per_visit is None
    assert empty.conversion_rate is None
    assert empty.average_basket_minor is None
    assert empty.tail_share is None


def test_ratios_by_hand() -> None:
    behaviour = Behaviour(
        visitors=200, visits=250, pages=1_000, orders=5, converted=4, revenue_minor=12_345,
        units=8, tail_units=2,
    )  # fmt: skip
    assert behaviour.pages_per_visit == 4.0
    assert behaviour.conversion_rate == 0.02
    assert behaviour.average_basket_minor == 2_469.0
    assert behaviour.tail_share == 0.25
