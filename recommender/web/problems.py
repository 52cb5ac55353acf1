"""The only table from error to HTTP status; every error is an RFC 9457 problem document."""

import random
from http import HTTPStatus

import orjson
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from recommender import telemetry
from recommender.errors import (
    InconsistentError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    RecommenderError,
    UnavailableError,
)
from recommender.web.context import json_response

_STATUS_BY_CODE = {
    "malformed-json": 400,
    "not-a-batch": 400,
    "unknown-key": 401,
    "missing-key": 401,
    "bad-signature": 401,
    "wrong-origin": 403,
    "order-conflict": 409,
    "request-in-flight": 409,
    "body-too-large": 413,
    "encoded-body": 415,
    "too-deep": 400,
    "too-many-fields": 400,
    "duplicate-field": 400,
    "rate-limited": 429,
    "too-many-feeds": 429,
}
_CODE_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}
"""What the framework refuses before a route runs; everything else of it is a `bad-request`."""
_RETRY_SECONDS = {503: (1, 15), 429: (20, 80)}
_STATUS_BY_CLASS: dict[type[RecommenderError], int] = {
    InvalidInputError: 422,
    NotAllowedError: 403,
    NotFoundError: 404,
    UnavailableError: 503,
    InconsistentError: 500,
}


def problem(status: int, code: str, detail: str, **members: object) -> Response:
    """Return a problem document.

    Args:
        status: HTTP status.
        code: Stable machine-readable reason, documented in docs/errors.md.
        detail: One sentence for the person who reads it.
        **members: Further members of the document.
    """
    body = {
        "type": f"/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }
    response = json_response(body, status, mimetype="application/problem+json")
    if status in _RETRY_SECONDS:
        # Spread, so that waiting clients do not return all at once.
        response.headers["Retry-After"] = str(random.randint(*_RETRY_SECONDS[status]))  # noqa: S311
    return response


def problem_of(error: Exception, path: str) -> Response:
    """Return the problem document of one of our errors, or of a fault that nobody foresaw.

    Args:
        error: What was raised.
        path: Where, for the log.
    """
    if isinstance(error, RecommenderError):
        status = _STATUS_BY_CODE.get(error.code) or _STATUS_BY_CLASS.get(type(error), 500)
        return problem(status, error.code, str(error))
    telemetry.get_logger().error("request-failed", path=path, exc_info=error)
    return problem(500, "fault", "The service failed on this request; it is logged")


def register_problems(app: Flask) -> None:
    """Turn every error of the app into a problem document."""

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response | tuple[str, int]:
        status = error.code or 500
        if _is_console():
            # Addresses that belong to no route never reach the console's own handlers.
            return _page(error.description or HTTPStatus(status).description, status)
        code = _CODE_BY_STATUS.get(status, "bad-request")
        return problem(status, code, error.description or HTTPStatus(status).description)

    @app.errorhandler(Exception)
    def _ours(error: Exception) -> Response | tuple[str, int]:
        answer = problem_of(error, request.path)
        if _is_console():
            return _page(orjson.loads(answer.data)["detail"], answer.status_code)
        return answer


def _is_console() -> bool:
    return request.path.startswith("/console")


def _page(sentence: str, status: int) -> tuple[str, int]:
    return render_template("console/problem.html", error=sentence), status
