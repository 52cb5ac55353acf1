"""What people write about a legal entity or a buyer → records, every fault at once. Pure.

Number formats and check digits of registers, VAT, IBAN and BIC are python-stdnum's.
"""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

import stdnum
import stdnum.bic
import stdnum.eu.vat
import stdnum.fr.siren
import stdnum.fr.siret
import stdnum.iban

from recommender.billing.vendor import EU, Buyer, LegalEntity, Party
from recommender.errors import InvalidInputError
from recommender.shops.money import exponent

LANGUAGES = ("en", "fr")
_Kind = TypeVar("_Kind", LegalEntity, Buyer)
_TEXT_LIMIT = 200
_COUNTRY = re.compile(r"[A-Z]{2}")
_ENTITY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PREFIX = re.compile(r"[A-Z0-9][A-Z0-9-]{0,9}|")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ENDPOINT = re.compile(r"(EM|[0-9]{4}):\S{1,125}")


def read_party(kind: type[_Kind], values: Mapping[str, Any]) -> _Kind:
    """Return a legal entity or buyer from names and values, written the usual ways.

    Raises:
        InvalidInputError: `bad-party`, says everything that is wrong.
    """
    known = {field.name: field for field in fields(kind)}
    faults = [f"{name} is not known" for name in values if name not in known]
    taken = {}
    for name, value in values.items():
        if name in known:
            default = known[name].default
            taken[name] = _plain(name, value, default, faults)
    if faults:
        raise _refused(faults)
    party: _Kind = _tidy(kind(**taken))
    faults = [*_party_faults(party), *_own_faults(party)]
    if faults:
        raise _refused(faults)
    return party


def party_details(party: LegalEntity | Buyer) -> dict[str, Any]:
    """Return names and values for storage; `stored_party` reads them back."""
    return asdict(party) | {"address": list(party.address)}


def stored_party(kind: type[_Kind], details: Mapping[str, Any]) -> _Kind:
    """Return what `party_details` gave."""
    return kind(**(dict(details) | {"address": tuple(details["address"])}))


def _refused(faults: list[str]) -> InvalidInputError:
    return InvalidInputError("; ".join(faults), code="bad-party")


def _plain(name: str, value: Any, default: Any, faults: list[str]) -> Any:
    if isinstance(default, tuple):
        lines = [value] if isinstance(value, str) else value
        if isinstance(lines, list | tuple) and all(_is_text(line) for line in lines):
            return tuple(line.strip() for line in lines if line.strip())
        faults.append(f"{name} is a list of lines")
    elif isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000:
            return value
        faults.append(f"{name} is a whole number")
    elif _is_text(value):
        return value.strip()
    else:
        faults.append(f"{name} is a text of at most {_TEXT_LIMIT} characters on one line")
    return default


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT_LIMIT and value.isprintable()


def _tidy(party: _Kind) -> _Kind:
    """Take spaces out of numbers, and fill in what follows from another."""
    values = party_details(party)
    for name in ("siren", "siret", "vat_number", "iban", "bic"):
        if values.get(name):
            values[name] = re.sub(r"[\s.-]", "", values[name]).upper()
    if values["siret"] and not values["siren"]:
        values["siren"] = values["siret"][:9]
    return stored_party(type(party), values)


def _party_faults(party: Party) -> list[str]:
    rules: dict[str, bool] = {
        "country is two capital letters (ISO 3166)": bool(_COUNTRY.fullmatch(party.country)),
        f"language is one of {', '.join(LANGUAGES)}": party.language in LANGUAGES,
        "siren is not a valid SIREN": _is_valid(party.siren, stdnum.fr.siren.is_valid),
        "siret is not a valid SIRET of this SIREN": _is_valid(party.siret, stdnum.fr.siret.is_valid)
        and party.siret[:9] in {"", party.siren},
        f"vat_number is not a valid VAT number of {party.country}": _is_valid(
            party.vat_number, lambda number: _is_vat_number(number, party.country)
        ),
        "email is not an e-mail address": _is_valid(
            party.email, lambda text: bool(_EMAIL.fullmatch(text))
        ),
        "electronic_address is SCHEME:ADDRESS, for example 0225:123456789": _is_valid(
            party.electronic_address, lambda text: bool(_ENDPOINT.fullmatch(text))
        ),
    }
    return [fault for fault, holds in rules.items() if not holds]


def _own_faults(party: LegalEntity | Buyer) -> list[str]:
    rules = {
        "entity_id is small letters, digits and hyphens": bool(
            _ENTITY_ID.fullmatch(party.entity_id)
        )
    }
    if isinstance(party, LegalEntity):
        rules |= {
            "country of a seller is a member state of the EU": party.country in EU,
            "iban is not a valid IBAN": _is_valid(party.iban, stdnum.iban.is_valid),
            "bic is not a valid BIC": _is_valid(party.bic, stdnum.bic.is_valid),
            "series_prefix is at most 10 capital letters, digits and hyphens": bool(
                _PREFIX.fullmatch(party.series_prefix)
            ),
            "timezone is a name like Europe/Paris": party.timezone
            in zoneinfo.available_timezones(),
            "currency is three capital letters (ISO 4217)": _is_currency(party.currency),
            "vat_rate_bps is at most 10000": party.vat_rate_bps <= 10_000,
            # Directive 2011/7/EU, article 3: between companies.
            "payment_days is at most 60": party.payment_days <= 60,
        }
    return [fault for fault, holds in rules.items() if not holds]


def _is_valid(text: str, rule: Callable[[str], bool]) -> bool:
    return not text or rule(text)


def _is_vat_number(number: str, country: str) -> bool:
    if country in EU:
        prefix = {"GR": "EL"}.get(country, country)
        return number.startswith(prefix) and bool(stdnum.eu.vat.is_valid(number))
    module = stdnum.get_cc_module(country.lower(), "vat") if country else None
    return module is None or bool(module.is_valid(number))


def _is_currency(code: str) -> bool:
    try:
        exponent(code)
    except InvalidInputError:
        return False
    return True
