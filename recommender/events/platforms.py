"""The platforms that send webhooks, each with its reader, its headers and its signature. Pure.

A platform is one row here and one module that reads it.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recommender.events.platform_orders import Delivery
from recommender.events.prestashop import read_prestashop
from recommender.events.shopify import read_shopify
from recommender.events.woocommerce import read_woocommerce
from recommender.records import OrderFact
from recommender.shops.webhooks import Platform


@dataclass(frozen=True, slots=True)
class PlatformRules:
    """How one platform speaks.

    Attributes:
        read: Body → statements about one order, none when the message is about something else.
        signature: Header with the base64 of HMAC-SHA256 over the raw body.
        topic: Header that names what the message is about.
        delivery_id: Header with the id of the delivery, the same when it is sent again.
        domain: Header with the platform's own name of the shop.
    """

    read: Callable[[object, Delivery], tuple[OrderFact, ...]]
    signature: str
    topic: str
    delivery_id: str
    domain: str


PLATFORMS: Mapping[Platform, PlatformRules] = {
    Platform.SHOPIFY: PlatformRules(
        read_shopify,
        "X-Shopify-Hmac-Sha256",
        "X-Shopify-Topic",
        "X-Shopify-Webhook-Id",
        "X-Shopify-Shop-Domain",
    ),
    Platform.WOOCOMMERCE: PlatformRules(
        read_woocommerce,
        "X-WC-Webhook-Signature",
        "X-WC-Webhook-Topic",
        "X-WC-Webhook-Delivery-ID",
        "X-WC-Webhook-Source",
    ),
    Platform.PRESTASHOP: PlatformRules(
        read_prestashop,
        "X-Recommender-Signature",
        "X-Recommender-Topic",
        "X-Recommender-Delivery",
        "X-Recommender-Shop",
    ),
}


def sign_body(body: bytes, secret: str) -> str:
    """Return what a platform writes into its signature header."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Tell in constant time whether a signature fits the body."""
    return hmac.compare_digest(sign_body(body, secret).encode(), signature.strip().encode())


def plain_domain(told: str) -> str:
    """Return the bare host: `https://Shop.example/` → `shop.example`."""
    return told.strip().lower().rpartition("://")[2].strip("/")
