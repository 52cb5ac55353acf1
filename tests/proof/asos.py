"""Real experiments of a fashion shop, looked at day after day.

Nobody knows their true effects; what can be seen is how often a rule would have stopped with an
answer that the whole experiment then did not bear out. Data: ASOS Digital Experiments Dataset,
Liu, Cardoso, Couturier & McCoy, NeurIPS 2021, CC BY 4.0; it is not shipped with this package.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from proof.markets import Floats
from proof.section import Scale, Section
from proof.twin import Z, sequence_multiplier

_FILE = "asos-experiments/asos_digital_experiments_dataset.parquet"
_SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def run(scale: Scale) -> Section:
    section = Section("ASOS: 78 real experiments, looked at again and again")
    path = (scale.data or _SHARED) / _FILE
    if not path.exists():
        section.say("Left out: the data set is not there (`--data DIR`).")
        return section
    series = _series(path)
    fixed = [_course(one, np.full(len(one["n"]), Z)) for one in series]
    ours = [_course(one, sequence_multiplier(one["n"], one["n"][-1])) for one in series]
    section.say(
        f"{len(series)} series of an experiment, variant and metric, "
        f"{sum(len(one['n']) for one in series):,} looks. A rule stops at its first look at which "
        "the interval excludes 0. It *stopped wrongly* when the fixed 95 % interval at the "
        "experiment's end holds 0 or lies on the other side; *changed its mind* when a later look "
        "of its own excluded 0 on the other side. n* of the sequence is the experiment's size."
    )
    head = ("rule", "stopped", "stopped before the end", "wrongly", "of those stopped", "changed")
    rows = [_row("fixed 95 %, first time it excludes 0", fixed), _row("sequence", ours)]
    section.table(head, rows)
    wrong = [sum(one["wrong"] for one in courses) for courses in (fixed, ours)]
    section.check(
        "ASOS: wrong stops of the sequence, beside the fixed rule",
        f"{wrong[1]} beside {wrong[0]}",
        "fewer",
        wrong[1] < wrong[0],
    )
    return section


def _series(path: Path) -> list[dict[str, Any]]:
    """Return for each experiment, variant and metric: n, difference, standard error by look."""
    columns = {
        name: column.to_numpy(zero_copy_only=False)
        for name, column in zip(*_columns(path), strict=True)
    }
    key = np.char.add(
        np.char.add(columns["experiment_id"].astype(str), columns["variant_id"].astype(str)),
        columns["metric_id"].astype(str),
    )
    found = []
    for name in np.unique(key):
        places = np.flatnonzero(key == name)
        places = places[np.argsort(columns["time_since_start"][places])]
        part = {column: values[places] for column, values in columns.items()}
        usable = (part["count_c"] >= 2) & (part["count_t"] >= 2)
        error = np.sqrt(
            part["variance_c"] / np.maximum(part["count_c"], 1)
            + part["variance_t"] / np.maximum(part["count_t"], 1)
        )
        usable &= np.isfinite(error) & (error > 0)
        if usable.sum() >= 2:
            found.append(
                {
                    "n": (part["count_c"] + part["count_t"])[usable],
                    "difference": (part["mean_t"] - part["mean_c"])[usable],
                    "error": error[usable],
                }
            )
    return found


def _columns(path: Path) -> tuple[list[str], list[Any]]:
    table = pq.read_table(path)
    return table.column_names, table.columns


def _course(one: dict[str, Any], multiplier: Floats) -> dict[str, bool]:
    sign = np.sign(one["difference"]) * (np.abs(one["difference"]) > multiplier * one["error"])
    stops = np.flatnonzero(sign)
    if not len(stops):
        return {"stopped": False, "early": False, "wrong": False, "changed": False}
    difference, error = one["difference"][-1], one["error"][-1]
    in_the_end = np.sign(difference) * (abs(difference) > Z * error)
    first = stops[0]
    return {
        "stopped": True,
        "early": bool(first < len(sign) - 1),
        "wrong": bool(in_the_end != sign[first]),
        "changed": bool((sign[first:] == -sign[first]).any()),
    }


def _row(rule: str, courses: list[dict[str, bool]]) -> list[str]:
    counts = {name: sum(one[name] for one in courses) for name in courses[0]}
    share = counts["wrong"] / max(1, counts["stopped"])
    named = [str(counts[name]) for name in ("stopped", "early", "wrong")]
    return [rule, *named, f"{share:.0%}", str(counts["changed"])]
