"""The tail dial's curves as an SVG: places and texts only, drawn by a template. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from recommender.web.console_chart import Tick, points
from recommender.web.console_dial import DialCurve, DialStep

_CHARACTER_WIDTH = 6.6
"""Of a label's type, generously: labels that would touch are set in rows."""

_ROW_HEIGHT = 17.0


class Line(NamedTuple):
    """One curve; `label` stands behind its right end, empty where there is no room.

    Kinds are `kept`, `tail`, `coverage`, `gini` and, across the frame, `target`.
    """

    kind: str
    points: str
    label: str
    label_at: float


class Mark(NamedTuple):
    """A setting in use, from its label down to the axis, with a dot on each curve.

    Attributes:
        kind: `now` for placements, `suggested` for what training suggests.
        dots: Kind of the curve and height.
    """

    kind: str
    x: float
    label: Tick
    label_height: float
    dots: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class DialChart:
    """A drawing, in the SVG's own units."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    lines: list[Line]
    marks: list[Mark]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


class _Frame(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float

    def x(self, dial: float) -> float:
        return round(self.left + (self.right - self.left) * dial, 1)

    def y(self, share: float) -> float:
        return round(self.bottom - (self.bottom - self.top) * share, 1)


def draw_dial(
    curve: DialCurve, marks: Mapping[float, str], *, width: int, height: int, with_labels: bool
) -> DialChart:
    """Place the curves in a frame whose height is 0 to 100 %.

    Args:
        marks: Setting of the dial → names of the placements that have it.
        with_labels: Whether there is room for names behind the curves' ends.
    """
    left, right = 46.0, width - (172.0 if with_labels else 14.0)
    named = [(dial, label, "now") for dial, label in sorted(marks.items())]
    if curve.default_dial is not None and curve.default_dial not in marks:
        named.append((curve.default_dial, "suggested", "suggested"))
    labels = [_label(left + (right - left) * dial, text, left, right) for dial, text, _ in named]
    rows = _rows(labels)
    top = 12.0 + _ROW_HEIGHT * (max(rows, default=-1) + 1)
    frame = _Frame(left, right, top, height - 44.0)
    return DialChart(
        width=width,
        height=height,
        **frame._asdict(),
        lines=_lines(curve, frame, with_labels=with_labels),
        marks=[
            Mark(kind, frame.x(dial), label, 12.0 + _ROW_HEIGHT * row, _dots(curve, dial, frame))
            for (dial, _, kind), label, row in zip(named, labels, rows, strict=True)
        ],
        x_ticks=[Tick(frame.x(step / 5), f"{step / 5:g}") for step in range(6)],
        y_ticks=[Tick(frame.y(step / 4), f"{step * 25} %") for step in range(5)],
    )


def _curves(curve: DialCurve) -> dict[str, tuple[Callable[[DialStep], float], str]]:
    """Return each curve's value and the name behind its end, by kind."""
    hits = "hits" if curve.counts_hits else "accuracy"
    return {
        "kept": (curve.kept, f"{hits} kept {{:.0%}}"),
        "tail": (lambda step: step.tail_share, "from the tail {:.0%}"),
        "coverage": (lambda step: step.coverage, "catalogue shown {:.0%}"),
        "gini": (lambda step: step.gini, "unevenness {:.2f}"),
    }


def _lines(curve: DialCurve, frame: _Frame, *, with_labels: bool) -> list[Line]:
    """Return the curves and, as the last one, the shoppers' own tail share if it is known."""
    curves = _curves(curve)
    last = curve.steps[-1]
    texts = {kind: text.format(value(last)) for kind, (value, text) in curves.items()}
    ends = {kind: frame.y(value(last)) for kind, (value, _) in curves.items()}
    drawn = {
        kind: points([(frame.x(step.dial), frame.y(value(step))) for step in curve.steps])
        for kind, (value, _) in curves.items()
    }
    if curve.target_tail_share is not None:
        height = frame.y(curve.target_tail_share)
        texts["target"] = f"shoppers’ own {curve.target_tail_share:.0%}"
        ends["target"] = height
        drawn["target"] = points([(frame.left, height), (frame.right, height)])
    heights = _apart(ends)
    return [
        Line(kind, line, texts[kind].replace("%", "\u00a0%") if with_labels else "", heights[kind])
        for kind, line in drawn.items()
    ]


def _dots(curve: DialCurve, dial: float, frame: _Frame) -> list[tuple[str, float]]:
    step = curve.at(dial)
    return [(kind, frame.y(value(step))) for kind, (value, _) in _curves(curve).items()]


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Move labels apart so that none covers another, keeping their order."""
    placed: dict[str, float] = {}
    lowest = float("inf")
    for kind in sorted(heights, key=heights.__getitem__, reverse=True):
        lowest = min(heights[kind], lowest - _ROW_HEIGHT)
        placed[kind] = lowest
    return placed


def _label(x: float, text: str, left: float, right: float) -> Tick:
    """Anchor a label so that it stays within the frame."""
    half = len(text) * _CHARACTER_WIDTH / 2
    anchor = "start" if x - half < left else "end" if x + half > right else "middle"
    return Tick(round(x, 1), text, anchor)


def _rows(labels: list[Tick]) -> list[int]:
    """Return a row for each label, from 0, such that labels of a row do not touch."""
    taken: list[list[tuple[float, float]]] = []
    rows = []
    for label in labels:
        width = len(label.label) * _CHARACTER_WIDTH
        begin = label.at - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        span = (begin - 8, begin + width + 8)
        row = next(
            (
                place
                for place, spans in enumerate(taken)
                if all(span[1] <= other[0] or span[0] >= other[1] for other in spans)
            ),
            len(taken),
        )
        if row == len(taken):
            taken.append([])
        taken[row].append(span)
        rows.append(row)
    return rows
