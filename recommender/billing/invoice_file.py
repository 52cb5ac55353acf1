"""An issued file, PDF or HTML → the text on it and what is attached. Pure."""

import base64
import io
import logging
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pypdf

from recommender.errors import InvalidInputError

# What its parser stumbles over is in our own error; its lines beside it would tell nothing more.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)
_DATA = re.compile(r"data:[^;,]*;base64,(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class InvoiceFile:
    """What an issued file holds.

    Attributes:
        text: As printed, without white space.
        attachments: By name.
    """

    text: str
    attachments: dict[str, bytes]

    def prints(self, words: str) -> bool:
        """Return whether the page says these words."""
        return _squeeze(words) in self.text


def open_invoice(data: bytes) -> InvoiceFile:
    """Read an invoice as it was issued.

    Raises:
        InvalidInputError: `bad-pdf`.
    """
    if data.lstrip()[:15].lower() == b"<!doctype html>":
        return _open_html(data)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        text = "".join(page.extract_text() for page in reader.pages)
        attachments = {name: contents[0] for name, contents in reader.attachments.items()}
    except (pypdf.errors.PyPdfError, ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(f"This is not a readable PDF: {error}", code="bad-pdf") from error
    return InvoiceFile(_squeeze(text), attachments)


def _squeeze(text: str) -> str:
    return re.sub(r"\s", "", text)


def _open_html(data: bytes) -> InvoiceFile:
    page = _Page()
    try:
        page.feed(data.decode())
        attachments = {name: base64.b64decode(text) for name, text in page.links.items()}
    except ValueError as error:
        raise InvalidInputError(f"This file cannot be read: {error}", code="bad-pdf") from error
    return InvoiceFile(_squeeze("".join(page.texts)), attachments)


class _Page(HTMLParser):
    """Collects what an invoice's HTML shows, and its links with data in them."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: dict[str, str] = {}
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in {"style", "title"}
        given = dict(attrs)
        found = _DATA.fullmatch(given.get("href") or "")
        if tag == "a" and found is not None:
            self.links[given.get("download") or ""] = found[1]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)
