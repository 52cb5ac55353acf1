"""Well-known ways to see an effect where there is none: the usual figure beside ours."""

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proof.section import Scale, Section
from recommender.records import Arm, DailySum
from recommender.uplift.estimate import estimate
from recommender.uplift.table import analyse_table
from recommender.uplift.table_report import Design
from recommender.uplift.units import Columns

_HEAD = ("trap", "no effect, yet the usual figure is", "ours")
_DAY = dt.date(2026, 3, 2)


def run(scale: Scale) -> Section:
    section = Section("Traps")
    section.say("In each of these there is no effect at all.")
    allocation, mixed, cap = _allocation(), _mixed(), _cap()
    section.table(_HEAD, [allocation[1], mixed[1], cap[1]])
    for claim, (ours, _) in (("change of share", allocation), ("visitors in both arms", mixed)):
        section.check(f"trap avoided: {claim}", f"{ours:+.2%}", "0 %", abs(ours) < 0.002)
    section.check("trap avoided: percentile cap", f"{cap[0]:.2f}", "revenue is left", cap[0] > 0)
    return section


def _allocation() -> tuple[float, list[str]]:
    """Half held out at 1.20 a visitor, then a tenth held out at 2.00, at Christmas."""
    cells = ((1, 0.5, 1.2), (2, 0.9, 2.0))
    sums = [
        _row(stratum, arm, round(100_000 * share), value)
        for stratum, treated, value in cells
        for arm, share in ((Arm.TREATMENT, treated), (Arm.CONTROL, 1 - treated))
    ]
    naive = _uplift([_in_one(sums, arm) for arm in Arm])
    ours = _uplift(sums)
    trap = "share changed from 50 to 90 % before Christmas, phases pooled"
    return ours, [trap, f"{naive:+.1%}", f"{ours:+.1%} (a change of share is a stratum)"]


def _row(stratum: int, arm: Arm, visitors: int, euros: float) -> DailySum:
    """Half of the visitors spend nothing, the others twice the mean."""
    spent = round(200 * euros)
    buyers = visitors // 2
    return DailySum(
        day=_DAY,
        stratum=stratum,
        arm=arm,
        visitors=visitors,
        orders=buyers,
        converted=buyers,
        revenue_minor=buyers * spent,
        revenue_squares=buyers * spent**2,
    )


def _in_one(sums: list[DailySum], arm: Arm) -> DailySum:
    own = [row for row in sums if row.arm is arm]
    names = ("visitors", "orders", "converted", "revenue_minor", "revenue_squares")
    totals = {name: sum(getattr(row, name) for row in own) for name in names}
    return DailySum(day=_DAY, stratum=1, arm=arm, **totals)


def _uplift(sums: list[DailySum]) -> float:
    found = estimate(sums, alpha=Decimal("0.05"), n_star=100_000)
    assert found is not None
    assert found.relative_uplift is not None
    return float(found.relative_uplift)


def _mixed() -> tuple[float, list[str]]:
    """A fifth of the persons has two browsers and spends twice as much; 90 : 10, two draws each."""
    # One of every ten thousand kinds of person, in exact proportion: no chance in it.
    persons = []
    for place in range(10_000):
        first = "treatment" if place % 10 < 9 else "control"
        second = "treatment" if place // 10 % 10 < 9 else "control"
        has_two = place // 100 % 5 == 0
        persons.append((place, first, 200 if has_two else 100))
        if has_two:
            persons.append((place, second, 0))
    person, arm, spent = (list(column) for column in zip(*persons, strict=True))
    arms: dict[int, set[str]] = {}
    for who, which in zip(person, arm, strict=True):
        arms.setdefault(who, set()).add(which)
    kept = [place for place, who in enumerate(person) if len(arms[who]) == 1]
    naive = _relative([[column[place] for place in kept] for column in (person, arm, spent)])
    ours = _relative([person, arm, spent])
    trap = "a fifth have two browsers and spend twice as much, 90 : 10; mixed persons left out"
    return ours, [trap, f"{naive:+.1%}", f"{ours:+.1%} (they count in the arm seen first)"]


def _relative(columns: list[list[object]]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "persons.parquet"
        pq.write_table(pa.table(dict(zip(("person", "arm", "spent"), columns, strict=True))), path)
        report = analyse_table(
            path,
            Columns("arm", "spent", cluster="person"),
            Design("control", Decimal("0.05"), 5_000, {}, mean_per_row=False),
        )
    return float(report["arms"][0]["relative_uplift"])


def _cap() -> tuple[float, list[str]]:
    """At 2 % conversion the 95th percentile of all visitors is 0."""
    spent = np.zeros(10_000)
    spent[::50] = 6_000
    percentile = float(np.quantile(spent, 0.95))
    naive = np.minimum(spent, percentile).mean() / 100
    ours = np.minimum(spent, 50_000).mean() / 100
    trap = "outliers cut at the 95th percentile of all visitors, 2 % of whom buy"
    told = f"revenue per visitor {naive:.2f}"
    return ours, [trap, told, f"{ours:.2f} (one absolute cap per order, in the contract)"]
