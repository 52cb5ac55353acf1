"""Tokens by which a shop's owner sees the widget before, or instead of, the experiment. Pure.

A token names the shop and when it ends, signed with the service's secret. It opens no data: with
it a page gets slots and slates that its owner switched off, and nothing is recorded.
"""

import datetime as dt

from itsdangerous import BadData, URLSafeSerializer

LIFETIME = dt.timedelta(hours=2)
_MOST_CHARACTERS = 300


def preview_token(shop_id: str, *, service_secret: bytes, now: dt.datetime) -> str:
    """Return a token that holds for `LIFETIME`."""
    ends_at = int((now + LIFETIME).timestamp())
    token = _serializer(service_secret).dumps([shop_id, ends_at])
    return token if isinstance(token, str) else token.decode()


def is_preview(token: str, shop_id: str, *, service_secret: bytes, now: dt.datetime) -> bool:
    """Tell whether a token is genuine, of this shop, and has not ended."""
    if not token or len(token) > _MOST_CHARACTERS:
        return False
    try:
        named, ends_at = _serializer(service_secret).loads(token)
    except (BadData, TypeError, ValueError):
        return False
    return bool(named == shop_id and now.timestamp() < ends_at)


def _serializer(service_secret: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(service_secret, salt="widget-preview")
