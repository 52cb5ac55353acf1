"""Invoice document → the same for machines: a Factur-X file of profile EN 16931. Pure.

The syntax is Cross Industry Invoice (CII D22B); comments name the business terms (BT, BG) of
EN 16931. Every file is checked against its schema before it is used.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lxml import etree

from recommender.billing.invoice import InvoiceDocument, InvoiceKind, Line, Reference
from recommender.billing.vendor import Party
from recommender.errors import InconsistentError
from recommender.shops.money import billing_step, exponent, format_minor

EINVOICE_NAME = "factur-x.xml"
_GUIDELINE = "urn:cen.eu:en16931:2017"
NAMESPACES = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
}
_TYPES = {InvoiceKind.INVOICE: "380", InvoiceKind.CREDIT_NOTE: "381"}
_SERVICES = "S1"
"""Business process of the French mandate: an invoice for services."""
_CREDIT_TRANSFER, _SEPA_TRANSFER = "30", "58"

_Content = str | Sequence["_Node"]
_Node = tuple[str, _Content] | tuple[str, _Content, Mapping[str, str]]


def with_einvoice(document: InvoiceDocument) -> InvoiceDocument:
    """Return the document with its file for machines.

    Raises:
        InconsistentError: `bad-einvoice`, the file breaks its schema; nothing may be issued.
    """
    xml = write_einvoice(document)
    check_schema(xml)
    return replace(document, xml=xml)


def write_einvoice(document: InvoiceDocument) -> bytes:
    """Write the file; equal documents give equal bytes."""
    root = _element(
        (
            "rsm:CrossIndustryInvoice",
            [
                ("rsm:ExchangedDocumentContext", _context()),
                ("rsm:ExchangedDocument", _header(document)),
                ("rsm:SupplyChainTradeTransaction", _transaction(document)),
            ],
        )
    )
    xml: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return xml


def check_schema(xml: bytes) -> None:
    """Stop the money path unless a file fits the schema of Factur-X, profile EN 16931.

    Raises:
        InconsistentError: `bad-einvoice`.
    """
    import facturx

    try:
        facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
    except Exception as error:  # the library raises nothing narrower
        raise InconsistentError(
            f"The e-invoice breaks its schema: {error}", code="bad-einvoice"
        ) from error


def _element(node: _Node) -> Any:
    name, content = node[0], node[1]
    prefix, _, local = name.partition(":")
    element = etree.Element(
        f"{{{NAMESPACES[prefix]}}}{local}",
        attrib=dict(node[2]) if len(node) > 2 else {},
        nsmap=NAMESPACES if name.startswith("rsm:Cross") else None,
    )
    if isinstance(content, str):
        element.text = content
    else:
        element.extend(_element(child) for child in content)
    return element


def _context() -> list[_Node]:
    return [
        ("ram:BusinessProcessSpecifiedDocumentContextParameter", [("ram:ID", _SERVICES)]),  # BT-23
        ("ram:GuidelineSpecifiedDocumentContextParameter", [("ram:ID", _GUIDELINE)]),  # BT-24
    ]


def _header(document: InvoiceDocument) -> list[_Node]:
    late, recovery, no_discount = document.terms
    seller = document.seller
    notes = [("PMD", late), ("PMT", recovery), ("AAB", no_discount)]
    if seller.legal_form:
        about = f"{seller.legal_form} {seller.capital} {seller.register}"
        notes.append(("REG", " ".join(about.split())))
    return [
        ("ram:ID", document.number),  # BT-1
        ("ram:TypeCode", _TYPES[document.kind]),  # BT-3
        ("ram:IssueDateTime", [_date(document.issued_on)]),  # BT-2
        *(
            ("ram:IncludedNote", [("ram:Content", text), ("ram:SubjectCode", code)])  # BG-1
            for code, text in notes
        ),
    ]


def _date(day: dt.date, prefix: str = "udt") -> _Node:
    return (f"{prefix}:DateTimeString", f"{day:%Y%m%d}", {"format": "102"})


def _transaction(document: InvoiceDocument) -> list[_Node]:
    lines = [
        ("ram:IncludedSupplyChainTradeLineItem", _line(document, place, line))  # BG-25
        for place, line in enumerate(document.lines, start=1)
    ]
    delivered = [("ram:OccurrenceDateTime", [_date(document.service_through)])]  # BT-72
    return [
        *lines,
        ("ram:ApplicableHeaderTradeAgreement", _agreement(document)),
        (
            "ram:ApplicableHeaderTradeDelivery",
            [("ram:ActualDeliverySupplyChainEvent", delivered)],
        ),
        ("ram:ApplicableHeaderTradeSettlement", _settlement(document)),
    ]


def _line(document: InvoiceDocument, place: int, line: Line) -> list[_Node]:
    """Return a line: a price is never negative, so what is taken off has quantity −1."""
    minor = line.amount_minor * document.sign
    price = _stated(abs(minor), document.currency)
    vat: list[_Node] = [("ram:TypeCode", "VAT"), ("ram:CategoryCode", document.vat.category)]
    if document.vat.category != "O":
        vat.append(("ram:RateApplicablePercent", _percent(document)))
    total: _Node = ("ram:LineTotalAmount", _stated(minor, document.currency))  # BT-131
    settled: list[_Node] = [
        ("ram:ApplicableTradeTax", vat),
        ("ram:SpecifiedTradeSettlementLineMonetarySummation", [total]),
    ]
    return [
        ("ram:AssociatedDocumentLineDocument", [("ram:LineID", str(place))]),  # BT-126
        ("ram:SpecifiedTradeProduct", [("ram:Name", line.text)]),  # BT-153
        (
            "ram:SpecifiedLineTradeAgreement",
            [("ram:NetPriceProductTradePrice", [("ram:ChargeAmount", price)])],  # BT-146
        ),
        (
            "ram:SpecifiedLineTradeDelivery",
            [("ram:BilledQuantity", "-1" if minor < 0 else "1", {"unitCode": "C62"})],  # BT-129
        ),
        ("ram:SpecifiedLineTradeSettlement", settled),
    ]


def _percent(document: InvoiceDocument) -> str:
    return format_minor(document.vat.rate_bps, "EUR")


def _agreement(document: InvoiceDocument) -> list[_Node]:
    # Rule BR-O-2: no VAT number may stand in an invoice that is outside the scope of VAT.
    with_vat = document.vat.category != "O"
    nodes: list[_Node] = [
        ("ram:SellerTradeParty", list(_party(document.seller, with_vat=with_vat))),
        ("ram:BuyerTradeParty", list(_party(document.buyer, with_vat=with_vat))),
    ]
    reference = document.buyer.order_reference
    if reference:
        nodes.append(
            ("ram:BuyerOrderReferencedDocument", [("ram:IssuerAssignedID", reference)])  # BT-13
        )
    return nodes


def _party(party: Party, *, with_vat: bool) -> Iterator[_Node]:
    yield "ram:Name", party.name  # BT-27, BT-44
    if party.siren:
        identity: list[_Node] = [("ram:ID", party.siren, {"schemeID": "0002"})]  # BT-30, BT-47
        yield "ram:SpecifiedLegalOrganization", identity
    lines = ("ram:LineOne", "ram:LineTwo", "ram:LineThree")
    address: list[_Node] = [
        ("ram:PostcodeCode", party.postcode),
        *zip(lines, _three(party.address), strict=False),
        ("ram:CityName", party.city),
        ("ram:CountryID", party.country),
    ]
    yield "ram:PostalTradeAddress", address  # BG-5, BG-8
    scheme, endpoint = party.endpoint
    yield "ram:URIUniversalCommunication", [("ram:URIID", endpoint, {"schemeID": scheme})]
    if with_vat and party.vat_number:
        tax: list[_Node] = [("ram:ID", party.vat_number, {"schemeID": "VA"})]  # BT-31, BT-48
        yield "ram:SpecifiedTaxRegistration", tax


def _three(address: tuple[str, ...]) -> tuple[str, ...]:
    """Return at most three lines; the third one holds the rest."""
    return (*address[:2], ", ".join(address[2:])) if len(address) > 2 else address


def _settlement(document: InvoiceDocument) -> list[_Node]:
    nodes: list[_Node] = []
    if document.kind is InvoiceKind.INVOICE:
        nodes.append(("ram:PaymentReference", document.number))  # BT-83
    if document.currency != document.seller.currency:
        nodes.append(("ram:TaxCurrencyCode", document.seller.currency))  # BT-6
    nodes.append(("ram:InvoiceCurrencyCode", document.currency))  # BT-5
    if document.kind is InvoiceKind.INVOICE:
        nodes.append(("ram:SpecifiedTradeSettlementPaymentMeans", _payment_means(document)))
    return [
        *nodes,
        ("ram:ApplicableTradeTax", _vat(document)),  # BG-23
        (
            "ram:BillingSpecifiedPeriod",  # BG-14
            [
                ("ram:StartDateTime", [_date(document.service_from)]),
                ("ram:EndDateTime", [_date(document.service_through)]),
            ],
        ),
        ("ram:SpecifiedTradePaymentTerms", _payment_terms(document)),
        ("ram:SpecifiedTradeSettlementHeaderMonetarySummation", _totals(document)),  # BG-22
        *(_reference(reference) for reference in document.references),  # BG-3
    ]


def _payment_terms(document: InvoiceDocument) -> list[_Node]:
    return [
        ("ram:Description", " ".join(document.terms)),  # BT-20
        ("ram:DueDateDateTime", [_date(document.due_on)]),  # BT-9
    ]


def _reference(reference: Reference) -> _Node:
    nodes: list[_Node] = [
        ("ram:IssuerAssignedID", reference.number),
        ("ram:FormattedIssueDateTime", [_date(reference.issued_on, "qdt")]),
    ]
    return "ram:InvoiceReferencedDocument", nodes


def _payment_means(document: InvoiceDocument) -> list[_Node]:
    seller = document.seller
    nodes: list[_Node] = [
        ("ram:TypeCode", _SEPA_TRANSFER if document.currency == "EUR" else _CREDIT_TRANSFER),
        ("ram:PayeePartyCreditorFinancialAccount", [("ram:IBANID", seller.iban)]),  # BT-84
    ]
    if seller.bic:
        nodes.append(
            ("ram:PayeeSpecifiedCreditorFinancialInstitution", [("ram:BICID", seller.bic)])
        )
    return nodes


def _vat(document: InvoiceDocument) -> list[_Node]:
    nodes: list[_Node] = [
        ("ram:CalculatedAmount", _printed(document, document.vat_minor)),  # BT-117
        ("ram:TypeCode", "VAT"),
    ]
    if document.vat_note:
        nodes.append(("ram:ExemptionReason", document.vat_note))  # BT-120
    nodes += [
        ("ram:BasisAmount", _printed(document, document.net_minor)),  # BT-116
        ("ram:CategoryCode", document.vat.category),  # BT-118
    ]
    if document.vat.reason_code:
        nodes.append(("ram:ExemptionReasonCode", document.vat.reason_code))  # BT-121
    if document.vat.category != "O":
        nodes.append(("ram:RateApplicablePercent", _percent(document)))  # BT-119
    return nodes


def _printed(document: InvoiceDocument, minor: int) -> str:
    return _stated(minor * document.sign, document.currency)


def _stated(minor: int, currency: str) -> str:
    """Write an amount with two decimals at most.

    Raises:
        InconsistentError: `bad-einvoice`, it has more; bills are made such that none has.
    """
    if minor % billing_step(currency):
        raise InconsistentError(
            f"{format_minor(minor, currency)} {currency} has more than two decimals",
            code="bad-einvoice",
        )
    text = format_minor(minor, currency)
    return text[: len(text) - max(0, exponent(currency) - 2)]


def _totals(document: InvoiceDocument) -> list[_Node]:
    net, vat = _printed(document, document.net_minor), _printed(document, document.vat_minor)
    gross = _printed(document, document.gross_minor)
    taxes: list[_Node] = [("ram:TaxTotalAmount", vat, {"currencyID": document.currency})]  # BT-110
    books = document.seller.currency
    if document.currency != books:
        # A draft in another currency than the books' carries no VAT: 0 needs no exchange rate.
        none = _stated(0, books)
        taxes.append(("ram:TaxTotalAmount", none, {"currencyID": books}))  # BT-111
    return [
        ("ram:LineTotalAmount", net),  # BT-106
        ("ram:TaxBasisTotalAmount", net),  # BT-109
        *taxes,
        ("ram:GrandTotalAmount", gross),  # BT-112
        ("ram:DuePayableAmount", gross),  # BT-115
    ]
