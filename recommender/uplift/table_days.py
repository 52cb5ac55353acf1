"""The comparison over the days of a table: as it would have been read, and its drift. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from recommender.uplift.contrast import Contrast, Metric, contrast
from recommender.uplift.interval import fixed_multiplier
from recommender.uplift.moments import Floats, Moments
from recommender.uplift.table_report import Design, describe


@dataclass(frozen=True, slots=True)
class Days:
    """A table with days.

    Attributes:
        moments: By arm, stratum and day.
        arms: Names along the first axis.
        names: Names along the last axis.
        control: Place of the control among the arms.
    """

    moments: Moments
    arms: tuple[str, ...]
    names: tuple[str, ...]
    control: int
    metric: Metric
    design: Design

    def between(self, first: int, end: int) -> Iterator[tuple[str, Contrast | None]]:
        """Yield each arm's comparison over some days, None while an arm is empty."""
        part = self.moments.pick(slice(None), slice(None), slice(first, end)).pooled(2)
        for place, name in enumerate(self.arms):
            if place == self.control:
                continue
            arm, control = part.pick(place), part.pick(self.control)
            comparable = _has_units(arm, self.metric) and _has_units(control, self.metric)
            yield name, contrast(arm, control, self.metric) if comparable else None


def _has_units(side: Moments, metric: Metric) -> bool:
    if not side.n.any():
        return False
    return not metric.has_denominator or bool(side.mean[side.n > 0, 1].all())


def day_by_day(days: Days) -> list[dict[str, Any]]:
    """Return for every day each arm's comparison of all units so far, and of the day's alone."""
    return [
        {
            "day": name,
            "arms": [
                _read(arm, so_far, alone, days.design)
                for (arm, so_far), (_, alone) in zip(
                    days.between(0, day + 1), days.between(day, day + 1), strict=True
                )
            ],
        }
        for day, name in enumerate(days.names)
    ]


def _read(
    arm: str, so_far: Contrast | None, alone: Contrast | None, design: Design
) -> dict[str, Any]:
    told = {} if so_far is None else describe(so_far, design)
    wanted = ("difference", "relative_uplift", "interval_fixed", "interval_sequence")
    return {
        "arm": arm,
        "n": 0 if so_far is None else so_far.n,
        **{name: told.get(name) for name in wanted},
        "difference_of_day": None if alone is None else alone.difference,
    }


def novelty(days: Days) -> list[dict[str, Any]]:
    """Return for each arm how the effect differs between the first and the last half of the days.

    An effect of novelty shrinks, one that has to be learned grows. The halves hold different
    units, so the variance of the change is the sum of theirs.
    """
    middle = (len(days.names) + 1) // 2
    halves = zip(days.between(0, middle), days.between(middle, len(days.names)), strict=True)
    k = float(fixed_multiplier(days.design.alpha))
    return [{"arm": name, **_change(first, last, k)} for (name, first), (_, last) in halves]


def _change(first: Contrast | None, last: Contrast | None, k: float) -> dict[str, Any]:
    if first is None or last is None or first.variance is None or last.variance is None:
        return {"first_half": None, "last_half": None, "change": None, "interval_fixed": None}
    change = last.difference - first.difference
    margin = k * (first.variance + last.variance) ** 0.5
    return {
        "first_half": first.difference,
        "last_half": last.difference,
        "change": change,
        "interval_fixed": [change - margin, change + margin],
    }


def split_over_days_p(n: Floats) -> float:
    """Return the p value of Pearson's test that all days were split alike.

    Args:
        n: Units, shape (arms, days).
    """
    expected = n.sum(1, keepdims=True) * n.sum(0, keepdims=True) / n.sum()
    degrees = (n.shape[0] - 1) * (n.shape[1] - 1)
    if not degrees:
        return 1.0
    return float(chdtrc(degrees, np.sum((n - expected) ** 2 / expected)))
