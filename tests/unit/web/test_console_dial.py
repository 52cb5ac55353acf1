import itertools
from dataclasses import replace
from typing import Any

import pytest

from recommender.records import Placement, PlacementSetting
from recommender.web.console_dial import (
    DialCurve,
    describe,
    read_curve,
    settings_by_dial,
    table,
    task_of,
)
from recommender.web.console_dial_chart import DialChart, draw_dial


def step(dial: float, hits: float, tail: float, coverage: float, gini: float) -> dict[str, float]:
    return {
        "dial": dial,
        "hit_rate@20": hits,
        "ndcg@20": hits / 2,
        "tail_share@20": tail,
        "coverage@20": coverage,
        "gini@20": gini,
    }


MEASURED: dict[str, Any] = {
    "n_probes": 1_000,
    "blend": {"target_tail_share": 0.44},
    "tail_dial": [step(1.0, 0.3, 0.8, 0.9, 0.5), step(0.0, 0.5, 0.2, 0.4, 0.8)],
}


@pytest.fixture
def curve() -> DialCurve:
    found = read_curve(MEASURED)
    assert found is not None
    return found


# -- reading ------------------------------------------------------------------------------------


def test_steps_come_in_order_with_what_shoppers_chose(curve: DialCurve) -> None:
    assert [one.dial for one in curve.steps] == [0.0, 1.0]
    assert curve.measure == "hit_rate@20"
    assert curve.target_tail_share == 0.44
    assert curve.default_dial is None
    assert curve.n_probes == 1_000


def test_an_older_training_told_only_ndcg() -> None:
    rows = [
        {name: value for name, value in row.items() if name != "hit_rate@20"}
        for row in MEASURED["tail_dial"]
    ]
    curve = read_curve(MEASURED | {"tail_dial": rows})
    assert curve is not None
    assert curve.measure == "ndcg@20"
    assert "accuracy falls by 40 %" in describe(curve, 1.0)
    assert table(curve)[0].accuracy == "0.2500"


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [step(0.0, 0.5, 0.2, 0.4, 0.8)],
        [{"dial": 0.0}, {"dial": 1.0}],
        [step(0.0, 0.5, 0.2, 0.4, 0.8), step(1.0, float("nan"), 0.2, 0.4, 0.8)],
        ["what", 1],
    ],
)
def test_too_little_to_draw_is_no_curve(rows: Any) -> None:
    assert read_curve({"tail_dial": rows}) is None


# -- what a setting means -----------------------------------------------------------------------


def test_between_two_steps_the_figures_lie_on_a_straight_line(curve: DialCurve) -> None:
    between = curve.at(0.25)
    assert between.accuracy == pytest.approx(0.5 - 0.25 * 0.2)
    assert between.tail_share == pytest.approx(0.2 + 0.25 * 0.6)
    assert curve.at(0.0) == curve.steps[0]
    assert curve.at(1.0) == curve.steps[1]


def test_the_sentence_says_cost_and_gain(curve: DialCurve) -> None:
    # At 0.25: 35 of 100 from the tail; 0.45 of 0.5 hits are kept; 0.4 + 0.25 × 0.5 is shown.
    assert describe(curve, 0.25).replace("\u00a0", " ") == (
        "At 0.25, about 35 of 100 recommended items come from the tail (your shoppers’ own "
        "choices: 44), and hits fall by 10 % against the most accurate setting. 52 % of your "
        "catalogue is recommended to someone, instead of 40 %."
    )


def test_the_most_accurate_setting_costs_nothing(curve: DialCurve) -> None:
    assert "less than 1 %" in describe(curve, 0.0)
    assert "instead of" not in describe(curve, 0.0)
    assert table(curve)[0].change == "best"
    assert table(curve)[1].change.replace("\u00a0", " ") == "−40.0 %"


def test_a_shop_without_hits_has_lost_none() -> None:
    rows = [step(0.0, 0.0, 0.2, 0.4, 0.8), step(1.0, 0.0, 0.8, 0.9, 0.5)]
    curve = read_curve({"tail_dial": rows})
    assert curve is not None
    assert curve.target_tail_share is None
    assert "less than 1 %" in describe(curve, 1.0)
    assert "choices" not in describe(curve, 1.0)


