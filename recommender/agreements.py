"""What shop and vendor agreed: contract and experiment, as every stage reads them."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What a stretch of the experiment is for; see docs/decisions/0023-experiment-design.md."""

    BY_HAND = ""
    """A share that somebody set."""
    A_A = "a_a"
    """Arms are assigned and exposures recorded, and nobody is shown anything: measures nothing but
    the measurement. Never billed."""
    CALIBRATION = "calibration"
    """Half the visitors are held out, so that an effect is proven soonest."""
    RUNNING = "running"
    """The smallest holdout whose planned interval suffices."""


@dataclass(frozen=True, slots=True)
class RateTier:
    """Above `from_minor` of incremental revenue since the contract began, this rate holds."""

    from_minor: int
    rate_bps: int


@dataclass(frozen=True, slots=True)
class Contract:
    """What shop and vendor agreed; a version is never edited.

    Attributes:
        version: 1, 2, … within a shop.
        starts_on: First day it governs, in the shop's time zone.
        rate_bps: Vendor's share of proven incremental revenue, in basis points (1,000 = 10 %).
        policy: `gated_midpoint`, `proven_minimum` or `fair_value`; see billing/pricing.py.
        cap_month_bps: Most the success fee of a month may be, in basis points of treated revenue.
        cap_year_minor: Most the success fees of a contract year may come to; 0 means no such cap.
        order_cap_minor: Revenue of one order above this does not count, in either arm; 0
            means no cap.
        alpha_ppm: Error probability of the interval in parts per million (50,000 = 5 %).
        n_star: Visitors at which the confidence sequence is tightest, fixed before the first
            look.
        tiers: Rates of higher incremental revenue, lowest first; `rate_bps` holds below them.
        cap_year_bps: Most the success fees of a contract year may come to, in basis points of the
            year's treated revenue so far; 0 means no such cap.
        licence_month_minor: Fixed fee of a full month.
        minimum_month_minor: Least that licence and success fee of a month come to together.
        vat_case: `by_country`, or the case that both sides agreed on.
        visitor_month_cap_minor: Revenue above this, of the orders that one visitor places in one
            month, does not count, in either arm; 0 means no cap.
    """

    shop_id: str
    version: int
    starts_on: dt.date
    rate_bps: int
    policy: str
    cap_month_bps: int
    cap_year_minor: int
    order_cap_minor: int
    alpha_ppm: int
    n_star: int
    currency: str
    tiers: tuple[RateTier, ...] = ()
    cap_year_bps: int = 0
    licence_month_minor: int = 0
    minimum_month_minor: int = 0
    vat_case: str = "by_country"
    visitor_month_cap_minor: int = 0


@dataclass(frozen=True, slots=True)
class Stratum:
    """A stretch of the experiment with one salt and one treatment share.

    Attributes:
        phase: A `Phase`: what the stretch is for.
    """

    shop_id: str
    stratum: int
    salt: str
    treatment_share_ppm: int
    starts_at: dt.datetime
    phase: str = Phase.BY_HAND
