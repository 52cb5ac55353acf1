"""Answers of the two addresses that are answered below the framework, whoever sends them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from recommender.web.security import headers_of_all

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from flask import Response

_JSON_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class Answer(NamedTuple):
    """An answer whose body is there as a whole.

    Attributes:
        status: As WSGI has it, such as `200 OK`.
        headers: Names and values, with the length of the body.
    """

    status: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def start(self, start_response: "StartResponse") -> Iterable[bytes]:
        """Give this answer as a WSGI application does."""
        start_response(self.status, list(self.headers))
        return (self.body,)


def json_answer(status: str, body: bytes, allowed_origin: str | None) -> Answer:
    """Return an answer in JSON.

    Args:
        status: `200 OK` or `202 Accepted`.
        body: The JSON.
        allowed_origin: Origin of the page that may read it.
    """
    length = ("Content-Length", str(len(body)))
    headers = (*_JSON_HEADERS, length, *headers_of_all(int(status[:3]), allowed_origin))
    return Answer(status, headers, body)


def answer_of(response: "Response", allowed_origin: str | None) -> Answer:
    """Return one of the framework's responses as an answer; for `allowed_origin` see above."""
    body = response.get_data()
    response.headers["Content-Length"] = str(len(body))
    response.headers.extend(headers_of_all(response.status_code, allowed_origin))
    return Answer(response.status, response.headers.to_wsgi_list(), body)
