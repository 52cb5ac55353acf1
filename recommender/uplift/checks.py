"""What the freezing rules look at, made of visitors, orders and persons. Pure."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import numpy as np

from recommender.records import Arm, DailySum
from recommender.uplift.days import Calendar
from recommender.uplift.estimate import estimate_over_time
from recommender.uplift.facts import Facts, Removal, code_of
from recommender.uplift.freezing import FEED_DAYS, DayFacts
from recommender.uplift.revenue import Cell

AA_ALPHA = Decimal("0.001")
AA_BUYERS = 30
"""Buyers each arm needs before means are near enough to normal to be compared."""


def failed_aa_days(sums: Sequence[DailySum], *, n_star: int) -> set[dt.date]:
    """Return the days until which untriggered visitors differ between the arms beyond chance.

    The confidence sequence at `AA_ALPHA` is asked at the end of every day: it may be.

    Args:
        sums: What visitors spent before a first exposure, sorted by day.
        n_star: Visitors at which the sequence is tightest.
    """
    days = len({row.day for row in sums})
    looks = estimate_over_time(sums, alpha=AA_ALPHA, n_star=n_star, most=max(1, days))
    return {
        day
        for day, look in looks
        if look.fewest_buyers >= AA_BUYERS
        and abs(look.incremental_minor) > look.margin_minor(look.sequence)
    }


def day_facts(
    visitors: Mapping[Cell, int],
    contaminated: Mapping[dt.date, Mapping[int, int]],
    facts: Facts,
    calendar: Calendar,
    failed: Collection[dt.date],
) -> list[DayFacts]:
    """Return what the freezing rules look at, from `FEED_DAYS` before the first day on.

    Args:
        visitors: First exposures, of all days.
        contaminated: Day → stratum → persons who met their second arm.
        failed: Days of `failed_aa_days`.
    """
    first = calendar.first - dt.timedelta(days=FEED_DAYS)
    known = Calendar(first, calendar.days[-1], calendar.timezone)
    # One place more, where orders before and after all days go.
    is_real = facts.removed != code_of(Removal.TEST)
    day = np.clip(known.number(facts.placed_us), -1, len(known))[is_real]
    placed = np.bincount(day + 1, minlength=len(known) + 2)[1:]
    is_unlinked = facts.visitor[is_real] == ""
    unlinked = np.bincount(day[is_unlinked] + 1, minlength=len(known) + 2)[1:]
    by_day: dict[dt.date, dict[tuple[int, Arm], int]] = {}
    for cell, count in visitors.items():
        by_day.setdefault(cell.day, {})[cell.stratum, cell.arm] = count
    return [
        DayFacts(
            day=one,
            visitors=by_day.get(one, {}),
            contaminated=contaminated.get(one, {}),
            orders=int(placed[place]),
            unlinked=int(unlinked[place]),
            aa_excludes_zero=one in failed,
        )
        for place, one in enumerate(known.days)
    ]
