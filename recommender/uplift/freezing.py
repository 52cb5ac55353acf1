"""Days that count in neither arm, by rules written before any revenue is seen. Pure.

Rules and reasons stand in docs/integrity.md; why they bias nothing, in docs/decisions/0019. None of
them compares the revenue of billed visitors: they look at numbers of visitors, or at both arms
together, or at visitors nobody could have influenced.
"""

import datetime as dt
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from recommender.errors import InconsistentError
from recommender.records import Arm, Stratum
from recommender.uplift.integrity import SRM_LIMIT, split_p

RULES_VERSION = 2
"""Grows with every change of a rule or a number below."""
MIN_EXPECTED = 5
"""Visitors the smaller arm should have before χ² says anything. Source: Cochran 1954."""
FEED_DAYS = 28
FEED_ORDERS = 10
"""Mean orders a day from which a day without any is no chance: e⁻¹⁰ = 0.00005."""
FEED_VISITORS_SHARE = 0.5
"""Of the usual visitors, from which a day is one as usual."""
UNLINKED_ORDERS = 20
UNLINKED_SHARE = 0.5
CONTAMINATED_PERSONS = 100
CONTAMINATED_SHARE = 0.1


class FreezeReason(StrEnum):
    """Which rule froze a day."""

    SPLIT_OF_DAY = "split-of-day"
    SPLIT_SO_FAR = "split-so-far"
    AA_FAILED = "aa-failed"
    NO_ORDERS = "no-orders"
    UNLINKED = "unlinked-orders"
    CONTAMINATED = "contaminated"


