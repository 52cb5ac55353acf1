"""What the invoice's template prints: texts only, in the buyer's language. Pure."""

import datetime as dt
import functools
from collections.abc import Iterator
from typing import Any

from recommender.billing import wording
from recommender.billing.invoice import InvoiceDocument, InvoiceKind
from recommender.billing.statement import sha256
from recommender.billing.vendor import Buyer, LegalEntity, Party

_SUMMED = ("visitors", "orders", "converted", "revenue_minor")


def invoice_view(document: InvoiceDocument) -> dict[str, Any]:
    """Return the template's variables; `t` gives the catalogue's texts."""
    language, statement = document.buyer.language, document.statement
    t = functools.partial(wording.phrase, language=language)
    contract = statement["contract"]
    is_credit = document.kind is InvoiceKind.CREDIT_NOTE
    return {
        "t": t,
        "language": language,
        "document": document,
        "title": t("credit-note" if is_credit else "invoice"),
        "parties": [
            (t("from"), document.seller.name, list(_lines(document.seller, t))),
            (t("to"), document.buyer.name, list(_lines(document.buyer, t))),
        ],
        "facts": list(_facts(document, t)),
        "lines": [_line(document, line.text, line.amount_minor) for line in document.lines],
        "totals": [
            (t("net"), _money(document, document.net_minor)),
            (
                t("vat", rate=wording.rate(document.vat.rate_bps, language)),
                _money(document, document.vat_minor),
            ),
        ],
        "gross": (t("to-you" if is_credit else "to-pay"), _money(document, document.gross_minor)),
        "notes": [t(contract["policy"]), document.explanation, document.vat_note],
        "fees": _fees(document, t),
        "gained": _gained(document, t),
        "groups": _groups(document, t),
        "measured": t("measured", day=_day(contract["starts_on"], language)),
        "terms": list(_terms(document, t)),
        "hashes": (
            (t("statement-hash"), document.statement_sha256),
            (t("evidence-hash"), statement["evidence_sha256"]),
            (t("xml-hash"), sha256(document.xml)),
            (t("salt"), ", ".join(stratum["salt"] for stratum in statement["strata"])),
            *_ledger(statement, t),
        ),
    }


def _ledger(statement: dict[str, Any], t: Any) -> Iterator[tuple[str, str]]:
    if "ledger" in statement:
        end = statement["ledger"]
        yield t("ledger-end", sequence=str(end["sequence"])), end["entry_hash"]


def _day(text: str, language: str) -> str:
    return wording.day(dt.date.fromisoformat(text), language)


def _money(document: InvoiceDocument, minor: int) -> str:
    return wording.amount(minor * document.sign, document.currency, document.buyer.language)


def _plain(document: InvoiceDocument, minor: int) -> str:
    return wording.amount(minor, document.currency, document.buyer.language)


def _lines(party: Party, t: Any) -> Iterator[str]:
    yield from party.address
    yield f"{party.postcode} {party.city}, {party.country}"
    if isinstance(party, LegalEntity) and party.legal_form:
        yield t("capital", form=party.legal_form, capital=party.capital)
    if isinstance(party, LegalEntity) and party.register:
        yield f"{party.register} {party.siren}"
    for name, number in (("siret", party.siret), ("vat-number", party.vat_number)):
        if number:
            yield t(name, number=number)
    if isinstance(party, Buyer) and party.siren:
        yield t("siren", number=party.siren)


def _facts(document: InvoiceDocument, t: Any) -> Iterator[tuple[str, str]]:
    language = document.buyer.language
    yield t("issued"), wording.day(document.issued_on, language)
    yield t("period"), wording.period(document.service_from, document.service_through, language)
    if document.kind is InvoiceKind.INVOICE:
        yield t("due"), wording.day(document.due_on, language)
    for reference in document.references:
        day = wording.day(reference.issued_on, language)
        yield t("corrects"), t("of-day", number=reference.number, day=day)
    if document.buyer.order_reference:
        yield t("order-reference"), document.buyer.order_reference
    yield t("category"), t("services")


def _line(document: InvoiceDocument, text: str, minor: int) -> tuple[str, str, str, str]:
    shown = minor * document.sign
    price = _plain(document, abs(minor))
    return text, "−1" if shown < 0 else "1", price, _plain(document, shown)


def _terms(document: InvoiceDocument, t: Any) -> Iterator[str]:
    if document.kind is InvoiceKind.INVOICE:
        seller = document.seller
        yield t("pay-to", iban=seller.iban, bic=seller.bic, number=document.number)
        yield from document.terms


def _fees(document: InvoiceDocument, t: Any) -> list[tuple[str, str, str]]:
    fees = document.statement["fees"]
    return [
        (t(name), _plain(document, fees[key]), t(f"{name}-note"))
        for name, key in (
            ("ours", "ours_minor"),
            ("proven", "proven_minimum_minor"),
            ("best", "best_estimate_minor"),
            ("last-click", "last_click_minor"),
        )
    ]


def _gained(document: InvoiceDocument, t: Any) -> str:
    """Return the additional revenue with its interval in words; empty without an estimate."""
    estimate = document.statement["estimate"]
    if estimate is None:
        return ""
    low, high = estimate["incremental_sequence_minor"]
    text: str = t(
        "gained",
        amount=_plain(document, estimate["incremental_minor"]),
        low=_plain(document, low),
        high=_plain(document, high),
    )
    return text


def _groups(document: InvoiceDocument, t: Any) -> list[list[str]]:
    """Sum the daily table up by stratum and group."""
    statement, language = document.statement, document.buyer.language
    sums: dict[tuple[int, str], dict[str, int]] = {}
    for row in statement["daily"]:
        total = sums.setdefault((row["stratum"], row["arm"]), dict.fromkeys(_SUMMED, 0))
        for name in _SUMMED:
            total[name] += row[name]
    treated_ppm = {row["stratum"]: row["treatment_share_ppm"] for row in statement["strata"]}
    return [
        [
            t(arm),
            wording.rate(
                (treated_ppm[stratum] if arm == "treatment" else 1_000_000 - treated_ppm[stratum])
                // 100,
                language,
            ),
            *(
                wording.number(total[name], language)
                for name in ("visitors", "converted", "orders")
            ),
            _plain(document, total["revenue_minor"]),
            _per_visitor(document, total),
        ]
        for (stratum, arm), total in sorted(sums.items(), reverse=True)
    ]


def _per_visitor(document: InvoiceDocument, total: dict[str, int]) -> str:
    if not total["visitors"]:
        return "–"
    return _plain(document, round(total["revenue_minor"] / total["visitors"]))
