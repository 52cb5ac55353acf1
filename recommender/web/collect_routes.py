"""Events in: what a browser asks before it posts them, and the route's place in the framework."""

from flask import Blueprint, Response, request

from recommender.web import collect_endpoint
from recommender.web.context import json_response, services
from recommender.web.security import preflight, public_shop

blueprint = Blueprint("collect", __name__)


@blueprint.post(collect_endpoint.PATH, provide_automatic_options=False)
def post_events() -> Response:
    """Refuse other methods; a POST is answered by the endpoint in front."""
    shop = public_shop(sends_events=True)
    answer = collect_endpoint.take_events(services(), shop, request.environ)
    return json_response(answer, 202) if isinstance(answer, bytes) else answer


@blueprint.route(collect_endpoint.PATH, methods=["OPTIONS"], provide_automatic_options=False)
def options_events() -> Response:
    """Answer the preflight of a page that posts JSON."""
    return preflight()
