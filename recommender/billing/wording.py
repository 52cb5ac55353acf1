"""Amounts, shares, days and results in plain words, English unless told otherwise. Pure."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from recommender.billing.phrases import MONTHS_FR, PHRASES, REASONS, REASONS_FR, RESULTS
from recommender.billing.pricing import Reason
from recommender.records import Contract, Stratum
from recommender.shops.money import format_minor
from recommender.uplift.estimate import Estimate

NO_COMPARISON = RESULTS["en"]["none"]
_NO_BREAK = "\u00a0"

__all__ = [
    "NO_COMPARISON",
    "REASONS",
    "amount",
    "day",
    "explanation",
    "first_phrase",
    "holdout",
    "number",
    "percent",
    "period",
    "phrase",
    "rate",
    "result_sentence",
]


def phrase(key: str, language: str = "en", **filled: str) -> str:
    """Return a text of the catalogue."""
    return PHRASES[language][key].format(**filled)


def first_phrase(keys: Sequence[str], language: str) -> str:
    """Return the first of these texts that the catalogue has."""
    return next(PHRASES[language][key] for key in keys if key in PHRASES[language])


def explanation(reason: Reason, language: str = "en") -> str:
    """Say why the amount due is what it is."""
    return (REASONS_FR if language == "fr" else REASONS)[reason]


def amount(minor: int, currency: str, language: str = "en") -> str:
    """Write money with thousands separated: 6120050 EUR → "61,200.50 EUR"."""
    text = _local(f"{Decimal(format_minor(minor, currency)):,f}", language)
    return f"{text}{_NO_BREAK if language == 'fr' else ' '}{currency}"


def number(count: int, language: str = "en") -> str:
    """Write a count with thousands separated."""
    return _local(f"{count:,}", language)


def _local(text: str, language: str) -> str:
    """Turn "61,200.50" into "61 200,50" for French."""
    return text.translate({44: _NO_BREAK, 46: ","}) if language == "fr" else text


def percent(share: Fraction | Decimal | float, digits: int = 1, language: str = "en") -> str:
    """Write a share as a percentage: 0.0234 → "2.3 %", which no line break parts."""
    return f"{_local(f'{float(share) * 100:.{digits}f}', language)}{_NO_BREAK}%"


def rate(bps: int, language: str = "en") -> str:
    """Write a rate exactly: 825 → "8.25 %"."""
    return f"{_local(f'{Decimal(bps) / 100:.10g}', language)}{_NO_BREAK}%"


def day(date: dt.date, language: str = "en") -> str:
    """Write a date: "1 March 2027"."""
    if language == "fr":
        first = "1er" if date.day == 1 else f"{date.day}"
        return f"{first} {MONTHS_FR[date.month - 1]} {date.year}"
    return f"{date.day} {date:%B %Y}"


def period(first: dt.date, last: dt.date, language: str = "en") -> str:
    """Write days of one month: "1–31 March 2027"."""
    begin = "1er" if language == "fr" and first.day == 1 else f"{first.day}"
    return f"{begin}–{day(last, language)}"


def holdout(strata: Sequence[Stratum], language: str = "en") -> str:
    """Write the share of visitors without recommendations now: "10 %"."""
    held_ppm = 1_000_000 - strata[-1].treatment_share_ppm
    return f"{_local(f'{Decimal(held_ppm) / 10_000:.10g}', language)}{_NO_BREAK}%"


def result_sentence(
    estimate: Estimate | None,
    contract: Contract,
    strata: Sequence[Stratum],
    language: str = "en",
) -> str:
    """Say what the comparison shows, in one sentence that holds at every look."""
    texts = RESULTS[language]
    if estimate is None or estimate.relative_uplift is None:
        return texts["none"]
    interval = estimate.relative_interval(estimate.sequence)
    if interval is None:
        return texts["none"]
    low, high = interval
    kind = "more" if low > 0 else "less" if high < 0 else "open"
    bounds = {"more": (low, high), "less": (-high, -low), "open": (-low, high)}[kind]
    best = _local(f"{float(estimate.relative_uplift) * 100:+.1f}", language)
    return texts[kind].format(
        since=day(contract.starts_on, language),
        low=percent(bounds[0], language=language),
        high=percent(bounds[1], language=language),
        held=holdout(strata, language),
        best=f"{best}{_NO_BREAK}%",
    )