@dataclass(frozen=True, slots=True)
class FrozenDay:
    """A day of the shop that counts in neither arm.

    Attributes:
        reason: Which rule; a `FreezeReason`.
        detail: The numbers behind it, one sentence.
    """

    day: dt.date
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the rules look at of one day; mappings lack what is 0.

    Attributes:
        visitors: (stratum, arm) → visitors first exposed on this day.
        contaminated: Stratum → persons who on this day were exposed in their second arm within
            that stratum.
        orders: Orders placed, of anybody.
        unlinked: Those without a visitor.
        aa_excludes_zero: Whether what visitors spent before a first exposure, up to this day,
            differs between the arms beyond chance.
    """

    day: dt.date
    visitors: Mapping[tuple[int, Arm], int]
    contaminated: Mapping[int, int]
    orders: int = 0
    unlinked: int = 0
    aa_excludes_zero: bool = False

    @property
    def all_visitors(self) -> int:
        """Return the visitors of all arms."""
        return sum(self.visitors.values())


def frozen_days(days: Sequence[DayFacts], strata: Iterable[Stratum]) -> tuple[FrozenDay, ...]:
    """Return the days that the rules freeze, each once, with the first reason that holds.

    Args:
        days: Consecutive days, oldest first; those before the contract tell how many orders are
            usual, and have no visitors.

    Raises:
        InconsistentError: Visitors are in a stratum that the shop never had.
    """
    shares = {stratum.stratum: stratum.treatment_share_ppm / 1_000_000 for stratum in strata}
    found = itertools.chain(
        _splits(days, shares),
        _failed_aa(days),
        _without_orders(days),
        _unlinked(days),
        _contaminated(days),
    )
    first: dict[dt.date, FrozenDay] = {}
    for frozen in found:
        first.setdefault(frozen.day, frozen)
    return tuple(first[day] for day in sorted(first))


def _splits(days: Iterable[DayFacts], shares: Mapping[int, float]) -> Iterator[FrozenDay]:
    """Yield days whose own split is off, and days until which the split is off.

    A day whose own split is off is not part of the split so far: one torn day does not freeze the
    weeks behind it.
    """
    so_far: dict[int, list[int]] = {}
    for facts in days:
        for stratum in sorted({stratum for stratum, _ in facts.visitors}):
            counts = [facts.visitors.get((stratum, arm), 0) for arm in Arm]
            if stratum not in shares:
                raise InconsistentError(f"Exposures name the unknown stratum {stratum}")
            share = shares[stratum]
            own_p = _split_p(counts, share)
            if own_p < SRM_LIMIT:
                detail = _split_detail(stratum, counts, share, own_p)
                yield FrozenDay(facts.day, FreezeReason.SPLIT_OF_DAY, detail)
                continue
            total = so_far.setdefault(stratum, [0] * len(counts))
            total[:] = map(sum, zip(total, counts, strict=True))
            p = _split_p(total, share)
            if p < SRM_LIMIT:
                detail = _split_detail(stratum, total, share, p)
                yield FrozenDay(facts.day, FreezeReason.SPLIT_SO_FAR, detail)


def _split_p(counts: Sequence[int], treatment_share: float) -> float:
    shares = [treatment_share if arm is Arm.TREATMENT else 1 - treatment_share for arm in Arm]
    # An arm that nobody can be in is not small, it is impossible.
    if 0 < min(shares) * sum(counts) < MIN_EXPECTED:
        return 1.0
    return split_p(counts, shares)


def _split_detail(stratum: int, counts: Sequence[int], share: float, p: float) -> str:
    named = dict(zip(Arm, counts, strict=True))
    return (
        f"Stratum {stratum}: {named[Arm.TREATMENT]} visitors with recommendations and "
        f"{named[Arm.CONTROL]} without, where {share:.4%} should have them; p = {p:.1e}"
    )


def _failed_aa(days: Iterable[DayFacts]) -> Iterator[FrozenDay]:
    for facts in days:
        if facts.aa_excludes_zero:
            detail = "Visitors who met no recommendation place differ between the arms"
            yield FrozenDay(facts.day, FreezeReason.AA_FAILED, detail)


def _without_orders(days: Iterable[DayFacts]) -> Iterator[FrozenDay]:
    before: deque[DayFacts] = deque(maxlen=FEED_DAYS)
    for facts in days:
        if len(before) == FEED_DAYS and not facts.orders:
            orders = sum(day.orders for day in before) / FEED_DAYS
            visitors = sum(day.all_visitors for day in before) / FEED_DAYS
            is_usual = facts.all_visitors and facts.all_visitors >= FEED_VISITORS_SHARE * visitors
            if is_usual and orders > FEED_ORDERS:
                detail = (
                    f"No order, {facts.all_visitors} visitors; the {FEED_DAYS} days before had "
                    f"{orders:.1f} orders and {visitors:.0f} visitors a day"
                )
                yield FrozenDay(facts.day, FreezeReason.NO_ORDERS, detail)
        before.append(facts)


def _unlinked(days: Iterable[DayFacts]) -> Iterator[FrozenDay]:
    for facts in days:
        is_off = facts.unlinked > UNLINKED_SHARE * facts.orders
        if facts.all_visitors and facts.orders >= UNLINKED_ORDERS and is_off:
            detail = f"{facts.unlinked} of {facts.orders} orders have no visitor"
            yield FrozenDay(facts.day, FreezeReason.UNLINKED, detail)


def _contaminated(days: Iterable[DayFacts]) -> Iterator[FrozenDay]:
    """Yield days until which too many persons of a stratum have seen both arms."""
    exposed: dict[int, int] = {}
    in_both: dict[int, int] = {}
    for facts in days:
        for (stratum, _), visitors in facts.visitors.items():
            exposed[stratum] = exposed.get(stratum, 0) + visitors
        for stratum, persons in facts.contaminated.items():
            in_both[stratum] = in_both.get(stratum, 0) + persons
        for stratum in sorted({stratum for stratum, _ in facts.visitors}):
            persons, of = in_both.get(stratum, 0), exposed[stratum]
            if of >= CONTAMINATED_PERSONS and persons > CONTAMINATED_SHARE * of:
                detail = f"Stratum {stratum}: {persons} of {of} persons have met both arms"
                yield FrozenDay(facts.day, FreezeReason.CONTAMINATED, detail)
