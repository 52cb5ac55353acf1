"""Ask gbstats, an independent implementation, for the figures that ours are compared with.

Run in an environment of its own, for gbstats holds old versions of pandas and numpy:
    pip install gbstats==0.8.0 && python make_gbstats_vectors.py ../vectors/gbstats.json
Inputs are sums (what both sides are given); everything is decided by the seed.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)

SEED = 20261122
# Name, visitors of control and treatment, conversion, true effect, alpha, n*.
TABLES = (
    ("halves", 5_000, 5_000, 0.05, 0.00, 0.05, 5_000),
    ("tenth-held-out", 20_000, 180_000, 0.02, 0.05, 0.05, 200_000),
    ("small", 120, 140, 0.30, 0.20, 0.05, 5_000),
    ("large", 400_000, 600_000, 0.03, 0.02, 0.05, 5_000),
    ("negative-effect", 30_000, 30_000, 0.04, -0.15, 0.05, 60_000),
    ("strict", 10_000, 90_000, 0.03, 0.10, 0.001, 1_200_000),
    ("loose", 8_000, 2_000, 0.10, 0.03, 0.20, 10_000),
    ("everybody-buys", 3_000, 3_000, 1.00, 0.04, 0.05, 3_000),
    ("rare-buyers", 50_000, 50_000, 0.002, 0.30, 0.05, 5_000),
    ("early-look", 300, 2_700, 0.08, 0.00, 0.05, 500_000),
)


def draw(random: np.random.Generator, n: int, conversion: float) -> dict[str, int]:
    """Return whole-number sums of one arm: revenue and its past in cents, orders."""
    loyal = random.random(n) < 0.3
    before = np.where(loyal, np.round(random.gamma(2.0, 2_500, n)), 0).astype(int)
    chance = np.minimum(conversion * np.where(loyal, 1.8, 0.7), 1.0)
    orders = random.binomial(1, chance) * (1 + random.poisson(0.3, n))
    revenue = np.where(orders > 0, np.round(orders * random.gamma(2.0, 3_000, n)), 0).astype(int)
    revenue += np.where(orders > 0, before // 5, 0)
    return {
        "n": n,
        "y": int(revenue.sum()),
        "yy": int((revenue**2).sum()),
        "x": int(before.sum()),
        "xx": int((before**2).sum()),
        "xy": int((before * revenue).sum()),
        "d": int(orders.sum()),
        "dd": int((orders**2).sum()),
        "yd": int((orders * revenue).sum()),
    }


def statistics(sums: dict[str, int], theta: float | None) -> dict[str, object]:
    n = sums["n"]
    y = SampleMeanStatistic(n=n, sum=sums["y"], sum_squares=sums["yy"])
    d = SampleMeanStatistic(n=n, sum=sums["d"], sum_squares=sums["dd"])
    x = SampleMeanStatistic(n=n, sum=sums["x"], sum_squares=sums["xx"])
    return {
        "mean": y,
        "ratio": RatioStatistic(n=n, m_statistic=y, d_statistic=d, m_d_sum_of_products=sums["yd"]),
        "cuped": RegressionAdjustedStatistic(
            n=n,
            post_statistic=y,
            pre_statistic=x,
            post_pre_sum_of_products=sums["xy"],
            theta=theta or 0.0,
        ),
    }


def answers(
    control: dict[str, int], treatment: dict[str, int], alpha: float, n_star: int
) -> dict[str, object]:
    plain = [statistics(side, None)["cuped"] for side in (control, treatment)]
    theta = float(compute_theta(*plain))
    found: dict[str, object] = {"theta": theta}
    sides = [statistics(side, theta) for side in (control, treatment)]
    for metric in ("mean", "ratio", "cuped"):
        for kind in ("absolute", "relative"):
            fixed = FrequentistConfig(alpha=alpha, difference_type=kind)
            looks = SequentialConfig(
                alpha=alpha, difference_type=kind, sequential_tuning_parameter=n_star
            )
            one = TwoSidedTTest(sides[0][metric], sides[1][metric], fixed).compute_result()
            many = SequentialTwoSidedTTest(sides[0][metric], sides[1][metric], looks)
            result = many.compute_result()
            found[f"{metric}-{kind}"] = {
                "estimate": float(result.expected),
                "standard_error": float(result.uplift.stddev),
                "interval_sequence": [float(bound) for bound in result.ci],
                "interval_fixed_t": [float(bound) for bound in one.ci],
            }
    return found


def main() -> None:
    random = np.random.default_rng(SEED)
    tables = []
    for name, n_control, n_treatment, conversion, effect, alpha, n_star in TABLES:
        control = draw(random, n_control, conversion)
        treatment = draw(random, n_treatment, conversion * (1 + effect))
        tables.append(
            {
                "name": name,
                "alpha": alpha,
                "n_star": n_star,
                "control": control,
                "treatment": treatment,
                "gbstats": answers(control, treatment, alpha, n_star),
            }
        )
    rows = ",\n".join(json.dumps(table) for table in tables)
    version = importlib.metadata.version("gbstats")
    head = f'"made_by": "{Path(__file__).name}", "gbstats": "{version}", "seed": {SEED}'
    Path(sys.argv[1]).write_text(f'{{{head}, "tables": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
