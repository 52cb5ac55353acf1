"""Recommendations out, and the settings the widget needs before it asks for them."""

import time

import orjson
import uuid6
from flask import Blueprint, Response, request

from recommender.errors import InvalidInputError
from recommender.records import Placement, SlateItem
from recommender.serving.recommend import SlateAnswer, SlateRequest, recommend
from recommender.telemetry import SLATE_SECONDS, SLATES_TOTAL
from recommender.web.context import json_response, services
from recommender.web.reasons import LANGUAGES, reason_text
from recommender.web.security import public_shop

blueprint = Blueprint("slates", __name__)
MAX_CART = 50


@blueprint.get("/v1/recommendations")
def get_recommendations() -> Response:
    """Answer one slate; control visitors get an empty one and are recorded all the same."""
    shop = public_shop()
    slate_request = _read_request()
    started = time.perf_counter()
    answer = recommend(
        slate_request,
        shop=shop,
        hot_state=services().state,
        catalogues=services().catalogues,
        models=services().models,
        now=services().now(),
        monotonic=time.monotonic,
        new_id=lambda: str(uuid6.uuid7()),
        budget_ms=services().settings.slate_budget_ms,
    )
    SLATE_SECONDS.observe(time.perf_counter() - started)
    SLATES_TOTAL.labels(slate_request.placement.value, answer.arm, answer.slate.fallback).inc()
    return json_response(render_slate(answer, _language()))


def render_slate(answer: SlateAnswer, language: str) -> bytes:
    """Write a slate as JSON from the catalogue's ready-made item fragments."""
    items = answer.slate.items if answer.shown else ()
    head = orjson.dumps(
        {
            "slate_id": answer.slate.slate_id,
            "arm": answer.arm,
            "fallback": answer.slate.fallback,
        }
    )
    rendered = b",".join(_render_item(answer, item, language) for item in items)
    return head[:-1] + b',"items":[' + rendered + b"]}"


def _render_item(answer: SlateAnswer, item: SlateItem, language: str) -> bytes:
    told = answer.catalogue.get(item.reason_item_id) if item.reason_item_id else None
    reason = orjson.dumps(
        {
            "code": item.reason,
            "item_id": item.reason_item_id,
            "text": reason_text(item.reason, told.title if told else "", language),
        }
    )
    return answer.catalogue.fragment(item.item_id) + b',"reason":' + reason + b"}"


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


def _read_request() -> SlateRequest:
    args = request.args
    try:
        placement = Placement(args.get("placement", ""))
    except ValueError as error:
        raise InvalidInputError(
            f"placement must be one of {', '.join(Placement)}", code="unknown-placement"
        ) from error
    cart = tuple(item for item in args.get("cart", "").split(",") if item)
    return SlateRequest(
        placement=placement,
        visitor_id=_argument("visitor_id"),
        item_id=_argument("item_id"),
        cart=cart[:MAX_CART],
        category=_argument("category", 300),
        search_term=_argument("search_term", 200),
        n=_count(args.get("n")),
    )


def _argument(name: str, limit: int = 100) -> str:
    value = request.args.get(name, "")
    if len(value) > limit:
        raise InvalidInputError(f"{name} has at most {limit} characters", code="bad-text")
    return value


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 50:
        raise InvalidInputError("n must be a whole number from 1 to 50", code="bad-count")
    return int(text)


def _language() -> str:
    told = request.args.get("language", "")[:2].lower()
    return told if told in LANGUAGES else LANGUAGES[0]
