"""Compare an invoice's e-invoice with the page around it and the evidence under it. Pure."""

from collections.abc import Iterator

from recommender.billing import wording
from recommender.billing.einvoice import EINVOICE_NAME, check_schema
from recommender.billing.einvoice_facts import EInvoice, StatedParty, read_einvoice
from recommender.billing.evidence import Evidence
from recommender.billing.invoice import vat_amount
from recommender.billing.invoice_file import InvoiceFile
from recommender.billing.phrases import PHRASES
from recommender.billing.statement import sha256
from recommender.billing.vendor import LegalEntity, vat_for
from recommender.errors import InconsistentError, InvalidInputError

Finding = tuple[str, list[str], str]
"""Name of a check, its faults, and what is said when there is none."""


def check_einvoice(file: InvoiceFile, evidence: Evidence, due_minor: int) -> Iterator[Finding]:
    """Yield what was compared.

    Args:
        due_minor: Amount without VAT, recomputed from the evidence; negative is a credit.

    Raises:
        InvalidInputError: `bad-evidence`, the e-invoice cannot be read.
    """
    xml = file.attachments[EINVOICE_NAME]
    stated = read_einvoice(xml)
    yield "e-invoice", list(_file_faults(file, xml)), f"{EINVOICE_NAME} fits its schema and page"
    net, vat, gross = _totals(stated)
    between = f"from {stated.seller.country} to {stated.buyer.country}"
    yield (
        "amounts",
        [*_amount_faults(stated, due_minor), *_page_faults(file, stated)],
        f"net {net}, VAT {vat}, total {gross}: evidence, page and e-invoice agree",
    )
    yield (
        "vat",
        list(_vat_faults(stated, evidence)),
        f"category {stated.vat_category} at {wording.rate(stated.vat_rate_bps)}, {between}",
    )
    yield (
        "parties",
        list(_party_faults(file, stated, evidence)),
        f"{stated.seller.name} bills {stated.buyer.name}; number and dates agree",
    )


def _file_faults(file: InvoiceFile, xml: bytes) -> Iterator[str]:
    digest = sha256(xml)
    if not file.prints(digest):
        yield f"SHA-256 of {EINVOICE_NAME} is {digest}, which is not printed on the invoice"
    try:
        check_schema(xml)
    except InconsistentError as error:
        yield str(error)


def _totals(stated: EInvoice) -> list[str]:
    amounts = (stated.net_minor, stated.vat_minor, stated.gross_minor)
    return [wording.amount(minor, stated.currency) for minor in amounts]


def _amount_faults(stated: EInvoice, due_minor: int) -> Iterator[str]:
    vat_minor = vat_amount(stated.net_minor, stated.vat_rate_bps, stated.currency)
    comparisons = (
        ("net amount", stated.net_minor * stated.sign, due_minor),
        ("sum of the lines", sum(stated.lines_minor), stated.net_minor),
        ("VAT", stated.vat_minor, vat_minor),
        ("total", stated.gross_minor, stated.net_minor + stated.vat_minor),
    )
    for name, told, wanted in comparisons:
        if told != wanted:
            have, want = (wording.amount(minor, stated.currency) for minor in (told, wanted))
            yield f"{name} of the e-invoice is {have}, it should be {want}"


def _page_faults(file: InvoiceFile, stated: EInvoice) -> Iterator[str]:
    """Name the totals that the page does not print beside their labels, in any language."""
    absent = {language: _absent(file, stated, language) for language in PHRASES}
    fewest = min(absent.values(), key=len)
    yield from (f"not printed on the invoice: {words}" for words in fewest)


def _absent(file: InvoiceFile, stated: EInvoice, language: str) -> list[str]:
    def labelled(label: str, minor: int) -> str:
        return f"{label} {wording.amount(minor, stated.currency, language)}"

    rate = wording.rate(stated.vat_rate_bps, language)
    gross = wording.phrase("to-pay" if stated.sign > 0 else "to-you", language)
    wanted = (
        labelled(wording.phrase("net", language), stated.net_minor),
        labelled(wording.phrase("vat", language, rate=rate), stated.vat_minor),
        labelled(gross, stated.gross_minor),
    )
    return [words for words in wanted if not file.prints(words)]


def _vat_faults(stated: EInvoice, evidence: Evidence) -> Iterator[str]:
    seller = LegalEntity(country=stated.seller.country, vat_rate_bps=stated.vat_rate_bps)
    try:
        rule = vat_for(stated.buyer.country, seller, evidence.contract.vat_case)
    except InvalidInputError as error:
        yield str(error)
        return
    if (rule.category, rule.rate_bps) != (stated.vat_category, stated.vat_rate_bps):
        yield (
            f"from {stated.seller.country} to {stated.buyer.country} the category is "
            f"{rule.category}, the e-invoice has {stated.vat_category}"
        )
    if rule.category == "S" and not stated.vat_rate_bps:
        yield "the standard rate is 0"
    if rule.category == "AE" and not (stated.seller.vat_number and stated.buyer.vat_number):
        yield "reverse charge needs both VAT numbers"


def _party_faults(file: InvoiceFile, stated: EInvoice, evidence: Evidence) -> Iterator[str]:
    for side, party in (("seller", stated.seller), ("buyer", stated.buyer)):
        yield from (
            f"{side}: {words} is not printed" for words in _words(party) if not file.prints(words)
        )
    if not file.prints(stated.number):
        yield f"number {stated.number} is not printed"
    days = {"issued": stated.issued_on}
    if stated.sign > 0:
        days["due"] = stated.due_on
    for name, day in days.items():
        if not any(file.prints(wording.day(day, language)) for language in PHRASES):
            yield f"day {name} {day} is not printed"
    if stated.currency != evidence.contract.currency:
        yield f"currency is {stated.currency}, the contract's is {evidence.contract.currency}"
    first_day = max(evidence.month.first_day, evidence.contract.starts_on)
    if (stated.service_from, stated.service_through) != (first_day, evidence.through):
        yield (
            f"service period is {stated.service_from} to {stated.service_through}, the evidence's "
            f"is {first_day} to {evidence.through}"
        )
    yield from (
        f"reference {number} is not printed"
        for number in stated.references
        if not file.prints(number)
    )


def _words(party: StatedParty) -> list[str]:
    return [words for words in (party.name, party.siren, party.vat_number) if words]
