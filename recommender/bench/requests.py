"""The HTTP requests that benchmarks send, as a browser on the shop's pages would. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson

from recommender.bench import synthetic
from recommender.records import EventType, Placement, Shop

PATH_ITEMS = 10
SLATE_ITEMS = 20

ORIGIN = "https://shop.example"
_HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: */*",
    "Accept-Language: en,fr;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    f"Origin: {ORIGIN}",
    f"Referer: {ORIGIN}/",
    "Connection: keep-alive",
)
"""What a browser sends along; the no-op gets it too."""


def visitor_paths(n_visitors: int, n_items: int, seed: int) -> list[list[str]]:
    """Return the last items of every visitor, the one in hand last."""
    random = np.random.default_rng([seed, 4])
    popularity = synthetic.Popularity.long_tailed(n_items, seed)
    walks = synthetic.walks(n_visitors, PATH_ITEMS + 1, popularity, random)
    return [[synthetic.item_id(number) for number in walk] for walk in walks.tolist()]


def slate_request(shop: Shop, visitor_id: str, path: Sequence[str]) -> str:
    """Return the request of a product page that shows the last item of a path."""
    query = {
        "key": shop.public_key,
        "placement": Placement.PRODUCT.value,
        "visitor_id": visitor_id,
        "item_id": path[-1],
        "n": SLATE_ITEMS,
        "language": "en",
    }
    return _request(f"GET /v1/recommendations?{urlencode(query)}")


def events_request(
    shop: Shop, visitor_id: str, item_ids: Sequence[str], event_ids: Sequence[str]
) -> str:
    """Return the request by which a browser tells that items were looked at, in their order."""
    events = [
        {"event_id": event_id, "type": EventType.VIEW_ITEM.value, "items": [{"item_id": item_id}]}
        for event_id, item_id in zip(event_ids, item_ids, strict=True)
    ]
    return batch_request(shop, {"visitor_id": visitor_id, "events": events})


def batch_request(shop: Shop, batch: Mapping[str, Any]) -> str:
    """Return the request by which a browser sends a batch of events."""
    body = orjson.dumps(batch).decode()
    lines = ("Content-Type: text/plain", f"Content-Length: {len(body)}")
    return _request(f"POST /v1/events?{urlencode({'key': shop.public_key})}", lines, body)


def _request(target: str, headers: Sequence[str] = (), body: str = "") -> str:
    lines = (f"{target} HTTP/1.1", "Host: shop.example", *_HEADERS, *headers)
    return "\r\n".join(lines) + "\r\n\r\n" + body
