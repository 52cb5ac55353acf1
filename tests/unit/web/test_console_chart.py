import datetime as dt

import pytest

from recommender.web.console_chart import Chart, Look, draw_chart

DAY = dt.date(2027, 3, 1)


def looks(*bounds: tuple[float, float, float]) -> list[Look]:
    return [Look(DAY + dt.timedelta(days=i), *bound) for i, bound in enumerate(bounds)]


def drawn(given: list[Look], declared: float | None = None, width: int = 960) -> Chart:
    chart = draw_chart(given, declared=declared, width=width, height=300)
    assert chart is not None
    return chart


def narrowing(days: int, centre: float = 0.1) -> list[Look]:
    return looks(*((centre - 2 / (i + 1), centre, centre + 2 / (i + 1)) for i in range(days)))


def test_one_look_is_no_line() -> None:
    assert draw_chart([], declared=None, width=960, height=300) is None
    assert draw_chart(narrowing(1), declared=None, width=960, height=300) is None


def test_the_band_encloses_the_line_and_ends_at_the_frame() -> None:
    chart = drawn(narrowing(40))
    x, low, estimate, high = chart.last
    assert x == chart.right
    assert high < estimate < low  # heights grow downwards
    assert len(chart.band.split()) == 80
    assert chart.line.split()[0].startswith(f"{chart.left:g},")


@pytest.mark.parametrize("centre", [0.1, -0.1, 0.0, 0.9])
def test_what_is_known_by_now_lies_inside_the_frame(centre: float) -> None:
    chart = drawn(narrowing(40, centre), declared=0.2)
    inside = [chart.zero, *chart.last[1:], chart.declared]
    assert all(chart.top <= at <= chart.bottom for at in inside if at is not None)


def test_the_first_days_do_not_press_the_rest_flat() -> None:
    chart = drawn(narrowing(100))
    _, low, _, high = chart.last
    assert low - high > (chart.bottom - chart.top) / 12


def test_labels_of_the_axis_are_round_and_zero_is_among_them() -> None:
    chart = drawn(narrowing(40))
    labels = [tick.label for tick in chart.y_ticks]
    assert "0 %" in labels
    assert 3 <= len(labels) <= 9
    zero = next(tick for tick in chart.y_ticks if tick.label == "0 %")
    assert zero.at == chart.zero


def test_narrow_charts_have_fewer_days_on_the_axis() -> None:
    wide, narrow = drawn(narrowing(80)), drawn(narrowing(80), width=400)
    assert len(narrow.x_ticks) < len(wide.x_ticks) <= 7
    assert wide.x_ticks[0].label == "1 Mar"
    assert all(tick.at <= wide.right for tick in wide.x_ticks)


def test_a_simulated_shop_shows_its_true_effect() -> None:
    assert drawn(narrowing(10), declared=0.1).declared_label == "simulated true effect: +10.0 %"
    assert drawn(narrowing(10), declared=0.0).declared_label == "simulated true effect: none"
    assert drawn(narrowing(10)).declared is None
