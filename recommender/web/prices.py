"""Amounts as a language writes them, by the Unicode CLDR that Babel carries. Pure.

Babel leaves out two rules of CLDR that browsers keep: a space between a number and a currency of
letters, and languages that group from five digits only. Both are here.
"""

import unicodedata
from decimal import Decimal
from functools import lru_cache

from recommender.errors import InvalidInputError
from recommender.shops.money import MINOR_LIMIT, exponent

_FROM_FIVE_DIGITS = frozenset(
    "bg bg-BG es es-ES et et-EE hu hu-HU it it-IT lv lv-LV pl pl-PL pt-PT sl sl-SI".split()
)
"""Languages that write 1234,50 and 12.345,00 (CLDR, minimumGroupingDigits)."""
_FROM_FOUR_DIGITS = frozenset(
    "ar ar-AE cs cs-CZ da da-DK de de-AT de-BE de-DE de-LU el el-GR en en-AU en-CA en-GB en-IE "
    "en-IN en-NZ en-US en-ZA es-419 es-MX fi fi-FI fr fr-BE fr-CA fr-FR fr-LU he he-IL hr hr-HR "
    "ja ja-JP ko ko-KR nb nb-NO nl nl-BE nl-NL pt pt-BR ro ro-RO sk sk-SK sv sv-SE tr tr-TR".split()
)
COMPARED = _FROM_FIVE_DIGITS | _FROM_FOUR_DIGITS
"""With these, prices are the same as a browser's; tests/vectors/prices.json has them."""


def written_price(minor: int, currency: str, language: str) -> str:
    """Write an amount as the language does, empty when it cannot be written."""
    try:
        return _written(minor, currency, language)
    except InvalidInputError:
        return ""


@lru_cache(maxsize=1024)
def price_patterns(currency: str, language: str) -> tuple[str, ...]:
    """Return patterns such as `#.##0,00 €`, shortest first, for whoever has no table of languages.

    An amount takes the first pattern with room for its digits. A `#` that no digit needs leaves,
    with the separator behind it; a `0` stays.

    Args:
        currency: ISO 4217 code.
        language: BCP 47; for those that were never compared with a browser there is no pattern,
            nor for currencies whose last decimals nobody writes, such as IQD.
    """
    from babel.numbers import get_currency_precision

    tag = _tag(language)
    # CLDR writes some currencies without the decimals of ISO 4217, so they would need rounding.
    if tag not in COMPARED or get_currency_precision(currency) != exponent(currency):
        return ()
    long = _pattern(MINOR_LIMIT - 1, currency, tag)
    if tag not in _FROM_FIVE_DIGITS:
        return (long,)
    return (_pattern(_grouped_from(currency) - 1, currency, tag), long)


def _tag(language: str) -> str:
    """Return `en-gb` as `en-GB`: pages write both."""
    spoken, _, territory = language.partition("-")
    return "-".join(filter(None, [spoken.lower(), territory.upper()]))


def _grouped_from(currency: str) -> int:
    return int(10 ** (exponent(currency) + 4))


def _pattern(nines: int, currency: str, tag: str) -> str:
    needed = exponent(currency) + 1
    backwards = _written(nines, currency, tag)[::-1]
    return backwards.replace("9", "0", needed).replace("9", "#")[::-1]


def _written(minor: int, currency: str, tag: str) -> str:
    from babel import Locale
    from babel.numbers import get_currency_symbol, parse_pattern

    locale = Locale.parse(tag, sep="-")
    symbol = get_currency_symbol(currency, locale)
    pattern = parse_pattern(_spaced(locale.currency_formats["standard"].pattern, symbol))
    written = pattern.apply(
        Decimal(minor).scaleb(-exponent(currency)),
        locale,
        currency=currency,
        group_separator=tag not in _FROM_FIVE_DIGITS or minor >= _grouped_from(currency),
    )
    return str(written)


def _spaced(pattern: str, symbol: str) -> str:
    """Put the space of CLDR's currencySpacing where a letter would touch a digit."""
    if _is_letter(symbol[-1]):
        pattern = pattern.replace("¤#", "¤\xa0#")
    return pattern.replace("0¤", "0\xa0¤") if _is_letter(symbol[0]) else pattern


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] not in "SZ"
