"""The pages "Statements": closed months, the running one, and what they were made from."""

from flask import Blueprint, Response

from recommender.billing.archive import (
    Settlement,
    read_invoice_pdf,
    read_settlement,
    read_settlements,
)
from recommender.billing.evidence import write_evidence
from recommender.billing.file_type import file_name, file_type
from recommender.billing.preview import Preview, preview
from recommender.billing.statement import canonical_json, evidence_of
from recommender.errors import NotFoundError
from recommender.records import Shop
from recommender.web import console_figures as figures
from recommender.web.console_daily import write_daily
from recommender.web.console_invoices import read_invoice_xml, read_invoices
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.console_statement import preview_page, statement_page
from recommender.web.context import services

blueprint = Blueprint("statements", __name__)
_ADDRESS = "/statements/<month>/<int(max=999999999):version>"
"""No more digits than a database keeps in a whole number."""


@blueprint.get("/statements")
@signed_in
def show() -> str:
    """List the running month and the closed ones."""
    shop = current_visit().shop
    with services().database.connect() as connection:
        settlements = read_settlements(connection, shop.shop_id)
    seen = _preview(shop)
    return _page(
        "statements",
        "months",
        months=figures.closed_months(settlements),
        now=None if seen is None else preview_page(shop, seen),
    )


@blueprint.get("/statements/now")
@signed_in
def show_now() -> str:
    """Show the statement as it would be if the month closed now."""
    shop = current_visit().shop
    seen = _preview(shop)
    if seen is None:
        return _page("statement", "now", statement=None, comparison=figures.comparison(shop))
    return _page(
        "statement",
        "now",
        statement=preview_page(shop, seen),
        at=figures.moment(seen.measured.measured_at, shop),
    )


@blueprint.get("/statements/now/daily.csv")
@signed_in
def daily_now() -> Response:
    """Answer the daily table as last measured."""
    shop = current_visit().shop
    seen = _preview(shop)
    if seen is None:
        raise NotFoundError("Nothing is measured yet", code="unknown-statement")
    return download(write_daily(seen.evidence), "text/csv", "daily-now.csv")


@blueprint.get(_ADDRESS)
@signed_in
def show_month(month: str, version: int) -> str:
    """Show a closed month's statement."""
    shop = current_visit().shop
    settlement = _settlement(month, version)
    return _page(
        "statement",
        "months",
        statement=statement_page(settlement.statement, shop),
        settlement=settlement,
        at=figures.moment(settlement.closed_at, shop),
    )


@blueprint.get(f"{_ADDRESS}.json")
@signed_in
def as_json(month: str, version: int) -> Response:
    """Answer a statement as it was hashed."""
    body = canonical_json(_settlement(month, version).statement)
    return download(body, "application/json", f"statement-{month}-v{version}.json")


@blueprint.get(f"{_ADDRESS}.csv")
@signed_in
def evidence_csv(month: str, version: int) -> Response:
    """Answer the evidence that a statement was made from."""
    body = write_evidence(evidence_of(_settlement(month, version).statement))
    return download(body, "text/csv", f"evidence-{month}-v{version}.csv")


@blueprint.get(f"{_ADDRESS}/daily.csv")
@signed_in
def daily(month: str, version: int) -> Response:
    """Answer a statement's daily table with amounts a spreadsheet adds up."""
    body = write_daily(evidence_of(_settlement(month, version).statement))
    return download(body, "text/csv", f"daily-{month}-v{version}.csv")


@blueprint.get("/invoices/<number>.pdf")
@signed_in
def invoice_pdf(number: str) -> Response:
    """Answer an invoice exactly as it was issued."""
    pdf = read_invoice_pdf(current_visit().shop.shop_id, number, database=services().database)
    return download(pdf, file_type(pdf), file_name(number, pdf))


@blueprint.get("/invoices/<number>.xml")
@signed_in
def invoice_xml(number: str) -> Response:
    """Answer an invoice as EN 16931 data."""
    shop_id = current_visit().shop.shop_id
    xml = read_invoice_xml(shop_id, number, database=services().database)
    return download(xml, "application/xml", f"{number}.xml")


@blueprint.get("/invoices")
@signed_in
def invoices() -> str:
    """List invoices and credit notes with what was paid."""
    shop = current_visit().shop
    found = read_invoices(shop, database=services().database, now=services().now())
    return _page("invoices", "invoices", invoices=found)


def download(body: bytes, mimetype: str, name: str) -> Response:
    """Answer a file that the browser saves."""
    return Response(
        body,
        mimetype=mimetype,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _page(name: str, tab: str, **context: object) -> str:
    return render_page(name, section="statements", tab=tab, **context)


def _preview(shop: Shop) -> Preview | None:
    """Return the running month's standing; None while nobody was measured."""
    seen = preview(shop, database=services().database, now=services().now())
    return seen if seen is not None and seen.evidence.sums else None


def _settlement(month: str, version: int) -> Settlement:
    with services().database.connect() as connection:
        found = read_settlement(connection, current_visit().shop.shop_id, month, version)
    if found is None:
        raise NotFoundError(f"There is no statement for {month}", code="unknown-statement")
    return found
