"""What the hot state holds of one visitor: shared between browsers, read out, taken away.

Keys as in `redis_state`, which writes them, and `devices:SHOP:VISITOR`, the other browsers of the
same person, parted by commas. Must not know why.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from recommender.adapters.redis_state import RECENT_SECONDS, driver_errors, open_client
from recommender.adapters.visitor_keys import (
    devices_key,
    exposed_key,
    latest_key,
    pages_key,
    recent_key,
)
from recommender.paths import Path
from recommender.records import Placement

MAX_DEVICES = 8
_REPLY_SECONDS = 5.0


class RedisPeople:
    """People's traces in the hot state of one server; connects when first used."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url

    @functools.cached_property
    def _client(self) -> "redis.Redis":
        return open_client(self._url, _REPLY_SECONDS, None)

    def share_paths(self, shop_id: str, others: Mapping[str, Sequence[str]]) -> None:
        """Let each browser's slates know the paths of the others named; none cuts it off."""
        with driver_errors():
            pipeline = self._client.pipeline(transaction=True)
            for visitor, known in others.items():
                key = devices_key(shop_id, visitor)
                if known:
                    pipeline.set(key, ",".join(known[:MAX_DEVICES]), ex=RECENT_SECONDS)
                else:
                    pipeline.delete(key)
            pipeline.execute()

    def forget(self, shop_id: str, visitors: Sequence[str]) -> None:
        """Delete all keys of visitors, also from the server's own log of what was written."""
        with driver_errors():
            self._client.delete(*[key for one in visitors for key in _keys(shop_id, one)])
            latest = latest_key(shop_id)
            entries: Any = self._client.lrange(latest, 0, -1)
            for entry in entries:
                if any(one.encode() in entry for one in visitors):
                    self._client.lrem(latest, 0, entry)
            # A rewrite may be running already, or the operator keeps it for himself.
            with contextlib.suppress(redis.ResponseError):
                self._client.bgrewriteaof()

    def held(self, shop_id: str, visitor: str) -> dict[str, Any]:
        """Return what is held of a visitor, as plain values."""
        flags = [exposed_key(shop_id, visitor, placement) for placement in Placement]
        with driver_errors():
            exposed: Any = self._client.mget(flags)
            pages: Any = self._client.get(pages_key(shop_id, visitor))
            steps: Any = self._client.lrange(recent_key(shop_id, visitor), 0, -1)
            devices: Any = self._client.get(devices_key(shop_id, visitor))
            latest: Any = self._client.lrange(latest_key(shop_id), 0, -1)
        return {
            "recent": [step._asdict() for step in Path.of(steps).steps],
            "page_views": int(pages or 0),
            "exposed_in": [
                placement.value
                for placement, flag in zip(Placement, exposed, strict=True)
                if flag is not None
            ],
            "other_browsers": devices.decode().split(",") if devices else [],
            "latest_entries": sum(visitor.encode() in entry for entry in latest),
        }


def _keys(shop_id: str, visitor: str) -> list[str]:
    exposed = [exposed_key(shop_id, visitor, placement) for placement in Placement]
    named = (recent_key, pages_key, devices_key)
    return [*[key(shop_id, visitor) for key in named], *exposed]
