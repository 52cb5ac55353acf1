"""Webhooks of shop platforms: the site key names the shop, the platform's signature proves it.

A message that was understood, or never will be, is answered 200: platforms give up a webhook that
fails a few times, and one strange order must not cost all that come after it. What could not be
read is listed for the shop.
"""

import hashlib
import re

from flask import Blueprint, Response, request

from recommender import tables
from recommender.errors import InvalidInputError, NotAllowedError, NotFoundError
from recommender.events.platform_orders import Delivery
from recommender.events.platforms import PLATFORMS, PlatformRules, is_signed, plain_domain
from recommender.events.record_order import Recorded, record_facts
from recommender.records import OrderFact, Shop
from recommender.shops.acting import act_for
from recommender.shops.webhooks import Platform, Webhook, open_webhooks
from recommender.web.context import json_body, json_response, services
from recommender.web.once import Remember, answer_once, message_key
from recommender.web.security import shop_of_page

blueprint = Blueprint("webhooks", __name__)
MAX_WEBHOOK_BYTES = 2 * 1024 * 1024
_PING = re.compile(rb"webhook_id=[0-9]{1,18}")


@blueprint.post("/v1/webhooks/<platform>")
def post_webhook(platform: str) -> Response:
    """Take what a platform tells of an order."""
    request.max_content_length = MAX_WEBHOOK_BYTES
    shop = shop_of_page(services().shops, request.args.get("key", ""), None)
    act_for(shop.shop_id, f"webhook {platform[:20]}")
    known = _platform(platform)
    rules = PLATFORMS[known]
    if known is Platform.WOOCOMMERCE and _is_ping(rules):
        return json_response({"status": "ping"})
    webhook = _proven(shop, known, rules)
    topic = request.headers.get(rules.topic, "").strip().lower()[:60]
    delivery = Delivery(shop, topic, services().now(), webhook.item_field)
    try:
        facts = rules.read(json_body(), delivery)
    except InvalidInputError as error:
        _list_fault(known, delivery, error)
        return json_response({"status": "listed", "code": error.code, "detail": str(error)})
    if not facts:
        return json_response({"status": "ignored"})
    return _record(shop, known, rules, facts)


def _platform(name: str) -> Platform:
    try:
        return Platform(name)
    except ValueError as error:
        raise NotFoundError(
            f"There is no platform {name[:20]}: shopify, woocommerce, prestashop",
            code="unknown-platform",
        ) from error


def _is_ping(rules: PlatformRules) -> bool:
    """Tell whether WooCommerce only tries the address, which it does unsigned."""
    unsigned = rules.signature not in request.headers
    return unsigned and _PING.fullmatch(request.get_data(cache=True)) is not None


def _proven(shop: Shop, platform: Platform, rules: PlatformRules) -> Webhook:
    """Return the webhook whose secret signed the body.

    Raises:
        NotAllowedError: Unsigned, signed with no secret in force, changed on the way, or sent for
            another shop of the platform.
    """
    signature, body = request.headers.get(rules.signature, ""), request.get_data(cache=True)
    opened = open_webhooks(
        shop.shop_id,
        platform,
        database=services().database,
        service_secret=services().secret,
    )
    proven = next(
        (webhook for webhook, secret in opened if is_signed(body, signature, secret)), None
    )
    if proven is None:
        raise NotAllowedError(
            f"{rules.signature} does not fit the body with any webhook secret of this shop",
            code="bad-signature",
        )
    domain = plain_domain(request.headers.get(rules.domain, ""))
    if proven.domain and plain_domain(proven.domain) != domain:
        raise NotAllowedError(
            f"{rules.domain} names another shop than {proven.domain}", code="bad-signature"
        )
    return proven


def _record(
    shop: Shop, platform: Platform, rules: PlatformRules, facts: tuple[OrderFact, ...]
) -> Response:
    key = message_key(
        shop, request.headers.get(rules.delivery_id, "").strip(), sender=platform.value
    )

    def carry_out(remember: Remember) -> tuple[int, object]:
        recorded = record_facts(
            facts,
            database=services().database,
            stream=services().state,
            in_transaction=lambda connection, told: remember(connection, 200, _told(told)),
        )
        return 200, _told(recorded)

    return answer_once([key], carry_out)


def _told(recorded: Recorded) -> dict[str, object]:
    return {
        "status": "taken",
        "new": len(recorded.new),
        "conflicts": len(recorded.conflicts),
    }


def _list_fault(platform: Platform, delivery: Delivery, error: InvalidInputError) -> None:
    body = request.get_data(cache=True)
    words = f"{platform.value}\x1e{delivery.topic}\x1e".encode() + body
    found = re.search(rb'"(?:order_)?id"\s*:\s*"?([0-9A-Za-z_-]{1,40})', body)
    row = {
        "shop_id": delivery.shop.shop_id,
        "fault_id": hashlib.sha256(words).hexdigest(),
        "platform": platform.value,
        "topic": delivery.topic,
        "order_id": found[1].decode() if found else "",
        "code": error.code,
        "detail": str(error)[:500],
        "received_at": delivery.received_at,
    }
    with services().database.begin() as connection:
        tables.insert_ignore(connection, tables.order_faults, [row])
