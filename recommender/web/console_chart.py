"""The uplift's narrowing interval as an SVG: places and texts only, drawn by a template. Pure."""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from recommender.uplift.estimate import Estimate

_LONG_DAYS = 150
"""From here on the axis names months."""


class Look(NamedTuple):
    """What could be read on a day: shares of the baseline."""

    day: dt.date
    low: float
    estimate: float
    high: float


class Close(NamedTuple):
    """What a month's end billed; `share` is the uplift that all bills so far paid for."""

    day: dt.date
    share: float
    is_credit: bool = False


class Mark(NamedTuple):
    """A month's end on the billed line."""

    x: float
    y: float
    is_credit: bool


class Tick(NamedTuple):
    """A labelled place on an axis; `anchor` says which end of the label stands there."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, in the SVG's own units.

    Attributes:
        band: Outline of the interval, as points of a polygon.
        line: The estimate, as points of a polyline.
        zero: Height of "no difference".
        declared: Height of a simulated shop's true effect; None for a real shop.
        last: The newest look's place: x, and the heights of low, estimate and high.
        billed: What the bills paid for, as points of a polyline; empty while nothing was billed.
        marks: Ends of months on that line.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    band: str
    line: str
    zero: float
    declared: float | None
    declared_label: str
    declared_label_at: float
    last: tuple[float, float, float, float]
    billed: str
    marks: list[Mark]
    y_ticks: list[Tick]
    x_ticks: list[Tick]


def to_looks(estimates: Sequence[tuple[dt.date, Estimate]]) -> list[Look]:
    """Keep the days on which a relative uplift has bounds."""
    looks = []
    for day, estimate in estimates:
        interval, uplift = estimate.relative_interval(estimate.sequence), estimate.relative_uplift
        if interval is not None and uplift is not None:
            looks.append(Look(day, float(interval[0]), float(uplift), float(interval[1])))
    return looks


def draw_chart(
    looks: Sequence[Look],
    *,
    declared: float | None,
    width: int,
    height: int,
    closes: Sequence[Close] = (),
) -> Chart | None:
    """Place the band in a frame; None while there are fewer than two looks."""
    if len(looks) < 2:
        return None
    left, right, top, bottom = 52.0, width - 12.0, 14.0, height - 30.0
    closes = [close for close in closes if looks[0].day <= close.day <= looks[-1].day]
    low, high, step = _scale(looks, [declared or 0.0, *(close.share for close in closes)])

    def x(day: dt.date) -> float:
        whole = (looks[-1].day - looks[0].day).days
        return round(left + (right - left) * (day - looks[0].day).days / whole, 1)

    def y(share: float) -> float:
        return round(bottom - (bottom - top) * (share - low) / (high - low), 1)

    upper = [(x(look.day), y(look.high)) for look in looks]
    lower = [(x(look.day), y(look.low)) for look in reversed(looks)]
    newest = looks[-1]
    marks = [Mark(x(close.day), y(close.share), close.is_credit) for close in closes]
    return Chart(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        band=points([*upper, *lower]),
        line=points([(x(look.day), y(look.estimate)) for look in looks]),
        zero=y(0),
        declared=None if declared is None else y(declared),
        declared_label=_declared_label(declared),
        # On the side of its line where the newest estimate is not.
        declared_label_at=0
        if declared is None
        else y(declared) + (18 if newest.estimate > declared else -8),
        last=(x(newest.day), y(newest.low), y(newest.estimate), y(newest.high)),
        billed=points([(mark.x, mark.y) for mark in marks]),
        marks=marks,
        y_ticks=[
            Tick(y(number * step), f"{number * step * 100:+g} %" if number else "0 %")
            for number in range(round(low / step), round(high / step) + 1)
        ],
        x_ticks=_day_ticks(looks, x, most=max(2, width // 180)),
    )


def _declared_label(declared: float | None) -> str:
    if declared is None:
        return ""
    return f"simulated true effect: {f'{declared * 100:+.1f} %' if declared else 'none'}"


def _scale(looks: Sequence[Look], lines: Sequence[float]) -> tuple[float, float, float]:
    """Return bottom, top and step of the axis: whole steps around what is known by now.

    The first days' interval is so wide that it would press everything else flat; it is cut off.
    """
    settled = looks[len(looks) // 4 :]
    values = [0.0, *lines, *(look.estimate for look in settled)]
    values += [settled[-1].low, settled[-1].high]
    values += [look.low for look in settled[len(settled) // 2 :]]
    values += [look.high for look in settled[len(settled) // 2 :]]
    span = max(max(values) - min(values), 0.01)
    step = _round_step(span / 5)
    # A step on either side keeps the line of no difference off the frame.
    lowest, highest = min(*values, -step), max(*values, step)
    return math.floor(lowest / step) * step, math.ceil(highest / step) * step, step


def _round_step(size: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= size * 0.999)


def _day_ticks(looks: Sequence[Look], x: Callable[[dt.date], float], *, most: int) -> list[Tick]:
    days = (looks[-1].day - looks[0].day).days
    if days > _LONG_DAYS:
        return _month_ticks(looks[0].day, looks[-1].day, x, most=most)
    step = max(1, math.ceil(days / most))
    ticks = []
    for number in range(0, days + 1, step):
        day = looks[0].day + dt.timedelta(days=number)
        anchor = "start" if not number else "end" if number + step / 2 > days else "middle"
        ticks.append(Tick(x(day), f"{day.day} {day:%b}", anchor))
    return ticks


def _month_ticks(
    first: dt.date, last: dt.date, x: Callable[[dt.date], float], *, most: int
) -> list[Tick]:
    starts = [
        dt.date(number // 12, number % 12 + 1, 1)
        for number in range(first.year * 12 + first.month, last.year * 12 + last.month)
    ]
    step = math.ceil(len(starts) / most)
    return [Tick(x(day), f"{day:%b %Y}") for day in starts[::step] if (last - day).days > 15]


def points(places: Sequence[tuple[float, float]]) -> str:
    """Write places as an SVG list of points."""
    return " ".join(f"{x:g},{y:g}" for x, y in places)
