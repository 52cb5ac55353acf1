"""A table from any experiment → each arm against the control (verb: reads a file)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender.errors import InvalidInputError
from recommender.uplift.contrast import Metric, contrast
from recommender.uplift.integrity import SRM_LIMIT, split_p
from recommender.uplift.moments import Moments, cell_moments
from recommender.uplift.table_days import Days, day_by_day, novelty, split_over_days_p
from recommender.uplift.table_file import read_columns
from recommender.uplift.table_report import Design, describe
from recommender.uplift.units import Columns, Units, make_units

FEWEST_NONZERO = 30
"""Below so many units with a value in an arm the intervals promise more than they hold."""
_MAX_CELLS = 500_000


def analyse_table(path: Path, columns: Columns, design: Design) -> dict[str, Any]:
    """Compare every arm of a CSV or Parquet file with the control.

    Raises:
        InvalidInputError: The file cannot be read, or a column or the control is not in it, or a
            value is missing or no number.
    """
    table = read_columns(path, columns.names, texts=columns.texts)
    units = make_units(table, columns, cap=design.cap, mean_per_row=design.mean_per_row)
    return compare_arms(units, columns, design)


def compare_arms(units: Units, columns: Columns, design: Design) -> dict[str, Any]:
    """Return the report of `uplift analyse`; see docs/commands.md for its fields.

    Raises:
        InvalidInputError: The control is not among the arms, a weight is of no arm, or a
            denominator is 0.
    """
    names = units.arm.names
    metric = Metric(units.has_denominator, bool(columns.covariate))
    moments = _moments(units)
    by_stratum = moments.pooled(2)
    whole = by_stratum.pooled(1)
    if metric.has_denominator and not whole.mean[:, 1].all():
        raise InvalidInputError("The denominators of an arm sum to 0", code="bad-value")
    shares = _shares(names, design)
    control = _place(names, design.control)
    srm_p = split_p([int(n) for n in whole.n], shares)
    report: dict[str, Any] = {
        "control": _arm(names, whole, control, metric),
        "arms": [
            _arm(names, whole, place, metric)
            | describe(contrast(by_stratum.pick(place), by_stratum.pick(control), metric), design)
            for place in range(len(names))
            if place != control
        ],
        "srm_p": srm_p,
        "srm_alarm": srm_p < SRM_LIMIT,
        "alpha": float(design.alpha),
        "n_star": design.n_star,
    }
    report["input"] = _input(units, columns)
    if columns.day:
        report["day_split_p"] = split_over_days_p(moments.pooled(1).n)
        days = Days(moments, names, units.day.names, control, metric, design)
        report["days"] = day_by_day(days)
        report["novelty"] = novelty(days)
    report["warnings"] = _warnings(report, names, whole)
    return report


def _moments(units: Units) -> Moments:
    """Return the moments by arm, stratum and day."""
    shape = (len(units.arm.names), len(units.stratum.names), len(units.day.names))
    if shape[0] * shape[1] * shape[2] > _MAX_CELLS:
        raise InvalidInputError(
            f"{shape[0]} arms × {shape[1]} strata × {shape[2]} days are too many to compare",
            code="bad-value",
        )
    cell = (units.arm.codes * shape[1] + units.stratum.codes) * shape[2] + units.day.codes
    return cell_moments(cell, shape, units.numbers)


def _place(names: tuple[str, ...], wanted: str) -> int:
    """Return the arm that a person means: as it is written, else as the same number or word."""
    if wanted in names:
        return names.index(wanted)
    alike = [place for place, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if len(alike) != 1:
        raise InvalidInputError(
            f"No visitor is in arm {wanted}; the arms are {', '.join(names)}", code="unknown-arm"
        )
    return alike[0]


def _plain(name: str) -> str | float:
    try:
        return float(name)
    except ValueError:
        return name.strip().casefold()


def _shares(names: tuple[str, ...], design: Design) -> list[float]:
    weights = [1.0] * len(names)
    for name, weight in design.weights.items():
        weights[_place(names, name)] = weight
    if min(weights) < 0 or not sum(weights):
        raise InvalidInputError("Weights are not negative, and one is above 0", code="bad-weights")
    return [weight / sum(weights) for weight in weights]


def _arm(names: tuple[str, ...], whole: Moments, place: int, metric: Metric) -> dict[str, Any]:
    return {
        "arm": names[place],
        "n": int(whole.n[place]),
        "mean": metric.value(whole.mean[place]),
    }


def _input(units: Units, columns: Columns) -> dict[str, Any]:
    """Return what the file held, and what was done to it."""
    return {
        "rows": units.rows,
        "units": len(units.arm.codes),
        "strata": len(units.stratum.names) if columns.stratum else 0,
        "days": len(units.day.names) if columns.day else 0,
        "units_in_several_arms": units.in_several_arms,
        "rows_capped": units.capped,
        "removed_by_cap": units.removed,
        "rows_below_0": units.negative,
    }


def _warnings(report: Mapping[str, Any], names: tuple[str, ...], whole: Moments) -> list[str]:
    """Return what a careful reader would ask about, as sentences."""
    found = report["input"]
    told = []
    if report["srm_alarm"]:
        told.append(
            f"The split is off (SRM p {report['srm_p']:.2g}): trust no comparison. Shares other "
            "than equal are told with --expected."
        )
    if report.get("day_split_p", 1.0) < SRM_LIMIT:
        told.append(
            "The split changed over the days: give them as the stratum column too, or a good "
            "season looks like an effect."
        )
    if found["units_in_several_arms"]:
        told.append(
            f"{found['units_in_several_arms']:,} units have rows in several arms; each counts in "
            "the arm of its first row. Leaving them out would bias the result."
        )
    if found["rows_below_0"]:
        told.append(f"{found['rows_below_0']:,} rows are below 0 and count as they are.")
    few = [name for name, n in zip(names, whole.nonzero, strict=True) if n < FEWEST_NONZERO]
    if few:
        told.append(
            f"Fewer than {FEWEST_NONZERO} units have a value in {', '.join(few)}: too few for "
            "intervals that rest on many."
        )
    if len(names) > 2:
        told.append(
            f"{len(names) - 1} arms are compared, each at its own error probability: for all "
            "together divide --alpha by their number."
        )
    return told
