"""Invoice documents that tests of invoicing start from."""

import datetime as dt
from dataclasses import replace
from typing import Any

from money_world import BUYER, STRATUM, contract, evidence, shop_month
from recommender.billing.einvoice import with_einvoice
from recommender.billing.evidence import Billed, Evidence, LedgerEnd, SealedRevision
from recommender.billing.invoice import InvoiceDocument, Reference, draft_invoice
from recommender.billing.months import Month
from recommender.billing.pricing import price
from recommender.billing.statement import build_statement
from recommender.billing.vendor import VENDOR, Buyer, LegalEntity
from recommender.records import RateTier, Shop
from recommender.shops.exclusions import RulesVersion, before_any, content_sha256
from recommender.uplift.removed import Removed

GERMAN = replace(
    BUYER, name="Laden GmbH", country="DE", city="Berlin", siren="", vat_number="DE136695976"
)
BRITISH = replace(BUYER, name="Shop Ltd", country="GB", city="London", siren="", vat_number="")
JAPANESE = replace(BRITISH, name="Mise KK", country="JP", city="Tokyo")
KUWAITI = replace(BRITISH, name="Souq WLL", country="KW", city="Kuwait")
REFERENCES = (
    Reference("2026-000007", dt.date(2026, 12, 3)),
    Reference("2026-000009", dt.date(2026, 12, 4)),
)
RULES = RulesVersion(
    1, dt.date(2027, 1, 4), dt.datetime(2027, 1, 3, 21, tzinfo=dt.UTC), content_sha256(["k"], [])
)
TIERS = (RateTier(200_000, 500),)


def facts(
    *, currency: str = "EUR", billed: int = 0, through: str = "2027-01-31", **terms: Any
) -> Evidence:
    """Return evidence of a month that proves an effect, or of one that gives it all back."""
    last = dt.date.fromisoformat(through)
    return replace(
        evidence(
            [*shop_month(), *shop_month(dt.date(2027, 1, 5), visitors=200, treated=20, held=18)],
            last,
            billed=[Billed(Month(last.year, last.month - 1), billed)] if billed else [],
            terms=contract(currency=currency, **terms),
            last_click_minor=900_000,
        ),
        sealed=(SealedRevision(dt.date(2027, 1, 1), 1, 1_000, "a" * 64),),
        rules=(before_any().told, RULES),
        removed=(
            Removed("program", 1, "control", 40, 2, 9_900),
            Removed("program", 1, "treatment", 44, 1, 5_000),
            Removed("test", 0, "", 0, 3, 100),
        ),
        ledger=LedgerEnd(12, "c" * 64),
    )


def draft(
    buyer: Buyer = BUYER,
    *,
    seller: LegalEntity = VENDOR,
    references: tuple[Reference, ...] = (),
    number: str = "2027-000001",
    **told: Any,
) -> InvoiceDocument:
    """Return a document of February 2027, with its e-invoice."""
    month = facts(**told)
    shop = Shop(
        "shop_1",
        "Shop",
        month.contract.currency,
        buyer.country,
        "Europe/Paris",
        "pk_1",
        b"k" * 32,
        (),
        {},
        (STRATUM,),
    )
    at = dt.datetime(2027, 2, 1, 9, tzinfo=dt.UTC)
    body = build_statement(shop, month, price(month), excluded={}, closed_at=at)
    document = draft_invoice(
        shop,
        month,
        body,
        seller=seller,
        buyer=buyer,
        number=number,
        references=references,
        issued_on=dt.date(2027, 2, 1),
    )
    return with_einvoice(document)


def credit_note(buyer: Buyer = BUYER) -> InvoiceDocument:
    """Return the yearly settlement of a contract that was billed far too much."""
    return draft(buyer, billed=10**8, through="2027-12-31", references=REFERENCES)
