"""Keys by which an order finds the visitor who placed it: keyed hashes of what both know. Pure.

The browser and the shop's server each know the cart's token, the checkout's id, or the shopper's
e-mail address. None of them is stored: only a hash under the shop's own key, which is the same from
either side.
"""

import hashlib
import re

from recommender.events.identity import pseudonym

CART, CHECKOUT, EMAIL = "cart", "checkout", "email"
KINDS = (CART, CHECKOUT, EMAIL)
"""In the order in which they are believed."""
_SHA256 = re.compile("[0-9a-f]{64}")


def link_key(visitor_key: bytes, kind: str, value: str) -> str:
    """Return the stored form of a token, id, or SHA-256 of an e-mail address; empty stays empty.

    Args:
        visitor_key: The shop's key.
        kind: One of `KINDS`.
        value: As the browser or the shop's server tells it.
    """
    value = _plain(kind, value)
    return pseudonym(visitor_key, f"{kind}:{value}") if value else ""


def email_sha256(email: str) -> str:
    """Return the SHA-256 of an e-mail address, trimmed and in small letters; empty stays empty."""
    email = email.strip().lower()
    return hashlib.sha256(email.encode()).hexdigest() if "@" in email else ""


def link_name(kind: str, key: str) -> str:
    """Return how a `link` event names a key in its `order_id`."""
    return f"{kind}:{key}"


def _plain(kind: str, value: str) -> str:
    value = value.strip()
    if kind == CART:
        # Shopify's storefront appends a key that its orders do not carry.
        return value.partition("?")[0]
    if kind == EMAIL:
        value = value.lower()
        return value if _SHA256.fullmatch(value) else ""
    return value
