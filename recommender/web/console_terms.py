"""A contract's terms in plain words. Pure."""

from decimal import Decimal

from recommender.billing import wording
from recommender.records import Contract

BASES = {
    "gated_midpoint": "the middle between proven minimum and best estimate",
    "proven_minimum": "the proven minimum",
    "fair_value": "the best estimate",
}
"""What the rate is applied to, by policy."""
POLICY_NAMES = {
    "gated_midpoint": "Prudent middle",
    "proven_minimum": "Proven minimum",
    "fair_value": "Fair value",
}
POLICY_NOTES = {
    "gated_midpoint": "between minimum and estimate, once proven",
    "proven_minimum": "the lower end of the interval",
    "fair_value": "the best estimate, once proven",
}
_POLICIES = {
    "gated_midpoint": (
        "Nothing is due until the effect’s interval excludes “no difference” at a month’s end. "
        "From then on the fee so far is the rate times the middle between proven minimum and best "
        "estimate. It is not lowered within a contract year; at the year’s end it is settled, by a "
        "credit note if too much was billed."
    ),
    "proven_minimum": (
        "The fee so far is the rate times the lower end of the effect’s interval: what is proven "
        "and nothing more. What was billed is not given back; later months make up for it."
    ),
    "fair_value": (
        "Nothing is due until the effect’s interval excludes “no difference” at a month’s end. "
        "From then on the fee so far is the rate times the best estimate, settled at the year’s "
        "end, by a credit note if too much was billed."
    ),
}


_IN_A_MONTH = ": what a visitor’s orders of one month count at most together, in both groups"


def money(minor: int, currency: str) -> str:
    """Write an amount with a true minus sign, on one line."""
    return wording.amount(minor, currency).replace("-", "−").replace(" ", "\u00a0")


def rate_words(contract: Contract) -> str:
    """Write the vendor's share of the additional revenue, with its tiers."""
    tiers = [
        f"{wording.rate(tier.rate_bps)} above {wording.amount(tier.from_minor, contract.currency)}"
        for tier in contract.tiers
    ]
    return ", ".join([wording.rate(contract.rate_bps), *tiers])


def licence_words(contract: Contract) -> str:
    """Write what is due whatever was proven; empty when nothing is."""
    parts = []
    if contract.licence_month_minor:
        fee = wording.amount(contract.licence_month_minor, contract.currency)
        parts.append(f"a licence fee of {fee} a month")
    if contract.minimum_month_minor:
        least = wording.amount(contract.minimum_month_minor, contract.currency)
        parts.append(f"{least} a month at least, licence and success fee together")
    return "; ".join(parts)


def certainty_words(contract: Contract) -> str:
    """Write the probability that an interval holds: "95 %"."""
    return f"{Decimal(1_000_000 - contract.alpha_ppm) / 10_000:.10g}\u00a0%"


def year_cap_words(contract: Contract) -> str:
    """Write the most a contract year's success fees may come to."""
    caps = []
    if contract.cap_year_minor:
        caps.append(wording.amount(contract.cap_year_minor, contract.currency))
    if contract.cap_year_bps:
        caps.append(f"{wording.rate(contract.cap_year_bps)} of the year’s treated revenue")
    return " and ".join(caps) or "none"


def terms(contract: Contract) -> list[tuple[str, str]]:
    """Return the terms as pairs of name and sentence."""

    def money(minor: int) -> str:
        return wording.amount(minor, contract.currency)

    above = "what is above it is carried to later months"
    visitors = f"{contract.n_star:,}"
    return [
        ("In force from", wording.day(contract.starts_on)),
        ("Rate", f"{rate_words(contract)} of the additional revenue that is billed"),
        ("Fixed fee", licence_words(contract) or "none: while nothing is proven, nothing is due"),
        ("Policy", _POLICIES[contract.policy]),
        (
            "Cap per month",
            f"{wording.rate(contract.cap_month_bps)} of the month’s treated revenue; {above}",
        ),
        (
            "Cap per year",
            year_cap_words(contract),
        ),
        (
            "Cap per order",
            f"an order counts {money(contract.order_cap_minor)} at most, in both groups"
            if contract.order_cap_minor
            else "none: an order counts in full",
        ),
        *(
            [("Cap per visitor", f"{money(contract.visitor_month_cap_minor)}{_IN_A_MONTH}")]
            if contract.visitor_month_cap_minor
            else []
        ),
        (
            "Certainty",
            f"{certainty_words(contract)} at all looks together, tightest at {visitors} visitors",
        ),
        ("Currency", contract.currency),
    ]
