"""What the tail dial costs and brings, from a training's figures to sentences and a table. Pure.

The figures were written by some version of the training: what is missing or is no number leaves
out that task, never breaks the page.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.billing import wording
from recommender.records import Placement, PlacementSetting

_ACCURACY = ("hit_rate@20", "recall@20", "ndcg@20")
"""Measures of accuracy, the one a shop owner understands best first."""

_TAIL, _COVERAGE, _GINI = "tail_share@20", "coverage@20", "gini@20"


@dataclass(frozen=True, slots=True)
class DialStep:
    """One measured setting of the dial.

    Attributes:
        accuracy: See `DialCurve.measure`.
        tail_share: Share of recommended items outside the head.
        coverage: Share of the catalogue that is recommended to anyone.
        gini: How unevenly recommendations fall on items: 0 all alike, 1 all on one.
    """

    dial: float
    accuracy: float
    tail_share: float
    coverage: float
    gini: float


@dataclass(frozen=True, slots=True)
class DialCurve:
    """The dial from end to end, for one task.

    Attributes:
        steps: At least two, by rising dial.
        measure: Name of the metric that `accuracy` is.
        target_tail_share: Tail share of what shoppers really chose; None when not told.
        default_dial: The setting that training suggests; None when it suggests none.
        n_probes: Choices of shoppers that it was measured on.
    """

    steps: tuple[DialStep, ...]
    measure: str
    target_tail_share: float | None
    default_dial: float | None
    n_probes: int

    @property
    def counts_hits(self) -> bool:
        """Tell whether accuracy is a share of hits; else it also counts their places."""
        return self.measure != "ndcg@20"

    @property
    def best(self) -> DialStep:
        """Return the most accurate setting, of equal ones the lowest."""
        return max(self.steps, key=lambda step: step.accuracy)

    def kept(self, step: DialStep) -> float:
        """Return the share of the best accuracy that a setting keeps."""
        return step.accuracy / self.best.accuracy if self.best.accuracy else 1.0

    def at(self, dial: float) -> DialStep:
        """Return the figures at any setting, straight between the measured ones."""
        dial = min(max(dial, self.steps[0].dial), self.steps[-1].dial)
        upper = next(step for step in self.steps if step.dial >= dial)
        lower = next(step for step in reversed(self.steps) if step.dial <= dial)
        part = (dial - lower.dial) / (upper.dial - lower.dial) if upper is not lower else 0.0

        def between(low: float, high: float) -> float:
            return low + part * (high - low)

        return DialStep(
            dial,
            between(lower.accuracy, upper.accuracy),
            between(lower.tail_share, upper.tail_share),
            between(lower.coverage, upper.coverage),
            between(lower.gini, upper.gini),
        )


def read_curve(measured: Mapping[str, Any]) -> DialCurve | None:
    """Return the curve of one task, None when its training told too little to draw one."""
    rows = [row for row in measured.get("tail_dial") or () if isinstance(row, Mapping)]
    measure = next((name for name in _ACCURACY if rows and all(name in row for row in rows)), "")
    needed = ("dial", measure, _TAIL, _COVERAGE, _GINI)
    told = [[number(row.get(name)) for name in needed] for row in rows]
    known = [[value for value in values if value is not None] for values in told]
    steps = {values[0]: DialStep(*values) for values in known if len(values) == len(needed)}
    if len(steps) < 2:
        return None
    blend = measured.get("blend") or {}
    target = number(measured.get("target_tail_share", blend.get("target_tail_share")))
    return DialCurve(
        steps=tuple(steps[dial] for dial in sorted(steps)),
        measure=measure,
        target_tail_share=target,
        default_dial=number(measured.get("default_dial")),
        n_probes=int(number(measured.get("n_probes")) or 0),
    )


def number(value: object) -> float | None:
    """Return a finite number as it is, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None


def task_of(setting: PlacementSetting, tasks: Collection[str]) -> str:
    """Return which of the measured tasks a placement is answered by."""
    if setting.placement is Placement.CART:
        return "basket"
    # Trainings before it was told apart measured paths only.
    return "next" if setting.allow_seen and "next" in tasks else "path"


def describe(curve: DialCurve, dial: float) -> str:
    """Say what a setting costs and brings, for a shop's owner."""
    step, best = curve.at(dial), curve.best
    own = ""
    if curve.target_tail_share is not None:
        own = f" (your shoppers’ own choices: {curve.target_tail_share * 100:.0f})"
    what = "hits fall" if curve.counts_hits else "accuracy falls"
    lost = round((1 - curve.kept(step)) * 100)
    text = (
        f"At {dial:.3g}, about {step.tail_share * 100:.0f} of 100 recommended items come from the "
        f"tail{own}, and {what} by {lost or 'less than 1'} % against the most accurate setting."
    )
    if round(step.coverage, 2) <= round(best.coverage, 2):
        return text
    return (
        f"{text} {wording.percent(step.coverage, 0)} of your catalogue is recommended to someone, "
        f"instead of {wording.percent(best.coverage, 0)}."
    )


@dataclass(frozen=True, slots=True)
class DialRow:
    """One measured setting as the table under the picture prints it."""

    dial: str
    accuracy: str
    change: str
    tail_share: str
    coverage: str
    gini: str


def table(curve: DialCurve) -> list[DialRow]:
    """Return the figures behind the picture."""
    return [
        DialRow(
            dial=f"{step.dial:g}",
            accuracy=wording.percent(step.accuracy)
            if curve.counts_hits
            else f"{step.accuracy:.4f}",
            change=_change(curve.kept(step)),
            tail_share=wording.percent(step.tail_share),
            coverage=wording.percent(step.coverage),
            gini=f"{step.gini:.2f}",
        )
        for step in curve.steps
    ]


def _change(kept: float) -> str:
    lost = round((1 - kept) * 100, 1)
    return f"−{lost:.1f} %" if lost else "best"


def dial_of(setting: PlacementSetting, suggested: float | None) -> float | None:
    """Return a placement's dial: its own, else the suggested one; None when neither is known."""
    return suggested if setting.tail_ppm is None else setting.tail_ppm / 1_000_000


def settings_by_dial(
    settings: Sequence[PlacementSetting], suggested: float | None
) -> dict[float, list[PlacementSetting]]:
    """Group placements that are switched on by their setting of the dial, lowest first."""
    order = list(Placement)
    groups: dict[float, list[PlacementSetting]] = {}
    for setting in sorted(settings, key=lambda one: order.index(one.placement)):
        dial = dial_of(setting, suggested)
        if setting.enabled and dial is not None:
            groups.setdefault(dial, []).append(setting)
    return dict(sorted(groups.items()))
