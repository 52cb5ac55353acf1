"""A merchant's feed, as bytes of unknown origin → rows of named fields, within fixed limits.

In comes CSV, TSV, JSON Lines or XML (Google Merchant's RSS and Atom), gzipped or not; out go
mappings for `parse_item`. The kind is read from the bytes themselves. Must not know where they
came from, and believes nothing that they say about themselves. Only readers that cannot corrupt
memory are used.
"""

import contextlib
import csv
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from recommender.errors import InvalidInputError
from recommender.events.history_files import read_json_lines
from recommender.records import Rejection

MAX_BYTES = 256 << 20
"""Of an unpacked feed."""
MAX_RATIO = 200
"""Text packs 5 to 30 times; a bomb packs 1,000 times."""
_RATIO_COUNTS_FROM_BYTES = 1 << 20
MAX_ROWS = 500_000
MAX_DEPTH = 32
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 16
_MAX_HEADER = 1 << 16
_ENCODINGS = ("utf-8-sig", "latin-1")
_PRODUCTS = {"item", "entry"}
FeedRow = Mapping[str, object] | Rejection
"""Named fields; or why a row is not even those."""
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\x00", b"\xfe\xff\x00<")


def read_packed_feed(packed: BinaryIO) -> list[FeedRow]:
    """Return the rows of a feed, gzipped or not; raises as `unpack_feed` and `read_feed`."""
    with tempfile.TemporaryDirectory(prefix="feed-") as folder:
        plain = Path(folder) / "plain"
        with plain.open("wb") as target:
            unpack_feed(packed, target)
        return read_feed(plain)


def unpack_feed(packed: BinaryIO, target: BinaryIO) -> None:
    """Copy a feed, unpacked when it is gzipped.

    Raises:
        InvalidInputError: Code `feed-too-large`, or `unreadable-file` for broken gzip.
    """
    head = packed.read(2)
    packed.seek(0)
    size = read = 0
    for piece, read in _inflated(packed) if head == _GZIP else _plain(packed):
        size += len(piece)
        if size > MAX_BYTES or size > max(_RATIO_COUNTS_FROM_BYTES, read * MAX_RATIO):
            raise InvalidInputError(
                f"The feed unpacks to more than {MAX_BYTES >> 20} MiB, or to more than "
                f"{MAX_RATIO} times its size",
                code="feed-too-large",
            )
        target.write(piece)


def _plain(packed: BinaryIO) -> Iterator[tuple[bytes, int]]:
    read = 0
    while chunk := packed.read(_CHUNK):
        read += len(chunk)
        yield chunk, read


def _inflated(packed: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield unpacked pieces, none larger than a chunk, with the packed bytes read so far."""
    unpacker, read, rest = zlib.decompressobj(wbits=31), 0, b""
    while True:
        if not rest:
            rest = packed.read(_CHUNK)
            read += len(rest)
        try:
            piece = unpacker.decompress(rest, _CHUNK)
        except zlib.error as error:
            raise InvalidInputError(
                f"The feed's gzip is broken: {error}", code="unreadable-file"
            ) from error
        if piece:
            yield piece, read
        if unpacker.eof:
            # Several gzip files behind each other are one, as for gunzip.
            rest = unpacker.unused_data or packed.read(_CHUNK)
            if not rest.startswith(_GZIP):
                return
            unpacker = zlib.decompressobj(wbits=31)
        elif not rest and not piece:
            raise InvalidInputError("The feed's gzip ends too early", code="unreadable-file")
        else:
            rest = unpacker.unconsumed_tail


def read_feed(path: Path) -> list[FeedRow]:
    """Return the rows of an unpacked feed.

    Raises:
        InvalidInputError: Code `unreadable-file`, `unsafe-xml`, `feed-too-large` or `no-items`.
    """
    with path.open("rb") as file:
        head = file.read(4_096).lstrip()
        if head.startswith(_XML_STARTS):
            file.seek(0)
            return _limited(_xml_rows(file))
    if head.startswith(b"["):
        raise InvalidInputError(
            "JSON is read by lines: one object with an item's fields on each",
            code="unreadable-file",
        )
    if head.startswith(b"{"):
        return _limited(read_json_lines(path))
    for encoding in _ENCODINGS:
        with contextlib.suppress(UnicodeError):
            return _limited(_csv_rows(path, encoding))
    raise AssertionError("the last encoding reads every byte")


def _csv_rows(path: Path, encoding: str) -> Iterator[Mapping[str, object]]:
    with path.open(encoding=encoding, newline="") as file:
        header = file.readline(_MAX_HEADER)
        delimiter = max("\t;,", key=header.count)
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
            if len(set(names)) < max(len(names), 2):
                raise InvalidInputError(
                    "The feed does not begin with a line of distinct column names",
                    code="unreadable-file",
                )
            for cells in csv.reader(file, delimiter=delimiter):
                if cells:  # an empty line is no row
                    yield dict(zip(names, cells, strict=False))
        except csv.Error as error:
            raise InvalidInputError(
                f"The feed cannot be read: {error}", code="unreadable-file"
            ) from error


def _limited(rows: Iterator[FeedRow]) -> list[FeedRow]:
    kept: list[FeedRow] = []
    for row in rows:
        kept.append(row)
        if len(kept) > MAX_ROWS:
            raise _too_many()
    return kept


def _too_many() -> InvalidInputError:
    return InvalidInputError(f"A feed has at most {MAX_ROWS:,} rows", code="feed-too-large")


def _xml_rows(file: BinaryIO) -> Iterator[Mapping[str, object]]:
    """Yield one mapping per product; what was read is let go of at once."""
    parents: list[Element] = []
    try:
        # Without a document type there are no entities: nothing to expand and nothing to fetch.
        for step, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            if step == "start":
                parents.append(element)
                if len(parents) > MAX_DEPTH:
                    raise InvalidInputError(
                        f"The XML is nested more than {MAX_DEPTH} deep", code="unsafe-xml"
                    )
                continue
            parents.pop()
            if _name(element) in _PRODUCTS:
                yield _fields(element)
            if parents and not any(_name(parent) in _PRODUCTS for parent in parents):
                parents[-1].remove(element)
    except DefusedXmlException as error:
        raise InvalidInputError(
            "The XML has a document type; leave it out", code="unsafe-xml"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise InvalidInputError(
            f"The XML cannot be read: {error}", code="unreadable-file"
        ) from error


def _fields(product: Element) -> dict[str, object]:
    """Return a product's fields; the first of a name counts."""
    fields: dict[str, object] = {}
    for child in product:
        text = (child.text or "").strip()
        if not text and _name(child) == "link":
            text = child.get("href", "")
        if text:
            fields.setdefault(_name(child), text)
    return fields


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
