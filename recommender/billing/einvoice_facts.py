"""What an invoice's file for machines says, read back to be compared with page and evidence. Pure.

The file comes from whoever asks for a check: entities and network are off.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lxml import etree

from recommender.billing.einvoice import NAMESPACES
from recommender.errors import InvalidInputError
from recommender.shops.money import parse_minor

CREDIT_NOTE = "381"
_AGREEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeAgreement"
_SETTLEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
_TOTALS = f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_LINE = (
    "rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem/"
    "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/"
    "ram:LineTotalAmount"
)


@dataclass(frozen=True, slots=True)
class StatedParty:
    """Seller or buyer; what is not stated is empty."""

    name: str
    country: str
    siren: str
    vat_number: str


@dataclass(frozen=True, slots=True)
class EInvoice:
    """What the file states; amounts of a credit note are positive."""

    number: str
    type_code: str
    issued_on: dt.date
    due_on: dt.date
    service_from: dt.date
    service_through: dt.date
    currency: str
    seller: StatedParty
    buyer: StatedParty
    lines_minor: tuple[int, ...]
    net_minor: int
    vat_minor: int
    gross_minor: int
    vat_category: str
    vat_rate_bps: int
    references: tuple[str, ...]

    @property
    def sign(self) -> int:
        """Return what turns the amounts into those of the books."""
        return -1 if self.type_code == CREDIT_NOTE else 1


def read_einvoice(xml: bytes) -> EInvoice:
    """Read the file.

    Raises:
        InvalidInputError: `bad-evidence`, it is not one of this service's.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return _facts(_Tree(etree.fromstring(xml, parser)))
    except (
        etree.XMLSyntaxError,
        InvalidInputError,
        ValueError,
        LookupError,
        TypeError,
    ) as error:
        raise InvalidInputError(
            f"The e-invoice cannot be read: {error}", code="bad-evidence"
        ) from error


class _Tree:
    """Texts of an XML tree by path."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def all(self, path: str) -> list[str]:
        return [element.text or "" for element in self._root.findall(path, NAMESPACES)]

    def one(self, path: str) -> str:
        return self.all(path)[0]

    def maybe(self, path: str) -> str:
        return next(iter(self.all(path)), "")

    def day(self, path: str) -> dt.date:
        return dt.datetime.strptime(self.one(f"{path}/udt:DateTimeString"), "%Y%m%d").date()  # noqa: DTZ007


def _facts(tree: _Tree) -> EInvoice:
    currency = tree.one(f"{_SETTLEMENT}/ram:InvoiceCurrencyCode")
    vat, period = (
        f"{_SETTLEMENT}/ram:ApplicableTradeTax",
        f"{_SETTLEMENT}/ram:BillingSpecifiedPeriod",
    )

    def minor(path: str) -> int:
        return parse_minor(tree.one(path), currency)

    rate = tree.maybe(f"{vat}/ram:RateApplicablePercent")
    return EInvoice(
        number=tree.one("rsm:ExchangedDocument/ram:ID"),
        type_code=tree.one("rsm:ExchangedDocument/ram:TypeCode"),
        issued_on=tree.day("rsm:ExchangedDocument/ram:IssueDateTime"),
        due_on=tree.day(f"{_SETTLEMENT}/ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime"),
        service_from=tree.day(f"{period}/ram:StartDateTime"),
        service_through=tree.day(f"{period}/ram:EndDateTime"),
        currency=currency,
        seller=_party(tree, f"{_AGREEMENT}/ram:SellerTradeParty"),
        buyer=_party(tree, f"{_AGREEMENT}/ram:BuyerTradeParty"),
        lines_minor=tuple(parse_minor(text, currency) for text in tree.all(_LINE)),
        net_minor=minor(f"{_TOTALS}/ram:TaxBasisTotalAmount"),
        vat_minor=minor(f"{_TOTALS}/ram:TaxTotalAmount"),
        gross_minor=minor(f"{_TOTALS}/ram:GrandTotalAmount"),
        vat_category=tree.one(f"{vat}/ram:CategoryCode"),
        vat_rate_bps=parse_minor(rate or "0", "EUR"),
        references=tuple(
            tree.all(f"{_SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID")
        ),
    )


def _party(tree: _Tree, path: str) -> StatedParty:
    return StatedParty(
        name=tree.one(f"{path}/ram:Name"),
        country=tree.one(f"{path}/ram:PostalTradeAddress/ram:CountryID"),
        siren=tree.maybe(f"{path}/ram:SpecifiedLegalOrganization/ram:ID"),
        vat_number=tree.maybe(f"{path}/ram:SpecifiedTaxRegistration/ram:ID"),
    )
