"""How many standard errors an interval reaches. Pure; decimals, so every machine agrees.

`Decimal.ln` and `Decimal.sqrt` are correctly rounded, which floating-point logarithms are not: a
bill recomputed elsewhere comes to the same minor unit.
"""

from decimal import Context, Decimal, localcontext
from statistics import NormalDist

PRECISION = Context(prec=40)


def fixed_multiplier(alpha: Decimal) -> Decimal:
    """Return the two-sided normal quantile: right for one look, fixed in advance."""
    return Decimal(repr(round(NormalDist().inv_cdf(1 - float(alpha) / 2), 12)))


def sequence_multiplier(n: int, *, alpha: Decimal, n_star: int) -> Decimal:
    """Return the half width of the confidence sequence in standard errors, after n visitors.

    The interval estimate ± multiplier × standard error holds at all looks together.

    Args:
        n: Visitors so far, both arms, at least 1.
        alpha: Error probability over all looks.
        n_star: Visitors at which the sequence is tightest, fixed before the first look.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, arXiv 2103.06476, theorem 2.2 with
    ρ² = (−2 ln α + ln(1 − 2 ln α)) / n*; in units of the standard error
    √(2 (q+1)/q · ln(√(q+1)/α)) with q = n ρ².
    """
    with localcontext(PRECISION):
        log_alpha = alpha.ln()
        rho_squared = (-2 * log_alpha + (1 - 2 * log_alpha).ln()) / n_star
        q = n * rho_squared
        return (2 * (q + 1) / q * ((q + 1).sqrt() / alpha).ln()).sqrt()
