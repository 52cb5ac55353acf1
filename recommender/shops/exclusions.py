"""Who and what is no part of a shop's comparison: its own people, orders that are no sales. Pure.

The lists hold for both arms alike. They form versions that are never edited; a version governs
whole days of the shop, from the day after it was stated on: nobody has seen those days' revenue
yet. People are kept as keyed hashes, which tell nobody's address; a list is known by its hash.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BUILT_IN = 1
"""Grows with every change of what holds for all shops: programs, previews, orders told as tests."""
MARK_KINDS = ("tag", "discount", "gateway", "source")
MAX_MARK = 100


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """What a statement says of a version, and what its hash covers.

    Attributes:
        version: 1, 2, … within a shop; 0 is what holds before a shop stated anything.
        governs_from: First day it governs, in the shop's time zone; None for version 0.
        stated_at: When it was stated; None for version 0.
        sha256: Over the lists, see `content_sha256`.
    """

    version: int
    governs_from: dt.date | None
    stated_at: dt.datetime | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Exclusions:
    """One version with its lists.

    Attributes:
        staff: Keyed hashes of e-mail addresses (as `OrderFact.email_key`) and of customer ids (as
            `events.identity.customer_pseudonym`).
        marks: Orders that carry one of these are no sales: `tag:wholesale`, `gateway:manual`.
    """

    told: RulesVersion
    staff: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExclusionChange:
    """What shall be different in the next version; people as keyed hashes.

    Attributes:
        drop_staff: Who is on the list no more.
    """

    add_staff: frozenset[str] = frozenset()
    drop_staff: frozenset[str] = frozenset()
    add_marks: frozenset[str] = frozenset()
    drop_marks: frozenset[str] = frozenset()


def rules_as_json(told: RulesVersion) -> dict[str, Any]:
    """Return what a statement says of a version, as JSON values."""
    return {
        "version": told.version,
        "governs_from": None if told.governs_from is None else told.governs_from.isoformat(),
        "stated_at": None if told.stated_at is None else told.stated_at.isoformat(),
        "sha256": told.sha256,
    }


def rules_from_json(body: Mapping[str, Any]) -> RulesVersion:
    """Read back what `rules_as_json` wrote."""
    governs_from, stated_at = body["governs_from"], body["stated_at"]
    return RulesVersion(
        version=int(body["version"]),
        governs_from=dt.date.fromisoformat(governs_from) if governs_from else None,
        stated_at=dt.datetime.fromisoformat(stated_at) if stated_at else None,
        sha256=str(body["sha256"]),
    )


def content_sha256(staff: Sequence[str], marks: Sequence[str]) -> str:
    """Return the hash by which statements name lists: SHA-256 of canonical JSON of sorted texts."""
    content = {"built_in": BUILT_IN, "marks": sorted(marks), "staff": sorted(staff)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_mark(text: str) -> str:
    """Return a mark as it is compared, `kind:value` in small letters; empty when it is none."""
    kind, _, value = text.strip().lower().partition(":")
    kind, value = kind.strip(), value.strip()
    fits = kind in MARK_KINDS and 0 < len(value) <= MAX_MARK and value.isprintable()
    return f"{kind}:{value}" if fits else ""


def before_any() -> Exclusions:
    """Return what holds for a shop that has stated nothing."""
    return Exclusions(RulesVersion(0, None, None, content_sha256((), ())))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days that one version governs.

    Attributes:
        first: None for all days before `last`.
        last: None for all days from `first` on.
    """

    rules: Exclusions
    first: dt.date | None = None
    last: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """All versions of a shop, oldest first; the last one that governs a day counts."""

    versions: tuple[Exclusions, ...] = field(default_factory=lambda: (before_any(),))

    def stretches(self) -> tuple[Stretch, ...]:
        """Return the days of each version that governs any, in their order."""
        found: list[Stretch] = []
        end: dt.date | None = None
        for rules in reversed(self.versions):
            start = rules.told.governs_from
            if start is None or end is None or start < end:
                last = None if end is None else end - dt.timedelta(days=1)
                found.append(Stretch(rules, start, last))
                end = start
        return tuple(reversed(found))

    def governing(self, first: dt.date, last: dt.date) -> tuple[RulesVersion, ...]:
        """Return the versions that govern any day from the first to the last."""
        return tuple(
            one.rules.told
            for one in self.stretches()
            if (one.first is None or one.first <= last) and (one.last is None or one.last >= first)
        )

    @property
    def newest(self) -> Exclusions:
        """Return the version stated last, also before it governs."""
        return self.versions[-1]
