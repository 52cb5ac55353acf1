"""Recommendations out, and the settings the widget needs before it asks for them."""

from flask import Blueprint, Response, request

from recommender.shops.widget_settings import as_previewed
from recommender.web import slate_endpoint, slate_page
from recommender.web.context import json_response, services
from recommender.web.security import public_shop
from recommender.web.widget_config import widget_config

blueprint = Blueprint("slates", __name__)


@blueprint.get(slate_endpoint.PATH)
def get_recommendations() -> Response:
    """Answer HEAD, and refuse other methods; a GET is answered by the endpoint in front."""
    shop = public_shop()
    arguments = slate_endpoint.read_arguments(request.environ.get("QUERY_STRING", ""))
    return json_response(slate_endpoint.answer_slate(services(), shop, arguments))


@blueprint.get(slate_page.PATH)
def get_recommendations_page() -> Response:
    """Answer a slate as HTML, for shops' servers and e-mails."""
    shop = public_shop()
    arguments = slate_endpoint.read_arguments(request.environ.get("QUERY_STRING", ""))
    response = Response(slate_page.answer_page(services(), shop, arguments), mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/v1/config/<site_key>")
def get_config(site_key: str) -> Response:
    """Answer what the widget must know of its shop; public, cached for a minute.

    With a preview token everything is switched on, for whoever has the token.
    """
    shop = services().shops.by_public_key(site_key)
    language = request.args.get("language", "")
    token = request.args.get("preview", "")
    if not token:
        body, cached = widget_config(shop, language), "public, max-age=60"
    else:
        holds = slate_endpoint.may_preview(services(), shop, token)
        body = widget_config(as_previewed(shop) if holds else shop, language)
        body["preview"] = holds
        cached = "no-store"
    response = json_response(body, cache_control=cached)
    # Nothing in it is secret or personal, and the widget of any page may read it.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
