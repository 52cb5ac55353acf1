from dataclasses import replace
from typing import Any

import pytest

from money_world import BUYER
from recommender.billing.parties import Parties
from recommender.billing.party_fields import party_details, read_party, stored_party
from recommender.billing.vendor import VENDOR, Buyer, LegalEntity, missing_details
from recommender.errors import InvalidInputError

DETAILS = party_details(BUYER)
SELLER = party_details(VENDOR)


def faults(kind: Any, **changes: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read_party(kind, (SELLER if kind is LegalEntity else DETAILS) | changes)
    assert caught.value.code == "bad-party"
    return str(caught.value)


def test_what_is_stored_is_read_back() -> None:
    assert read_party(Buyer, DETAILS) == BUYER == stored_party(Buyer, DETAILS)
    assert read_party(LegalEntity, SELLER) == VENDOR == stored_party(LegalEntity, SELLER)


def test_numbers_may_be_written_as_people_write_them() -> None:
    told = DETAILS | {
        "siren": "",
        "siret": "732 829 320 00074",
        "vat_number": "fr 44 732 829 320",
        "address": "2 rue du Test",
    }
    party = read_party(Buyer, told)
    assert (party.siren, party.siret) == ("732829320", "73282932000074")
    assert party.vat_number == "FR44732829320"
    assert party.address == ("2 rue du Test",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"siren": "732829321"}, "siren is not a valid SIREN"),  # a wrong check digit
        ({"siret": "73282932000075"}, "siret is not a valid SIRET"),
        ({"vat_number": "FR45732829320"}, "not a valid VAT number of FR"),
        ({"vat_number": "DE136695976"}, "not a valid VAT number of FR"),
        ({"country": "France"}, "country is two capital letters"),
        ({"language": "de"}, "language is one of en, fr"),
        ({"email": "nobody"}, "email is not an e-mail address"),
        ({"electronic_address": "732829320"}, "electronic_address is SCHEME:ADDRESS"),
        ({"entity_id": "Demo SAS"}, "entity_id is small letters"),
        ({"colour": "red"}, "colour is not known"),
        ({"name": "two\nlines"}, "name is a text"),
        ({"address": 7}, "address is a list of lines"),
    ],
)
def test_every_fault_of_a_buyer_is_named(changes: dict[str, Any], words: str) -> None:
    assert words in faults(Buyer, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iban": "FR7630006000011234567890188"}, "iban is not a valid IBAN"),
        ({"bic": "AGRI"}, "bic is not a valid BIC"),
        ({"series_prefix": "f"}, "series_prefix is at most 10"),
        ({"series_prefix": "F/"}, "series_prefix is at most 10"),
        ({"timezone": "Paris"}, "timezone is a name"),
        ({"currency": "euro"}, "currency is three capital letters"),
        ({"country": "US", "siren": "", "siret": "", "vat_number": ""}, "member state of the EU"),
        ({"payment_days": 61}, "payment_days is at most 60"),
        ({"payment_days": "30"}, "payment_days is a whole number"),
        ({"vat_rate_bps": 20_000}, "vat_rate_bps is at most"),
    ],
)
def test_every_fault_of_a_seller_is_named(changes: dict[str, Any], words: str) -> None:
    assert words in faults(LegalEntity, **changes)


def test_all_faults_are_named_at_once() -> None:
    said = faults(Buyer, siren="1", email="x", language="xx")
    assert said.count(";") == 2


def test_numbers_of_other_countries_have_their_own_rules() -> None:
    greek = {"country": "GR", "vat_number": "EL094259216", "siren": ""}
    assert read_party(Buyer, DETAILS | greek).vat_number == "EL094259216"
    british = {"country": "GB", "vat_number": "GB980780684", "siren": ""}
    assert read_party(Buyer, DETAILS | british).vat_number == "GB980780684"
    assert "of GB" in faults(Buyer, country="GB", vat_number="GB980780685", siren="")


@pytest.mark.parametrize(
    ("buyer", "missing"),
    [
        (BUYER, []),
        (replace(BUYER, siren=""), ["buyer: siren"]),
        (replace(BUYER, vat_number=""), ["buyer: vat_number"]),
        (replace(BUYER, country="DE", siren="", vat_number=""), ["buyer: vat_number"]),
        (replace(BUYER, country="CH", siren="", vat_number=""), []),
        (
            replace(BUYER, country="CH", siren="", vat_number="", email="", city="", address=()),
            ["buyer: address", "buyer: city", "buyer: email"],
        ),
    ],
)
def test_what_an_invoice_lacks_is_named(buyer: Buyer, missing: list[str]) -> None:
    assert missing_details(VENDOR, buyer) == missing
    if missing:
        with pytest.raises(InvalidInputError) as caught:
            Parties(VENDOR, buyer).complete("shop_1")
        assert caught.value.code == "billing-details-missing"
        assert all(name in str(caught.value) for name in missing)


def test_a_seller_needs_what_the_law_prints() -> None:
    bare = LegalEntity(entity_id="x", country="FR", name="X SAS")
    missing = missing_details(bare, BUYER)
    for name in ("vat_number", "siren", "legal_form", "capital", "register", "iban", "address"):
        assert f"seller: {name}" in missing
    with pytest.raises(InvalidInputError, match="recommender entity set"):
        Parties().complete("shop_1")


def test_electronic_addresses_follow_from_what_is_known() -> None:
    assert BUYER.endpoint == ("0225", "732829320")
    assert replace(BUYER, siren="").endpoint == ("EM", BUYER.email)
    assert replace(BUYER, electronic_address="0088:123").endpoint == ("0088", "123")
    assert Buyer().endpoint == ("", "")
