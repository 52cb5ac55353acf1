"""`recommender uplift analyse`: statistics of any experiment."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from recommender.cli.common import emit, json_option
from recommender.errors import InvalidInputError
from recommender.uplift.table import analyse_table
from recommender.uplift.table_report import DEFAULT_N_STAR, Design
from recommender.uplift.units import Columns

_SHOWN_DAYS = 12


@click.group()
def uplift() -> None:
    """Statistics of any experiment."""


@uplift.command("analyse")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--arm-column", required=True, help="Column that names each visitor's arm.")
@click.option("--control", required=True, help="Arm the others are compared with.")
@click.option("--value-column", required=True, help="Column with each visitor's value.")
@click.option(
    "--denominator-column", default="", help="Compare Σ value ÷ Σ denominator: baskets, clicks."
)
@click.option(
    "--covariate-column",
    default="",
    help="Known before the assignment, such as earlier revenue: CUPED takes out what it explains.",
)
@click.option(
    "--stratum-column", default="", help="Compare within each of its values: changes of share."
)
@click.option(
    "--cluster-column", default="", help="Unit of randomisation, when one owns several rows."
)
@click.option(
    "--mean-per",
    type=click.Choice(["row", "unit"]),
    default="row",
    show_default=True,
    help="With a cluster column: the mean of a row, or of all rows of a unit together.",
)
@click.option("--day-column", default="", help="When a visitor came in: adds the course of days.")
@click.option(
    "--cap", metavar="VALUE", help="Values above count as this much; fix it before the first look."
)
@click.option("--alpha", default="0.05", show_default=True, help="Error probability.")
@click.option(
    "--n-star",
    default=DEFAULT_N_STAR,
    show_default=True,
    type=click.IntRange(min=1),
    help="Visitors at which the sequence is tightest; fix it before the first look.",
)
@click.option(
    "--expected",
    "weights",
    multiple=True,
    metavar="ARM=WEIGHT",
    help="Weight of an arm in the split; arms not named have weight 1.",
)
@json_option
def analyse(file: Path, as_json: bool, **options: Any) -> None:
    """Compare the arms of a CSV or Parquet file, usually with one visitor a row.

    Intervals are of the difference of means, relative ones of the uplift: `fixed` for a single
    look, `sequence` valid at every look. `srm_p` below 0.001 says that the split itself is off.
    """
    columns = Columns(
        **{
            name.removesuffix("_column"): value
            for name, value in options.items()
            if name.endswith("_column")
        }
    )
    design = Design(
        control=options["control"],
        alpha=_alpha(options["alpha"]),
        n_star=options["n_star"],
        weights=dict(_weight(text) for text in options["weights"]),
        cap=_cap(options["cap"]),
        mean_per_row=options["mean_per"] == "row",
    )
    report = analyse_table(file, columns, design)
    emit(report, as_json=as_json, text=lambda: "\n".join(_report_text(report)))


def _alpha(text: str) -> Decimal:
    try:
        alpha = Decimal(text)
    except InvalidOperation:
        alpha = Decimal(0)
    if not 0 < alpha < 1:
        raise InvalidInputError("--alpha lies between 0 and 1, for example 0.05", code="bad-alpha")
    return alpha


def _cap(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        cap = float(text)
    except ValueError:
        cap = 0.0
    if not 0 < cap < float("inf"):
        raise InvalidInputError("--cap is a number above 0, for example 500", code="bad-cap")
    return cap


def _weight(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    try:
        return name, float(weight)
    except ValueError as error:
        raise InvalidInputError(
            f"--expected is ARM=WEIGHT, not {text!r}", code="bad-weights"
        ) from error


def _report_text(report: Mapping[str, Any]) -> Iterator[str]:
    control = report["control"]
    yield f"control {control['arm']}: n {control['n']:,}, mean {control['mean']:.6g}"
    for arm in report["arms"]:
        yield from _arm_text(arm)
    yield f"SRM p {report['srm_p']:.4g}"
    for one in report.get("novelty", []):
        if one["change"] is not None:
            yield (
                f"{one['arm']}: first half of the days {one['first_half']:+.6g}, last half "
                f"{one['last_half']:+.6g}, change {_bounds(one['interval_fixed'], 1, '.6g')}"
            )
    yield from _days_text(report.get("days", []))
    yield from (f"Note: {sentence}" for sentence in report["warnings"])


def _arm_text(arm: Mapping[str, Any]) -> Iterator[str]:
    yield f"{arm['arm']}: n {arm['n']:,}, mean {arm['mean']:.6g}"
    yield f"  difference {arm['difference']:+.6g}"
    if arm["relative_uplift"] is not None:
        yield f"  relative uplift {arm['relative_uplift'] * 100:+.2f} %"
    for kind in ("fixed", "sequence"):
        yield (
            f"  {kind} interval {_bounds(arm[f'interval_{kind}'], 1, '.6g')}, "
            f"relative {_bounds(arm[f'relative_interval_{kind}'], 100, '.2f', ' %')}"
        )
    if "theta" in arm:
        yield (
            f"  CUPED: theta {arm['theta']:.6g}, R² {1 - arm['variance_kept_share']:.3f} of the "
            "variance taken out"
        )
    if "strata_left_out" in arm:
        yield (
            f"  left out: {arm['strata_left_out']:,} strata with fewer than two units in an arm "
            f"({arm['units_left_out']:,} units)"
        )


def _days_text(days: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the course of the days, at most a dozen of them, the last among them."""
    step = -(-len(days) // _SHOWN_DAYS) or 1
    for day in days[(len(days) - 1) % step :: step]:
        for arm in day["arms"]:
            if arm["difference"] is not None:
                yield (
                    f"through {day['day']}, {arm['arm']}: n {arm['n']:,}, {arm['difference']:+.6g}"
                    f", sequence {_bounds(arm['interval_sequence'], 1, '.6g')}"
                )


def _bounds(interval: Sequence[float] | None, unit: int, form: str, sign: str = "") -> str:
    if interval is None:
        return "none yet"
    return f"{interval[0] * unit:+{form}} to {interval[1] * unit:+{form}}{sign}"
