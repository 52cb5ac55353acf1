"""Two sides under the same load, in turns, and what came of it.

The machine's other work comes and goes, so each round measures both sides at once after another,
every second round in the other order, and medians over the rounds are compared.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.bench.load import Load, Outcome, drive


@dataclass(frozen=True, slots=True)
class Round:
    """One round's outcome of both sides."""

    ours: Outcome
    limit: Outcome


def interleave(
    ours: Callable[[int], Load],
    limit: Callable[[int], Load],
    rounds: int,
    *,
    tell: Callable[[str], None],
) -> list[Round]:
    """Drive both sides in turns.

    Args:
        ours: Makes our load of a round.
        limit: Makes the load of the side we are measured against.
    """
    return [_round(ours, limit, number, rounds, tell) for number in range(rounds)]


def _round(
    ours: Callable[[int], Load],
    limit: Callable[[int], Load],
    number: int,
    rounds: int,
    tell: Callable[[str], None],
) -> Round:
    tell(f"Round {number + 1} of {rounds}")
    if number % 2:
        bound = drive(limit(number))
        return Round(drive(ours(number)), bound)
    return Round(drive(ours(number)), drive(limit(number)))


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the medians over rounds, the raw rounds, and all failures.

    `ours` and `limit` are right answers a second, `ratio` the median of the rounds' ratios.
    """
    raw = [{"ours": _figures(one.ours), "limit": _figures(one.limit)} for one in rounds]
    rates = [(one.ours.per_second, one.limit.per_second) for one in rounds]
    ratios = [ours / limit for ours, limit in rates if limit]
    return {
        "ours": _median(raw, "ours", "requests_per_second"),
        "limit": _median(raw, "limit", "requests_per_second"),
        "ratio": round(statistics.median(ratios), 3) if ratios else 0.0,
        "ours_p50_ms": _median(raw, "ours", "p50_ms"),
        "ours_p99_ms": _median(raw, "ours", "p99_ms"),
        "limit_p50_ms": _median(raw, "limit", "p50_ms"),
        "limit_p99_ms": _median(raw, "limit", "p99_ms"),
        "failures": sum(sum(one.ours.failures.values()) for one in rounds)
        + sum(sum(one.limit.failures.values()) for one in rounds),
        "rounds": raw,
    }


def _figures(outcome: Outcome) -> dict[str, Any]:
    return {
        "requests_per_second": round(outcome.per_second, 1),
        "p50_ms": round(outcome.percentile_ms(50), 2),
        "p99_ms": round(outcome.percentile_ms(99), 2),
        "answered": outcome.answered,
        "failures": outcome.failures,
    }


def _median(raw: Sequence[dict[str, Any]], side: str, figure: str) -> float:
    return round(float(statistics.median(one[side][figure] for one in raw)), 2)
