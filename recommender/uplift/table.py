"""A per-visitor table from any experiment → each arm against the control (verb: reads a file)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recommender.errors import InvalidInputError
from recommender.uplift.estimate import ratio_interval
from recommender.uplift.integrity import SRM_LIMIT, split_p
from recommender.uplift.interval import fixed_multiplier, sequence_multiplier

DEFAULT_N_STAR = 5_000
"""GrowthBook's default, so that results compare; a contract fixes its own."""

_NUMBERS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
)


@dataclass(frozen=True, slots=True)
class ArmMoments:
    """One arm of the table; the variance of a single visitor is unknown."""

    n: int
    mean: float
    variance: float | None


@dataclass(frozen=True, slots=True)
class Design:
    """What was agreed before looking.

    Attributes:
        control: Name of the arm the others are compared with.
        alpha: Error probability of the intervals.
        n_star: Visitors at which the confidence sequence is tightest.
        weights: Arm → weight in the split; arms not named have weight 1.
    """

    control: str
    alpha: Decimal
    n_star: int
    weights: Mapping[str, float]


def analyse_table(
    path: Path, *, arm_column: str, value_column: str, design: Design
) -> dict[str, Any]:
    """Compare every arm of a CSV or Parquet file, one visitor a row, with the control.

    Raises:
        InvalidInputError: The file cannot be read, or a column or the control is not in it, or a
            value is missing or no number.
    """
    return compare_arms(_moments(_read(path, arm_column, value_column)), design)


def compare_arms(arms: Mapping[str, ArmMoments], design: Design) -> dict[str, Any]:
    """Return the report of `uplift analyse`; see the command's help for its fields.

    Raises:
        InvalidInputError: The control is not among the arms, or a weight is of no arm.
    """
    unknown = {design.control, *design.weights} - arms.keys()
    if unknown:
        raise InvalidInputError(
            f"No visitor is in arm {', '.join(sorted(unknown))}; the arms are "
            f"{', '.join(sorted(arms))}",
            code="unknown-arm",
        )
    weights = [design.weights.get(name, 1.0) for name in arms]
    if min(weights) < 0 or not sum(weights):
        raise InvalidInputError("Weights are not negative, and one is above 0", code="bad-weights")
    shares = [weight / sum(weights) for weight in weights]
    srm_p = split_p([arm.n for arm in arms.values()], shares)
    control = arms[design.control]
    return {
        "control": {"arm": design.control, "n": control.n, "mean": control.mean},
        "arms": [
            _compare(name, arm, control, design)
            for name, arm in arms.items()
            if name != design.control
        ],
        "srm_p": srm_p,
        "srm_alarm": srm_p < SRM_LIMIT,
        "alpha": float(design.alpha),
        "n_star": design.n_star,
    }


def _compare(name: str, arm: ArmMoments, control: ArmMoments, design: Design) -> dict[str, Any]:
    difference = arm.mean - control.mean
    report: dict[str, Any] = {
        "arm": name,
        "n": arm.n,
        "mean": arm.mean,
        "difference": difference,
        "relative_uplift": difference / control.mean if control.mean else None,
    }
    sequence = sequence_multiplier(arm.n + control.n, alpha=design.alpha, n_star=design.n_star)
    for kind, multiplier in (("fixed", fixed_multiplier(design.alpha)), ("sequence", sequence)):
        report[f"interval_{kind}"] = _interval(arm, control, float(multiplier))
        report[f"relative_interval_{kind}"] = _relative_interval(arm, control, multiplier)
    return report


def _interval(arm: ArmMoments, control: ArmMoments, k: float) -> list[float] | None:
    """Return the interval of the difference of means, None with a single visitor in an arm."""
    if arm.variance is None or control.variance is None:
        return None
    difference = arm.mean - control.mean
    margin = k * (arm.variance / arm.n + control.variance / control.n) ** 0.5
    return [difference - margin, difference + margin]


def _relative_interval(arm: ArmMoments, control: ArmMoments, k: Decimal) -> list[float] | None:
    if arm.variance is None or control.variance is None:
        return None
    interval = ratio_interval(
        (Fraction(arm.mean), Fraction(arm.variance) / arm.n),
        (Fraction(control.mean), Fraction(control.variance) / control.n),
        k,
    )
    return None if interval is None else [float(bound) for bound in interval]


def _read(path: Path, arm_column: str, value_column: str) -> pa.Table:
    columns = [arm_column, value_column]
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            names = pq.read_schema(path).names
            _check_columns(names, columns)
            table = pq.read_table(path, columns=columns)
        else:
            with pa_csv.open_csv(path) as reader:
                _check_columns(reader.schema.names, columns)
            # Names of arms such as 007 or true stay what is written.
            options = pa_csv.ConvertOptions(
                include_columns=columns, column_types={arm_column: pa.string()}
            )
            table = pa_csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInputError(f"Cannot read {path.name}: {error}", code="bad-file") from error
    return pa.table({"arm": table[arm_column], "value": table[value_column]})


def _check_columns(names: list[str], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InvalidInputError(
            f"No column {' and no column '.join(missing)}; the file has {', '.join(names)}",
            code="unknown-column",
        )


def _moments(table: pa.Table) -> dict[str, ArmMoments]:
    """Return n, mean and variance by arm, arms in alphabetical order."""
    if not len(table):
        raise InvalidInputError("The file has no rows", code="bad-value")
    arm, value = pc.cast(table["arm"], pa.string()), table["value"]
    if not any(is_type(value.type) for is_type in _NUMBERS):
        raise InvalidInputError(
            f"The value column holds {value.type}, not numbers", code="bad-value"
        )
    value = pc.cast(value, pa.float64())
    # A visitor without a value and a visitor who spent nothing are not the same thing.
    usable = pc.and_(pc.not_equal(arm, ""), pc.is_finite(value))
    lacking = len(arm) - pc.sum(usable, min_count=0).as_py()
    if lacking:
        raise InvalidInputError(
            f"{lacking} of {len(arm)} rows lack an arm or a number; write 0 for a visitor who "
            "spent nothing",
            code="bad-value",
        )
    # Threads would add up in another order every time and change the last digits.
    grouped = pa.table({"arm": arm, "value": value}).group_by("arm", use_threads=False)
    counted = grouped.aggregate(
        [
            ("value", "count"),
            ("value", "mean"),
            ("value", "variance", pc.VarianceOptions(ddof=1, min_count=2)),
        ]
    )
    rows = sorted(counted.to_pylist(), key=lambda row: row["arm"])
    return {
        row["arm"]: ArmMoments(row["value_count"], row["value_mean"], row["value_variance"])
        for row in rows
    }
