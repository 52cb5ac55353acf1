"""What is wrong with the exclusions that an evidence file names. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from recommender.billing.evidence import Evidence
from recommender.records import Arm
from recommender.shops.exclusions import RulesVersion, before_any
from recommender.uplift.days import local_day
from recommender.uplift.facts import Removal


def rule_faults(evidence: Evidence) -> Iterator[str]:
    """Yield why the versions cannot have governed these days, or the counts cannot be."""
    yield from _order_faults(evidence.rules, evidence)
    for told in evidence.rules:
        yield from _version_faults(told, evidence)
    seen = [(one.reason, one.stratum, one.arm) for one in evidence.removed]
    if len(set(seen)) != len(seen):
        yield "a rule tells twice what it took out of one arm"
    for one in evidence.removed:
        if one.reason not in set(Removal) or one.arm not in {"", *Arm}:
            yield f"{one.reason} of {one.arm or 'no arm'} is nothing that is taken out"
        if min(one.visitors, one.orders, one.revenue_minor) < 0:
            yield f"what {one.reason} took out is below 0"


def _order_faults(rules: Sequence[RulesVersion], evidence: Evidence) -> Iterator[str]:
    first = rules[0]
    if first.governs_from is not None and first.governs_from > evidence.contract.starts_on:
        yield f"no version governs the days before {first.governs_from}"
    for earlier, later in pairwise(rules):
        is_later = later.governs_from is not None and (
            earlier.governs_from is None or earlier.governs_from < later.governs_from
        )
        if not is_later or earlier.version >= later.version:
            yield f"version {later.version} of the exclusions does not follow {earlier.version}"


def _version_faults(told: RulesVersion, evidence: Evidence) -> Iterator[str]:
    if told.version == 0:
        if told != before_any().told:
            yield "version 0 of the exclusions is not what holds for all shops"
        return
    if told.governs_from is None or told.stated_at is None:
        yield f"version {told.version} of the exclusions names no day"
    elif told.governs_from <= local_day(told.stated_at, evidence.timezone):
        yield (
            f"version {told.version} of the exclusions was stated on {told.stated_at.isoformat()}, "
            f"not before {told.governs_from}, the first day it governs"
        )
