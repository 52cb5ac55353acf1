"""Whatever is changed in an issued file, checking it fails and names it."""

import base64
import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invoice_world import BRITISH, GERMAN, TIERS, credit_note, draft
from money_world import BUYER
from recommender.adapters import invoice_pdf
from recommender.billing.einvoice import EINVOICE_NAME
from recommender.billing.invoice import InvoiceDocument
from recommender.billing.statement import canonical_json, sha256
from recommender.billing.verify import EVIDENCE_NAME, STATEMENT_NAME, verify_invoice
from recommender.billing.wording import amount
from recommender.errors import InvalidInputError

VECTORS = Path(__file__).parents[2] / "vectors"


def page_of(document: InvoiceDocument, patch: pytest.MonkeyPatch) -> bytes:
    """Return the document as it is issued where no PDF can be drawn: quick to take apart."""

    def missing() -> None:
        raise OSError("no Pango")

    with patch.context() as patched:
        patched.setattr(invoice_pdf, "_weasyprint", missing)
        return invoice_pdf.render_invoice(document)


@pytest.fixture(scope="module")
def page() -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        return page_of(draft(tiers=TIERS), patch)


def attachment(page: bytes, name: str) -> bytes:
    [data] = re.findall(rf'download="{re.escape(name)}" href="[^"]*base64,([^"]*)"', page.decode())
    return base64.b64decode(data)


def with_attachment(page: bytes, name: str, contents: bytes) -> bytes:
    old = base64.b64encode(attachment(page, name))
    new = base64.b64encode(contents)
    assert page.count(old) == 1
    return page.replace(old, new)


def complaints(page: bytes) -> str:
    """Return what is said against a file; empty when nothing is."""
    try:
        verification = verify_invoice(page)
    except InvalidInputError as error:
        return f"{error} [{error.code}]"
    assert verification.passed == all(check.passed for check in verification.checks)
    return "\n".join(
        f"{check.name}: {check.detail}" for check in verification.checks if not check.passed
    )


