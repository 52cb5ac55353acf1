"""Events in: what a browser asks before it posts them, and the route's place in the framework."""

from flask import Blueprint, Response
from werkzeug.exceptions import MethodNotAllowed

from recommender.web import collect_endpoint
from recommender.web.security import preflight

blueprint = Blueprint("collect", __name__)


@blueprint.post(collect_endpoint.PATH, provide_automatic_options=False)
def post_events() -> Response:
    """Have other methods refused; a POST is answered by the endpoint in front."""
    raise MethodNotAllowed


@blueprint.route(collect_endpoint.PATH, methods=["OPTIONS"], provide_automatic_options=False)
def options_events() -> Response:
    """Answer the preflight of a page that posts JSON."""
    return preflight()
