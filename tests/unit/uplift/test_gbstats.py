"""Our figures beside gbstats', an independent implementation, digit by digit.

`tests/proof/make_gbstats_vectors.py` asked it; both sides get the same sums. Where we differ on
purpose, the difference stands in the last two tests.
"""

from typing import Any

import pytest

from proof.oracle import CLOSE, METRICS, VECTORS, billed, compared, design
from recommender.uplift.table_report import describe

TABLES = VECTORS["tables"]

each_table = pytest.mark.parametrize("table", TABLES, ids=[table["name"] for table in TABLES])
each_metric = pytest.mark.parametrize("metric", METRICS)


def test_there_are_ten_tables_of_the_pinned_version() -> None:
    assert len(TABLES) >= 10
    assert VECTORS["gbstats"] == "0.8.0"


@each_table
@each_metric
def test_estimate_and_two_sided_sequence(table: dict[str, Any], metric: str) -> None:
    ours, theirs = compared(table, metric), table["gbstats"][f"{metric}-absolute"]
    figures = describe(ours, design(table))
    assert figures["difference"] == pytest.approx(theirs["estimate"], rel=CLOSE)
    assert figures["standard_error"] == pytest.approx(theirs["standard_error"], rel=CLOSE)
    for bound, wanted in zip(
        figures["interval_sequence"], theirs["interval_sequence"], strict=True
    ):
        # Relative to the interval's width: a bound may be nearly 0.
        assert bound == pytest.approx(wanted, abs=CLOSE * theirs["standard_error"])


@each_table
@each_metric
def test_relative_uplift_and_its_standard_error(table: dict[str, Any], metric: str) -> None:
    figures = describe(compared(table, metric), design(table))
    theirs = table["gbstats"][f"{metric}-relative"]
    assert figures["relative_uplift"] == pytest.approx(theirs["estimate"], rel=CLOSE)
    assert figures["relative_standard_error"] == pytest.approx(theirs["standard_error"], rel=CLOSE)


@each_table
def test_the_weight_of_the_covariate(table: dict[str, Any]) -> None:
    assert compared(table, "cuped").theta == pytest.approx(table["gbstats"]["theta"], rel=CLOSE)


@each_table
def test_the_estimate_of_statements_is_the_same(table: dict[str, Any]) -> None:
    ours, theirs = billed(table), table["gbstats"]["cuped-absolute"]
    n = table["treatment"]["n"]
    assert float(ours.theta) == pytest.approx(table["gbstats"]["theta"], rel=CLOSE)
    # Statements speak of all treated visitors together.
    assert float(ours.incremental_minor) / n == pytest.approx(theirs["estimate"], rel=CLOSE)
    for bound, wanted in zip(
        ours.interval_minor(ours.sequence), theirs["interval_sequence"], strict=True
    ):
        assert float(bound) / n == pytest.approx(wanted, abs=CLOSE * theirs["standard_error"])


@each_table
def test_fixed_intervals_differ_by_student_and_normal_alone(table: dict[str, Any]) -> None:
    """We take the normal quantile, gbstats Student's with Welch's degrees of freedom."""
    [low, high] = describe(compared(table, "mean"), design(table))["interval_fixed"]
    [t_low, t_high] = table["gbstats"]["mean-absolute"]["interval_fixed_t"]
    assert low + high == pytest.approx(t_low + t_high, abs=1e-6)
    fewest = min(table["control"]["n"], table["treatment"]["n"])
    # t exceeds z by about (z³ + z) / 4 degrees of freedom, relative to z: (z² + 1) / 4 df.
    z = describe(compared(table, "mean"), design(table))["standard_error"]
    reach = (high - low) / 2 / z
    assert 1 <= (t_high - t_low) / (high - low) <= 1 + 1.1 * (reach**2 + 1) / (4 * (fewest - 1))


@each_table
def test_relative_intervals_are_fiellers_and_not_the_delta_methods(table: dict[str, Any]) -> None:
    """Ours excludes 0 exactly when the interval of the difference does; theirs need not."""
    figures = describe(compared(table, "mean"), design(table))
    [low, high] = figures["interval_sequence"]
    relative = figures["relative_interval_sequence"]
    if relative is not None:
        assert (relative[0] > 0, relative[1] < 0) == (low > 0, high < 0)