@pytest.mark.parametrize(
    "document",
    [
        draft(),
        draft(replace(BUYER, language="fr")),
        draft(GERMAN),
        draft(BRITISH, currency="GBP"),
        draft(BRITISH, currency="JPY"),
        draft(BRITISH, currency="KWD"),
        draft(tiers=TIERS, licence_month_minor=9_900, cap_month_bps=50),
        credit_note(),
        credit_note(replace(GERMAN, language="fr")),
    ],
)
def test_what_is_issued_proves_itself(
    document: InvoiceDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(document, monkeypatch)
    assert complaints(page) == ""
    assert verify_invoice(page).due_minor == document.net_minor
    assert page == page_of(document, monkeypatch)


def test_invoices_of_earlier_releases_still_prove_themselves() -> None:
    for path in sorted(VECTORS.glob("invoice-*.pdf")):
        verification = verify_invoice(path.read_bytes())
        assert verification.passed, path.name
    first = verify_invoice((VECTORS / "invoice-1.pdf").read_bytes())
    assert (first.month, first.due_minor, first.currency) == ("2027-01", 53_707, "EUR")


# -- the evidence, cell by cell -----------------------------------------------------------------


def changed_cells(evidence: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield line number and the file with one cell of that line changed, for every cell."""
    lines = evidence.decode().splitlines()
    for place, line in enumerate(lines):
        mark = "# " if line.startswith("# ") else ""
        [cells] = csv.reader([line.removeprefix(mark)])
        for column, cell in enumerate(cells):
            new = [*cells[:column], changed(cell), *cells[column + 1 :]]
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow(new)
            changed_lines = [*lines[:place], mark + text.getvalue(), *lines[place + 1 :]]
            yield place + 1, ("\n".join(changed_lines) + "\n").encode()


def changed(cell: str) -> str:
    """Return the next cent, the next day, the other arm, another term."""
    if re.fullmatch(r"-?[0-9]+", cell):
        return str(int(cell) + 1)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        return str(dt.date.fromisoformat(cell) + dt.timedelta(days=1))
    return {"control": "treatment", "treatment": "control"}.get(cell, f"{cell}x")


def test_every_changed_cell_of_the_evidence_is_named(page: bytes) -> None:
    evidence = attachment(page, EVIDENCE_NAME)
    cells = 0
    for line, changed_evidence in changed_cells(evidence):
        said = complaints(with_attachment(page, EVIDENCE_NAME, changed_evidence))
        assert f"line {line} (" in said, (line, said)
        cells += 1
    # Four daily rows of eleven columns, and more than twenty terms with names and values.
    assert cells > 80


def test_the_name_of_a_changed_cell_is_that_of_its_column(page: bytes) -> None:
    evidence = attachment(page, EVIDENCE_NAME)
    for find, put, words in (
        (b"contract.rate_bps,1000", b"contract.rate_bps,1001", "contract.rate_bps"),
        (b"2027-01-05,1,control,200", b"2027-01-05,1,control,201", "visitors: 201 instead of 200"),
        (b"2027-01-05,1,control", b"2027-01-06,1,control", "day: 2027-01-06 instead of 2027-01-05"),
        (b"2027-01-05,1,control", b"2027-01-05,1,treatment", "arm: treatment instead of control"),
    ):
        assert evidence.count(find) == 1
        said = complaints(with_attachment(page, EVIDENCE_NAME, evidence.replace(find, put)))
        assert words in said


def test_lines_that_were_left_out_added_or_swapped_are_named(page: bytes) -> None:
    lines = attachment(page, EVIDENCE_NAME).decode().splitlines()
    for place in range(len(lines)):
        for new in (
            [*lines[:place], *lines[place + 1 :]],
            [*lines[:place], lines[place], *lines[place:]],
        ):
            contents = ("\n".join(new) + "\n").encode()
            said = complaints(with_attachment(page, EVIDENCE_NAME, contents))
            assert re.search(r"line [0-9]+ \(|Changed", said), (place, said)


# -- the statement and the e-invoice ------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, (*path, place))
    else:
        yield path


def with_leaf(body: Any, path: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(body))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    old = inner[path[-1]]
    if isinstance(old, str):
        inner[path[-1]] = changed(old)
    else:
        inner[path[-1]] = not old if isinstance(old, bool) else (old or 0) + 1
    return copy


def test_every_changed_leaf_of_the_statement_is_noticed(page: bytes) -> None:
    body = json.loads(attachment(page, STATEMENT_NAME))
    for path in leaves(body):
        contents = canonical_json(with_leaf(body, path))
        said = complaints(with_attachment(page, STATEMENT_NAME, contents))
        assert "statement" in said, (path, said)


def test_a_statement_changed_together_with_its_evidence_is_noticed(page: bytes) -> None:
    """Whoever changes both consistently still cannot change what is printed."""
    evidence = attachment(page, EVIDENCE_NAME).replace(b"control,200,", b"control,201,")
    body = json.loads(attachment(page, STATEMENT_NAME))
    [row] = [row for row in body["daily"] if row["visitors"] == 200 and row["arm"] == "control"]
    row["visitors"] = 201
    body["evidence_sha256"] = sha256(evidence)
    forged = with_attachment(page, EVIDENCE_NAME, evidence)
    said = complaints(with_attachment(forged, STATEMENT_NAME, canonical_json(body)))
    assert "statement: SHA-256" in said
    assert "evidence:" not in said


def test_every_changed_text_of_the_einvoice_is_noticed(page: bytes) -> None:
    xml = attachment(page, EINVOICE_NAME).decode()
    spots = list(re.finditer(r">([^<>\s][^<>]*)<", xml))
    assert len(spots) > 60
    for spot in spots:
        new = changed(spot[1])
        mutated = f"{xml[: spot.start(1)]}{new}{xml[spot.end(1) :]}"
        said = complaints(with_attachment(page, EINVOICE_NAME, mutated.encode()))
        assert EINVOICE_NAME in said or "e-invoice" in said, spot[1]


@pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ("<ram:GrandTotalAmount>", "<ram:GrandTotalAmount>1", "total of the e-invoice is 1"),
        (">FR44732829320<", "><", "reverse charge needs both VAT numbers"),
        (">AE<", ">S<", "the category is AE, the e-invoice has S"),
        (">Laden GmbH<", ">Other GmbH<", "buyer: Other GmbH is not printed"),
        (">20270131<", ">20270228<", "service period is 2027-01-01 to 2027-02-28"),
        (">20270201<", ">20270202<", "day issued 2027-02-02 is not printed"),
        (">2027-000001<", ">2027-000002<", "number 2027-000002 is not printed"),
    ],
)
def test_what_an_einvoice_says_otherwise_is_named(
    find: str, put: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(draft(GERMAN), monkeypatch)
    xml = attachment(page, EINVOICE_NAME).decode().replace("DE136695976", "FR44732829320")
    assert find in xml
    said = complaints(with_attachment(page, EINVOICE_NAME, xml.replace(find, put).encode()))
    assert words in said


def test_a_page_that_prints_something_else_is_noticed(page: bytes) -> None:
    document, text = draft(tiers=TIERS), page.decode()
    printed = [
        *(
            amount(minor, "EUR")
            for minor in (document.net_minor, document.vat_minor, document.gross_minor)
        ),
        "1 February 2027",
        document.seller.vat_number,
    ]
    for words in printed:
        assert words in text
        other = words.translate(str.maketrans("0123456789", "1234567890"))
        assert "not printed" in complaints(text.replace(words, other).encode()), words


def test_what_is_no_invoice_is_refused(page: bytes) -> None:
    for name in (EVIDENCE_NAME, STATEMENT_NAME, EINVOICE_NAME):
        gone = page.replace(f'download="{name}"'.encode(), b'download="other"')
        assert f"no {name}" in complaints(gone)
    for data in (b"", b"%PDF-1.7", b"<!doctype html>", b"<!doctype html>\xff"):
        assert complaints(data)
