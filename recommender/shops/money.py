"""Amounts of money: decimal text ↔ whole numbers of the currency's minor unit. Pure.

In comes what shops write ("12.50", 12.5, 12); out goes an exact integer, or an error that says
what is wrong. Only `round_minor` rounds, for totals that a platform keeps finer than money is.
"""

import math
import re
from decimal import ROUND_HALF_UP, Decimal

from recommender.errors import InvalidInputError

MINOR_LIMIT = 10**15
"""Amounts reach less than this, so that sums over a shop's life fit in 64 bits."""

# ISO 4217 list one: the currencies whose minor unit is not a hundredth.
_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: places for places, codes in _BY_EXPONENT.items() for code in codes.split()}
_CURRENCY = re.compile(r"[A-Z]{3}")
# 28 digits at most: as many as Python's decimals calculate with exactly.
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,10})?")


def exponent(currency: str) -> int:
    """Return the number of decimals a currency has, 2 for most.

    Raises:
        InvalidInputError: `bad-currency`, not three capital letters.
    """
    if not _CURRENCY.fullmatch(currency):
        raise InvalidInputError(
            f"{currency[:20]!r} is not a currency code such as EUR", code="bad-currency"
        )
    return _EXPONENTS.get(currency, 2)


def billing_step(currency: str) -> int:
    """Return the smallest amount an invoice can state, in minor units.

    EN 16931 knows two decimals (rules BR-DEC), so that dinars are billed in steps of 0.010 KWD.
    """
    return int(10 ** max(0, exponent(currency) - 2))


def parse_minor(amount: object, currency: str) -> int:
    """Read an amount in major units ("12.50" EUR) as whole minor units (1250).

    Args:
        amount: Decimal text with a point, an integer, a `Decimal`, or a JSON number. A float
            counts as its shortest decimal text, which is what the sender wrote.
        currency: ISO 4217 code; decides how many decimals are allowed. Zeros behind them are
            accepted, for shops that write "12.500000".

    Raises:
        InvalidInputError: `bad-amount` when it is no number, `too-many-decimals` when minor
            units cannot express it, `amount-too-large`, or `bad-currency`.
    """
    places = exponent(currency)
    scaled = parse_decimal(amount).scaleb(places)
    if abs(scaled) >= MINOR_LIMIT:
        raise InvalidInputError("the amount is too large to be meant", code="amount-too-large")
    minor = int(scaled)
    if minor != scaled:
        raise InvalidInputError(
            f"{currency} has {places} decimals, {str(amount)[:40]} has more",
            code="too-many-decimals",
        )
    return minor


def format_minor(minor: int, currency: str) -> str:
    """Write minor units as decimal text without the currency: 1250 EUR → "12.50"."""
    return f"{Decimal(minor).scaleb(-exponent(currency)):f}"


def round_minor(amount: Decimal, currency: str) -> int:
    """Return an exact amount in major units as minor units, halves away from zero.

    Platforms keep taxes and discounts of a line with more decimals than the currency has; only
    their sum is money.

    Raises:
        InvalidInputError: `amount-too-large`, or `bad-currency`.
    """
    scaled = amount.scaleb(exponent(currency))
    if abs(scaled) >= MINOR_LIMIT:
        raise InvalidInputError("the amount is too large to be meant", code="amount-too-large")
    return int(scaled.quantize(Decimal(1), ROUND_HALF_UP))


def parse_decimal(amount: object) -> Decimal:
    """Read an amount in major units exactly, however many decimals it has (ten at most).

    Raises:
        InvalidInputError: `bad-amount`.
    """
    if isinstance(amount, float) and math.isfinite(amount):
        amount = Decimal(repr(amount))
    if isinstance(amount, Decimal) and amount.is_finite() and abs(amount.adjusted()) < 20:
        return _from_text(f"{amount:f}")
    if isinstance(amount, int) and not isinstance(amount, bool) and abs(amount) < 10**18:
        return Decimal(amount)
    if isinstance(amount, str):
        return _from_text(amount.strip())
    raise InvalidInputError("an amount is decimal text or a number", code="bad-amount")


def _from_text(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise InvalidInputError(f"{text[:40]!r} is not an amount such as 12.50", code="bad-amount")
    return Decimal(text)