def test_a_placement_is_answered_by_one_task() -> None:
    tasks = ("path", "next", "basket")
    for placement in Placement:
        hides, allows = (PlacementSetting(placement, allow_seen=seen) for seen in (False, True))
        in_cart = placement is Placement.CART
        assert task_of(hides, tasks) == ("basket" if in_cart else "path")
        assert task_of(allows, tasks) == ("basket" if in_cart else "next")
        assert task_of(allows, ("path",)) == ("basket" if in_cart else "path")


def test_placements_share_a_mark_where_they_share_a_setting() -> None:
    home, product = (PlacementSetting(one) for one in (Placement.HOME, Placement.PRODUCT))
    cart = PlacementSetting(Placement.CART, tail_ppm=0)
    category = PlacementSetting(Placement.CATEGORY, tail_ppm=300_000)
    off = PlacementSetting(Placement.SEARCH, tail_ppm=900_000, enabled=False)
    told = [product, off, category, cart, home]
    # Home and product follow the suggestion, which the category's page happens to have too.
    assert settings_by_dial(told, 0.3) == {0.0: [cart], 0.3: [home, product, category]}
    assert settings_by_dial(told, None) == {0.0: [cart], 0.3: [category]}


# -- the picture --------------------------------------------------------------------------------


def drawn(curve: DialCurve, marks: dict[float, str], *, width: int = 960) -> DialChart:
    return draw_dial(curve, marks, width=width, height=360, with_labels=width > 500)


def test_the_frame_is_nothing_to_all(curve: DialCurve) -> None:
    chart = drawn(curve, {})
    lines = {line.kind: line.points.split() for line in chart.lines}
    # The most accurate setting keeps all: upper left corner.
    assert lines["kept"][0] == f"{chart.left:g},{chart.top:g}"
    assert (
        lines["kept"][1]
        == f"{chart.right:g},{round(chart.bottom - 0.6 * (chart.bottom - chart.top), 1):g}"
    )
    heights = {point.split(",")[1] for point in lines["target"]}
    assert heights == {f"{round(chart.bottom - 0.44 * (chart.bottom - chart.top), 1):g}"}
    assert [tick.label for tick in chart.x_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_labels_behind_the_curves_do_not_touch() -> None:
    rows = [step(0.0, 0.5, 0.5, 0.5, 0.5), step(1.0, 0.5, 0.5, 1.0, 0.5)]
    curve = read_curve(MEASURED | {"tail_dial": rows})
    assert curve is not None
    chart = drawn(curve, {})
    heights = sorted(line.label_at for line in chart.lines)
    assert len(heights) == 5
    assert all(lower - upper >= 16 for upper, lower in itertools.pairwise(heights))
    narrow = drawn(curve, {}, width=400)
    assert {line.label for line in narrow.lines} == {""}


def test_each_setting_in_use_is_marked_on_every_curve(curve: DialCurve) -> None:
    chart = drawn(curve, {0.0: "Cart", 0.5: "Home, Product"})
    first, second = chart.marks
    assert (first.x, second.x) == (chart.left, (chart.left + chart.right) / 2)
    assert first.label.anchor == "start"  # it would leave the frame otherwise
    assert [kind for kind, _ in second.dots] == ["kept", "tail", "coverage", "gini"]


def test_labels_of_near_settings_stand_in_rows(curve: DialCurve) -> None:
    chart = drawn(curve, {0.20: "Home, Product", 0.22: "Category, Search", 0.9: "Cart"})
    near, nearer, far = (mark.label_height for mark in chart.marks)
    assert near != nearer
    assert far == near
    assert chart.top > max(near, nearer)


def test_the_suggestion_is_marked_unless_it_is_in_use(curve: DialCurve) -> None:
    suggested = replace(curve, default_dial=0.3)
    assert [mark.kind for mark in drawn(suggested, {0.2: "Home"}).marks] == ["now", "suggested"]
    assert [mark.kind for mark in drawn(suggested, {0.3: "Home"}).marks] == ["now"]
