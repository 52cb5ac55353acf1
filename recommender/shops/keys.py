"""Keys of a shop: how they look, how they are kept. Pure.

The public key is in every page of the shop and can only write events and ask for slates. The
secret key is kept as a hash; it has 256 random bits, so one round of SHA-256 suffices.
"""

import base64
import hashlib
import hmac

SIGNING_SECRET_PREFIX = "whsec_"  # noqa: S105  the scheme's public prefix
HINT_LENGTH = 11
"""`sk_` and eight characters: 40 of 256 bits."""


def public_key(random: bytes) -> str:
    """Return the key that pages carry, `pk_…`."""
    return f"pk_{_readable(random)}"


def secret_key(random: bytes) -> str:
    """Return the key that only the shop's server knows, `sk_…`."""
    return f"sk_{_readable(random)}"


def key_hash(secret: str) -> str:
    """Return what is stored of a secret key, 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_hint(secret: str) -> str:
    """Return the first characters of a secret key: to tell keys apart by."""
    return secret[:HINT_LENGTH]


def signing_secret(service_secret: bytes, shop_id: str, version: int = 1) -> str:
    """Return a version of the shop's secret for signed orders; derived, so it is stored nowhere.

    The form is Standard Webhooks' `whsec_` and base64.
    """
    purpose = f"orders:{shop_id}" if version == 1 else f"orders:{shop_id}:{version}"
    key = hmac.new(service_secret, purpose.encode(), hashlib.sha256).digest()
    return SIGNING_SECRET_PREFIX + base64.b64encode(key).decode()


def _readable(random: bytes) -> str:
    return base64.b32encode(random).decode().rstrip("=").lower()
