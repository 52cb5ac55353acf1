"""A shop's server hands over a whole catalogue as a merchant feed. With the secret key."""

import secrets

import orjson
from flask import Blueprint, Response, request

from recommender.catalog.feeds import Feed, read_feed_state, submit_feed
from recommender.errors import InvalidInputError
from recommender.web.context import json_response, services
from recommender.web.security import secret_shop

blueprint = Blueprint("feeds", __name__)
MAX_FEED_BYTES = 16 << 20
"""Sent as a body; a larger feed is fetched from an address."""
MAX_URL_BYTES = 4_096


@blueprint.post("/v1/feeds")
def post_feed() -> Response:
    """Take a feed, or the address of one; it is read in the background."""
    request.max_content_length = MAX_FEED_BYTES
    shop = secret_shop()
    body = request.get_data(cache=True)
    if not body:
        raise InvalidInputError("The body is empty; it must be a feed", code="no-items")
    url = _url(body)
    feed_id = f"feed_{secrets.token_hex(10)}"
    submit_feed(
        shop.shop_id,
        feed_id,
        database=services().database,
        now=services().now(),
        body=body if url is None else None,
        url=url or "",
    )
    response = json_response({"feed_id": feed_id, "state": "waiting"}, 202)
    response.headers["Location"] = f"/v1/feeds/{feed_id}"
    return response


@blueprint.get("/v1/feeds/<feed_id>")
def get_feed(feed_id: str) -> Response:
    """Answer where a feed stands, and what became of its rows."""
    shop = secret_shop()
    return json_response(
        _document(read_feed_state(shop.shop_id, feed_id, database=services().database))
    )


def _url(body: bytes) -> str | None:
    """Return the address when the body is `{"url": …}` and nothing else."""
    if len(body) > MAX_URL_BYTES or not body.lstrip().startswith(b"{"):
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # lines of JSON, perhaps
    if not isinstance(document, dict) or set(document) != {"url"}:
        return None
    url = document["url"]
    # Checked here as far as it can be told without the network, and wholly when it is fetched.
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > 2_000:
        raise InvalidInputError(
            "A feed's address is a text that starts with https://", code="bad-feed-url"
        )
    if not url.isascii() or not url.isprintable():
        raise InvalidInputError(
            "A feed's address has only printable ASCII characters", code="bad-feed-url"
        )
    return url


def _document(feed: Feed) -> dict[str, object]:
    return {
        "feed_id": feed.feed_id,
        "state": feed.state,
        "created_at": feed.created_at.isoformat(),
        "finished_at": feed.finished_at.isoformat() if feed.finished_at else None,
        "report": feed.report,
    }
