"""Is the split what was agreed? Pure.

A split that is off says that exposures get lost in one arm, and then no comparison can be trusted.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.special import chdtrc

from recommender.errors import InconsistentError
from recommender.records import Arm, DailySum, Stratum
from recommender.uplift.estimate import total_strata

SRM_LIMIT = 0.001
"""Below this probability the bill is frozen. Source: GrowthBook's threshold."""


MIN_REMOVED = 5
"""Variance from which a count is near enough to normal."""


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """The split of one stratum against its agreed share.

    Attributes:
        expected_treatment: Visitors the treatment should have by the share.
        p: Probability of a split at least this far off when nothing is wrong.
    """

    stratum: int
    treatment: int
    control: int
    expected_treatment: float
    p: float

    @property
    def mismatch(self) -> bool:
        """Return whether the split is so far off that billing freezes."""
        return self.p < SRM_LIMIT


def check_split(sums: Iterable[DailySum], strata: Sequence[Stratum]) -> list[SplitCheck]:
    """Compare each stratum's visitors with its treatment share; an empty arm counts as 0.

    Raises:
        InconsistentError: Visitors are in a stratum that the shop never had.
    """
    shares = {stratum.stratum: stratum.treatment_share_ppm / 1_000_000 for stratum in strata}
    checks = []
    for total in total_strata(sums):
        if total.stratum not in shares:
            raise InconsistentError(f"Exposures name the unknown stratum {total.stratum}")
        counts = (total.treatment.visitors, total.control.visitors)
        share = shares[total.stratum]
        p = split_p(counts, (share, 1 - share))
        checks.append(SplitCheck(total.stratum, *counts, sum(counts) * share, p))
    return checks


def split_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the p value of Pearson's chi-square: Σ (O − E)² / E, one degree per arm less one.

    Args:
        counts: Visitors per arm, empty arms included.
        shares: Expected shares in the same order; they sum to 1. Visitors in an arm whose share
            is 0 cannot happen: p is 0.
    """
    n = sum(counts)
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return 0.0
    expected = [(count, n * share) for count, share in zip(counts, shares, strict=True) if share]
    if n == 0 or len(expected) < 2:
        return 1.0
    statistic = math.fsum((count - mean) ** 2 / mean for count, mean in expected)
    return float(chdtrc(len(expected) - 1, statistic))


def removed_p(counts: Iterable[tuple[int, Arm, int]], strata: Iterable[Stratum]) -> float:
    """Return the p value of what a rule took out: (Σ (O − E))² / Σ n·s·(1 − s), one degree.

    A rule that knows nothing of the arm takes from each as many as its share. Of so few that their
    variance is below `MIN_REMOVED` nothing can be told: p is 1.

    Args:
        counts: Stratum, arm and visitors taken out.

    Raises:
        InconsistentError: Visitors are in a stratum that the shop never had.
    """
    shares = {stratum.stratum: stratum.treatment_share_ppm / 1_000_000 for stratum in strata}
    taken: dict[int, dict[Arm, int]] = {}
    for stratum, arm, visitors in counts:
        own = taken.setdefault(stratum, dict.fromkeys(Arm, 0))
        own[arm] += visitors
    off, variance = 0.0, 0.0
    for stratum, arms in sorted(taken.items()):
        if stratum not in shares:
            raise InconsistentError(f"Exposures name the unknown stratum {stratum}")
        n, share = sum(arms.values()), shares[stratum]
        off += arms[Arm.TREATMENT] - n * share
        variance += n * share * (1 - share)
    return float(chdtrc(1, off * off / variance)) if variance >= MIN_REMOVED else 1.0
