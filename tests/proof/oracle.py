"""Our figures beside gbstats', from the same sums; `make_gbstats_vectors` asked it."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from proof.section import Scale, Section
from recommender.records import Arm, DailySum
from recommender.uplift.contrast import Contrast, Metric, contrast
from recommender.uplift.estimate import Estimate, estimate
from recommender.uplift.moments import Moments
from recommender.uplift.table_report import Design, describe

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "gbstats.json").read_text())
METRICS = {
    "mean": ("y", Metric(has_denominator=False, has_covariate=False)),
    "ratio": ("yd", Metric(has_denominator=True, has_covariate=False)),
    "cuped": ("yx", Metric(has_denominator=False, has_covariate=True)),
}
CLOSE = 1e-9


def run(scale: Scale) -> Section:
    tables = VECTORS["tables"]
    section = Section("gbstats as an oracle")
    rows = []
    for metric, name in (
        ("mean", "mean: difference, two-sided sequence"),
        ("ratio", "ratio of two means (delta method)"),
        ("cuped", "CUPED: θ, difference, sequence"),
    ):
        worst = max(apart for table in tables for apart in _apart(table, metric))
        rows.append([name, str(len(tables)), f"{worst:.1e}"])
        section.check(
            f"gbstats, {metric}: largest deviation in standard errors",
            f"{worst:.1e}",
            "at most 1e-9",
            worst <= CLOSE,
        )
    section.say(
        f"gbstats {VECTORS['gbstats']} and we got the same whole-number sums; largest deviation of "
        "estimate and bounds, in standard errors:"
    )
    section.table(("figure", "tables", "largest deviation"), rows)
    section.say(
        "We differ on purpose in three things. Fixed intervals take the normal quantile, gbstats "
        "Student's. Relative intervals are Fieller's, which exclude 0 exactly when those of the "
        "difference do; the delta method's standard error, equal to gbstats', is told beside them. "
        "Statements give an arm at least the variance of both arms together."
    )
    return section


def _apart(table: dict[str, Any], metric: str) -> Iterator[float]:
    """Yield how far our figures are from theirs, in their standard errors."""
    theirs = table["gbstats"][f"{metric}-absolute"]
    ours = describe(compared(table, metric), design(table))
    yield abs(ours["difference"] - theirs["estimate"]) / theirs["standard_error"]
    for bound, wanted in zip(ours["interval_sequence"], theirs["interval_sequence"], strict=True):
        yield abs(bound - wanted) / theirs["standard_error"]


def moments(sums: dict[str, int], letters: str) -> Moments:
    """Return one cell from whole-number sums, centred without loss."""
    n = sums["n"]
    products = [
        [
            float(sums.get(a + b, sums.get(b + a, 0)) - sums[a] * sums[b] // n)
            - sums[a] * sums[b] % n / n
            for b in letters
        ]
        for a in letters
    ]
    mean = [sums[letter] / n for letter in letters]
    return Moments(np.array([n]), np.array([n]), np.array([mean]), np.array([products]))


def compared(table: dict[str, Any], metric: str) -> Contrast:
    letters, meaning = METRICS[metric]
    treatment, control = (moments(table[arm], letters) for arm in ("treatment", "control"))
    return contrast(treatment, control, meaning)


def design(table: dict[str, Any]) -> Design:
    return Design("control", Decimal(str(table["alpha"])), table["n_star"], {})


def billed(table: dict[str, Any]) -> Estimate:
    """Return the estimate of statements, without their caution about long tails."""
    sums = [
        DailySum(
            day=dt.date(2026, 3, 2),
            stratum=1,
            arm=arm,
            visitors=own["n"],
            orders=own["d"],
            converted=0,
            revenue_minor=own["y"],
            revenue_squares=own["yy"],
            covariate_minor=own["x"],
            covariate_squares=own["xx"],
            covariate_products=own["xy"],
        )
        for arm, own in ((Arm.CONTROL, table["control"]), (Arm.TREATMENT, table["treatment"]))
    ]
    alpha = Decimal(str(table["alpha"]))
    found = estimate(sums, alpha=alpha, n_star=table["n_star"], cautious=False)
    assert found is not None
    return found
