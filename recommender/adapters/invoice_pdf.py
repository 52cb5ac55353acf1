"""Invoice document → PDF with its own evidence inside, by WeasyPrint.

Equal documents give equal bytes: all dates and the file's identifier come from the document.
"""

import contextlib
import datetime as dt
import sys
from typing import Any

import jinja2

from recommender.billing import wording
from recommender.billing.invoice import InvoiceDocument, InvoiceKind
from recommender.billing.verify import EVIDENCE_NAME, STATEMENT_NAME
from recommender.errors import UnavailableError

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("recommender.adapters"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ARMS = {"treatment": "With recommendations", "control": "Without (holdout)"}
_BASES = {
    "gated_midpoint": "The gain is counted midway between proven minimum and best estimate.",
    "proven_minimum": "The gain is counted at its proven minimum.",
}
_SUMMED = ("visitors", "orders", "converted", "revenue_minor")


def render_invoice(document: InvoiceDocument) -> bytes:
    """Return the invoice as PDF, one A4 page with evidence and statement attached.

    Raises:
        UnavailableError: WeasyPrint's system libraries are not installed.
    """
    weasyprint = _weasyprint()
    issued_at = dt.datetime.combine(document.issued_on, dt.time.min, tzinfo=dt.UTC)
    attachments = [
        weasyprint.Attachment(
            string=contents,
            name=name,
            description=description,
            created=issued_at,
            modified=issued_at,
            relationship="Supplement",
        )
        for name, contents, description in (
            (EVIDENCE_NAME, document.evidence_csv, "Daily sums and terms the amount follows from"),
            (STATEMENT_NAME, document.statement_json, "Statement of the month"),
        )
    ]
    page = _TEMPLATES.get_template("invoice.html").render(_view(document))
    style = weasyprint.CSS(string=_TEMPLATES.get_template("invoice.css").render())
    pdf: bytes = weasyprint.HTML(string=page).write_pdf(
        stylesheets=[style],
        attachments=attachments,
        pdf_identifier=document.number.encode(),
    )
    return pdf


def _weasyprint() -> Any:
    try:
        # On a missing library WeasyPrint also prints advice, which is no command's result.
        with contextlib.redirect_stdout(sys.stderr):
            import weasyprint
    except OSError as error:
        raise UnavailableError(
            "Invoices need the libraries of Pango: install the Debian packages libpango-1.0-0, "
            f"libpangoft2-1.0-0, libharfbuzz-subset0 and fonts-liberation ({error})",
            code="pdf-libraries-missing",
        ) from error
    return weasyprint


def _view(document: InvoiceDocument) -> dict[str, Any]:
    """Return what the template prints: texts only."""
    statement, currency = document.statement, document.currency
    return {
        "document": document,
        "title": "Credit note" if document.kind is InvoiceKind.CREDIT_NOTE else "Invoice",
        "issued_on": wording.day(document.issued_on),
        "due_on": wording.day(document.due_on),
        "service": wording.period(document.service_from, document.service_through),
        "sentence": statement["sentence"],
        "explanation": statement["explanation"],
        "basis": _BASES[statement["contract"]["policy"]],
        "lines": _lines(statement, currency),
        "net": wording.amount(document.net_minor, currency),
        "vat": wording.amount(document.vat_minor, currency),
        "vat_rate": f"{document.vat_rate_bps / 100:g} %",
        "gross": wording.amount(document.gross_minor, currency),
        "fees": _fees(statement, currency),
        "incremental": _incremental(statement, currency),
        "groups": _groups(statement, currency),
        "starts_on": wording.day(dt.date.fromisoformat(statement["contract"]["starts_on"])),
        "hashes": (
            ("Statement SHA-256", document.statement_sha256),
            ("Evidence SHA-256", statement["evidence_sha256"]),
            ("Assignment salt", ", ".join(stratum["salt"] for stratum in statement["strata"])),
        ),
    }


def _lines(statement: dict[str, Any], currency: str) -> list[tuple[str, str]]:
    bill, contract = statement["bill"], statement["contract"]
    since = wording.day(dt.date.fromisoformat(contract["starts_on"]))
    rate = f"{contract['rate_bps'] / 100:g} %"
    lines = [
        (f"Success fee, {rate} of the revenue gained since {since}", bill["target_minor"]),
        ("Less fees billed before", -bill["billed_before_minor"]),
    ]
    if bill["left_minor"]:
        lines.append(("Carried to later months by the contract's cap", -bill["left_minor"]))
    return [(text, wording.amount(minor, currency)) for text, minor in lines]


def _fees(statement: dict[str, Any], currency: str) -> list[tuple[str, str, str]]:
    fees = statement["fees"]
    return [
        ("Our bill so far", wording.amount(fees["ours_minor"], currency), "this invoice included"),
        (
            "Proven minimum",
            wording.amount(fees["proven_minimum_minor"], currency),
            "fee on the interval's lower end",
        ),
        (
            "Best estimate",
            wording.amount(fees["best_estimate_minor"], currency),
            "fee on the middle of the interval",
        ),
        (
            "Last click",
            wording.amount(fees["last_click_minor"], currency),
            "what click attribution would charge",
        ),
    ]


def _incremental(statement: dict[str, Any], currency: str) -> str:
    """Return the additional revenue with its interval in words; empty without an estimate."""
    estimate = statement["estimate"]
    if estimate is None:
        return ""
    low, high = estimate["incremental_sequence_minor"]
    return (
        f"{wording.amount(estimate['incremental_minor'], currency)} additional revenue "
        f"(between {wording.amount(low, currency)} and {wording.amount(high, currency)})"
    )


def _groups(statement: dict[str, Any], currency: str) -> list[dict[str, str]]:
    """Sum the daily table up by stratum and group."""
    sums: dict[tuple[int, str], dict[str, int]] = {}
    for row in statement["daily"]:
        total = sums.setdefault((row["stratum"], row["arm"]), dict.fromkeys(_SUMMED, 0))
        for name in _SUMMED:
            total[name] += row[name]
    shares_ppm = {}
    for stratum in statement["strata"]:
        shares_ppm[stratum["stratum"], "treatment"] = stratum["treatment_share_ppm"]
        shares_ppm[stratum["stratum"], "control"] = 1_000_000 - stratum["treatment_share_ppm"]
    return [
        {
            "group": _ARMS[arm],
            "share": f"{shares_ppm[number, arm] / 10_000:g} %",
            "visitors": f"{total['visitors']:,}",
            "buyers": f"{total['converted']:,}",
            "orders": f"{total['orders']:,}",
            "revenue": wording.amount(total["revenue_minor"], currency),
            "per_visitor": _per_visitor(total, currency),
        }
        for (number, arm), total in sorted(sums.items(), reverse=True)
    ]


def _per_visitor(total: dict[str, int], currency: str) -> str:
    if not total["visitors"]:
        return "–"
    return wording.amount(round(total["revenue_minor"] / total["visitors"]), currency)
