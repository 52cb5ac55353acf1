"""Recommendations out, and the settings the widget needs before it asks for them."""

from flask import Blueprint, Response, request

from recommender.web import slate_endpoint
from recommender.web.context import json_response, services
from recommender.web.security import public_shop

blueprint = Blueprint("slates", __name__)


@blueprint.get(slate_endpoint.PATH)
def get_recommendations() -> Response:
    """Answer HEAD, and refuse other methods; a GET is answered by the endpoint in front."""
    shop = public_shop()
    arguments = slate_endpoint.read_arguments(request.environ.get("QUERY_STRING", ""))
    return json_response(slate_endpoint.answer_slate(services(), shop, arguments))


@blueprint.get("/v1/config/<site_key>")
def get_config(site_key: str) -> Response:
    """Answer what the widget must know of its shop; public, cached for a minute."""
    shop = services().shops.by_public_key(site_key)
    stratum = shop.current_stratum
    body = {
        "shop": shop.name,
        "currency": shop.currency,
        "enabled": True,
        "consent": "implied",
        "stratum": {
            "stratum": stratum.stratum,
            "salt": stratum.salt,
            "treatment_share_ppm": stratum.treatment_share_ppm,
        },
        "placements": {
            placement.value: {
                "n": setting.n,
                "n_min": setting.n_min,
                "enabled": setting.enabled,
                "title": setting.title,
            }
            for placement, setting in shop.placements.items()
        },
    }
    response = json_response(body, cache_control="public, max-age=60")
    # Nothing in it is secret or personal, and the widget of any page may read it.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
