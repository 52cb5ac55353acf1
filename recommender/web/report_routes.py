"""What the shop's server may read: uplift, statements, invoices. All with the secret key."""

from decimal import Decimal

from flask import Blueprint, Response

from recommender.billing.archive import read_invoice_pdf, read_settlements
from recommender.billing.statement import estimate_figures
from recommender.shops.registry import current_contract
from recommender.uplift.days import local_day
from recommender.uplift.estimate import estimate
from recommender.uplift.stored import read_measurement
from recommender.web.context import json_response, services
from recommender.web.security import secret_shop

blueprint = Blueprint("reports", __name__)


@blueprint.get("/v1/uplift")
def get_uplift() -> Response:
    """Answer the effect as last measured, under the contract of today."""
    shop = secret_shop()
    today = local_day(services().now(), shop.timezone)
    contract = current_contract(shop.shop_id, today, database=services().database)
    with services().database.connect() as connection:
        measured = read_measurement(connection, shop.shop_id)
    sums = measured.sums if measured else []
    result = estimate(sums, alpha=Decimal(contract.alpha_ppm) / 1_000_000, n_star=contract.n_star)
    return json_response(
        {
            "contract_version": contract.version,
            "currency": contract.currency,
            "through": sums[-1].day.isoformat() if sums else None,
            "estimate": None if result is None else estimate_figures(result),
            "in_both_arms": measured.in_both_arms if measured else 0,
            "in_both_arms_share": measured.in_both_arms_share if measured else 0.0,
        }
    )


@blueprint.get("/v1/statements")
def get_statements() -> Response:
    """Answer all closed months, newest first."""
    shop = secret_shop()
    with services().database.connect() as connection:
        settlements = read_settlements(connection, shop.shop_id)
    return json_response(
        {
            "statements": [
                settlement.summary() | {"body": settlement.statement} for settlement in settlements
            ]
        }
    )


@blueprint.get("/v1/invoices/<number>.pdf")
def get_invoice(number: str) -> Response:
    """Answer an invoice exactly as it was issued."""
    shop = secret_shop()
    pdf = read_invoice_pdf(shop.shop_id, number, database=services().database)
    return Response(pdf, mimetype="application/pdf", headers={"Cache-Control": "no-store"})
