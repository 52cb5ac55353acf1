"""How a route reaches the services of its process, and the two ways it answers JSON."""

from typing import TYPE_CHECKING, Any, cast

import orjson
from flask import Response, current_app, request

from recommender.web.strict_json import read_json

if TYPE_CHECKING:
    from recommender.bootstrap import Services

JSON = "application/json"


def services() -> "Services":
    """Return the services that `create_app` was given."""
    return cast("Services", current_app.extensions["services"])


def json_body() -> object:
    """Decode the request's body, whatever content type a beacon gave it.

    Raises:
        InvalidInputError: It is not JSON, or JSON that can be read in two ways; see `strict_json`.
    """
    return read_json(request.get_data(cache=True))


def json_response(
    body: Any, status: int = 200, *, cache_control: str = "no-store", mimetype: str = JSON
) -> Response:
    """Render a JSON answer; nothing is cached unless a route says so."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    response = Response(data, status=status, mimetype=mimetype)
    response.headers["Cache-Control"] = cache_control
    return response
