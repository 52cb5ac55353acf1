"""What the shop's server may read: uplift, statements, invoices. All with the secret key."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response

from recommender.billing.archive import Settlement, read_invoice_pdf, read_settlements
from recommender.billing.file_type import file_type
from recommender.billing.preview import Preview, preview
from recommender.billing.shown import metrics_beside
from recommender.billing.statement import estimate_figures
from recommender.errors import NotFoundError
from recommender.shops.registry import current_contract
from recommender.uplift.days import local_day
from recommender.uplift.estimate import Estimate, estimate_strata
from recommender.web.console_invoices import read_invoice_xml
from recommender.web.context import json_response, services
from recommender.web.security import secret_shop

blueprint = Blueprint("reports", __name__)


@blueprint.get("/v1/uplift")
def get_uplift() -> Response:
    """Answer the effect as last measured, under the contract of today."""
    shop = secret_shop()
    now = services().now()
    today = local_day(now, shop.timezone)
    contract = current_contract(shop.shop_id, today, database=services().database)
    seen = preview(shop, database=services().database, now=now)
    return json_response(
        {"contract_version": contract.version, "currency": contract.currency}
        | (_UNMEASURED if seen is None else _measured(seen))
    )


_UNMEASURED: dict[str, Any] = {
    "through": None,
    "measured_at": None,
    "estimate": None,
    "in_both_arms": 0,
    "in_both_arms_share": 0.0,
    "frozen_days": [],
    "metrics": [],
    "views": [],
    "preview": None,
}


def _measured(seen: Preview) -> dict[str, Any]:
    measured, contract, bill = seen.measured, seen.evidence.contract, seen.bill
    alpha, n_star = Decimal(contract.alpha_ppm) / 1_000_000, contract.n_star
    estimate = bill.target.estimate
    metrics = metrics_beside(measured, contract, estimate)
    views = [
        (view, estimate_strata(view.strata, alpha=alpha, n_star=n_star)) for view in measured.views
    ]
    return {
        "through": measured.sums[-1].day.isoformat() if measured.sums else None,
        "measured_at": measured.measured_at.isoformat(),
        "estimate": _figures(estimate),
        "in_both_arms": measured.in_both_arms,
        "in_both_arms_share": measured.in_both_arms_share,
        "frozen_days": [
            {"day": frozen.day.isoformat(), "reason": str(frozen.reason), "detail": frozen.detail}
            for frozen in measured.frozen
        ],
        "metrics": [asdict(metric) for metric in metrics],
        "views": [
            {"kind": view.kind.value, "name": view.name, "estimate": _figures(found)}
            for view, found in views
        ],
        "preview": {
            "month": str(seen.evidence.month),
            "due_minor": bill.due_minor,
            "reason": bill.reason.value,
        },
    }


def _figures(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else estimate_figures(found)


@blueprint.get("/v1/statements")
def get_statements() -> Response:
    """Answer all closed months, newest first."""
    return json_response({"statements": [_told(settlement) for settlement in _settlements()]})


@blueprint.get("/v1/statements/<month>")
def get_statement(month: str) -> Response:
    """Answer one closed month, under the newest contract version that closed it."""
    found = next((one for one in _settlements() if one.month == month), None)
    if found is None:
        raise NotFoundError(f"There is no statement for {month}", code="unknown-statement")
    return json_response(_told(found))


def _settlements() -> list[Settlement]:
    shop = secret_shop()
    with services().database.connect() as connection:
        return read_settlements(connection, shop.shop_id)


def _told(settlement: Settlement) -> dict[str, Any]:
    return settlement.summary() | {"body": settlement.statement}


@blueprint.get("/v1/invoices/<number>.pdf")
def get_invoice(number: str) -> Response:
    """Answer an invoice exactly as it was issued."""
    shop = secret_shop()
    pdf = read_invoice_pdf(shop.shop_id, number, database=services().database)
    return Response(pdf, mimetype=file_type(pdf), headers={"Cache-Control": "no-store"})


@blueprint.get("/v1/invoices/<number>.xml")
def get_invoice_xml(number: str) -> Response:
    """Answer an invoice's EN 16931 data exactly as it was issued."""
    shop = secret_shop()
    xml = read_invoice_xml(shop.shop_id, number, database=services().database)
    return Response(xml, mimetype="application/xml", headers={"Cache-Control": "no-store"})
