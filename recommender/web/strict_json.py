"""Bytes of a request → JSON, where nothing can be read in two ways.

orjson refuses NaN and Infinity, numbers out of range, broken UTF-8 and lone surrogates by itself;
here it is given a depth, a number of fields, and that no object has a name twice: of two values
under one name, one program would read the first and another the last.
"""

import json
from collections.abc import Sequence
from typing import Any

import orjson

from recommender.errors import InvalidInputError

MAX_DEPTH = 20
MAX_FIELDS = 20_000

# One of these may stand between a name and its colon.
_BLANKS = (b" :", b"\t", b"\n", b"\r")


def read_json(data: bytes) -> object:
    """Decode a body.

    Raises:
        InvalidInputError: `malformed-json`, `too-deep`, `too-many-fields` or `duplicate-field`.
    """
    if not data:
        raise InvalidInputError("The body is empty; it must be JSON", code="malformed-json")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(
            f"The body is not valid JSON: {error}", code="malformed-json"
        ) from error
    fields = _count_fields(document)
    # Every name ends with a quote and a colon, so there are at least as many of these as names
    # were written; when there are no more of them than fields, no name was written twice.
    if data.count(b'":') != fields or any(blank in data for blank in _BLANKS):
        _refuse_duplicates(data)
    return document


def _count_fields(document: object) -> int:
    """Return the number of fields of all objects.

    Raises:
        InvalidInputError: There are too many, or they stand too deep.
    """
    fields = 0
    level: list[Any] = [[document]]
    # The list around the document is one level more.
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for outer in level:
            members = outer
            if type(outer) is dict:
                fields += len(outer)
                members = outer.values()
            for member in members:
                if type(member) is dict or type(member) is list:
                    inner.append(member)  # noqa: PERF401 - a third of the time for each request
        if fields > MAX_FIELDS:
            raise InvalidInputError(
                f"The body has more than {MAX_FIELDS} fields", code="too-many-fields"
            )
        if not inner:
            return fields
        level = inner
    raise InvalidInputError(f"The body is nested deeper than {MAX_DEPTH} levels", code="too-deep")


def _refuse_duplicates(data: bytes) -> None:
    # Numbers stay texts: Python refuses to read the longest ones.
    json.loads(data, object_pairs_hook=_unique, parse_int=str, parse_float=str)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(
            f"The field {twice[:60]!r} stands twice in one object", code="duplicate-field"
        )
    return members
