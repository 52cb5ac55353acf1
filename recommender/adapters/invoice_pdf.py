"""Invoice document → PDF/A-3 with e-invoice and evidence inside, by WeasyPrint.

Equal documents give equal bytes: all dates and the file's identifier come from the document. Where
the libraries that draw are missing, the same page becomes one HTML file with the same attachments.
"""

import base64
import contextlib
import datetime as dt
import io
import re
import sys
import warnings
from typing import Any

import jinja2

from recommender.adapters.invoice_view import invoice_view
from recommender.billing.einvoice import EINVOICE_NAME
from recommender.billing.invoice import InvoiceDocument
from recommender.billing.verify import EVIDENCE_NAME, STATEMENT_NAME
from recommender.telemetry import get_logger

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("recommender.adapters"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_invoice(document: InvoiceDocument) -> bytes:
    """Return the invoice as PDF/A-3b with e-invoice, evidence and statement attached.

    Without WeasyPrint's system libraries it is one HTML file, and the log says what to install:
    a month's close must not wait for a font.
    """
    try:
        weasyprint = _weasyprint()
    except OSError as error:
        get_logger().warning(
            "invoice-without-pdf",
            number=document.number,
            reason=str(error),
            install="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-liberation",
        )
        return _html(document)
    return _pdf(document, weasyprint)


def _attachments(document: InvoiceDocument) -> list[tuple[str, str, str, bytes]]:
    """Return name, type, PDF relationship and contents."""
    return [
        # Alternative: the same invoice in another form, as Factur-X wants it above BASIC WL.
        (EINVOICE_NAME, "text/xml", "Alternative", document.xml),
        (EVIDENCE_NAME, "text/csv", "Supplement", document.evidence_csv),
        (STATEMENT_NAME, "application/json", "Supplement", document.statement_json),
    ]


def _pdf(document: InvoiceDocument, weasyprint: Any) -> bytes:
    issued_at = dt.datetime.combine(document.issued_on, dt.time.min, tzinfo=dt.UTC)
    attachments = [
        weasyprint.Attachment(
            string=contents,
            name=name,
            description=name,
            created=issued_at,
            modified=issued_at,
            relationship=relationship,
        )
        for name, _, relationship, contents in _attachments(document)
    ]
    metadata = _TEMPLATES.get_template("facturx.xmp").render(file_name=EINVOICE_NAME)
    with warnings.catch_warnings():
        # WeasyPrint leaves the file of its colour profile for the garbage collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        pdf: bytes = weasyprint.HTML(string=_page(document, links=[])).write_pdf(
            attachments=attachments,
            pdf_identifier=document.number.encode(),
            pdf_variant="pdf/a-3b",
            finisher=_tidy_up,
            xmp_metadata=[io.BytesIO(metadata.encode())],
        )
    return pdf


def _tidy_up(_document: Any, pdf: Any) -> None:
    """Leave one RDF block in the metadata, as XMP wants it, and name each attachment once."""
    metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
    metadata.stream = [re.sub(rb"</rdf:RDF>\s*<rdf:RDF[^>]*>", b"", *metadata.stream)]
    pdf.catalog["AF"][:] = dict.fromkeys(pdf.catalog["AF"])


def _html(document: InvoiceDocument) -> bytes:
    links = [
        (name, f"data:{kind};base64,{base64.b64encode(contents).decode()}")
        for name, kind, _, contents in _attachments(document)
    ]
    return _page(document, links=links).encode()


def _page(document: InvoiceDocument, *, links: list[tuple[str, str]]) -> str:
    style = _TEMPLATES.get_template("invoice.css").render()
    view = invoice_view(document)
    return _TEMPLATES.get_template("invoice.html").render(view, style=style, links=links)


def _weasyprint() -> Any:
    # On a missing library WeasyPrint also prints advice, which is no command's result.
    with contextlib.redirect_stdout(sys.stderr):
        import weasyprint
    return weasyprint
