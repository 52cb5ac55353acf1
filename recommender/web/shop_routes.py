"""The shop's server speaks: catalogue, orders, refunds. All with the secret key."""

from flask import Blueprint, Response, request

from recommender.catalog.items import parse_item
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError
from recommender.events.orders import parse_order, parse_refund
from recommender.events.record_order import record_order
from recommender.records import Item, Rejection
from recommender.web.context import json_body, json_response, services
from recommender.web.problems import problem
from recommender.web.security import check_signature, secret_shop

blueprint = Blueprint("shop", __name__)
MAX_ITEMS_BYTES = 8 * 1024 * 1024
MAX_ITEMS = 5_000


@blueprint.put("/v1/items")
def put_shop_items() -> Response:
    """Create or overwrite items; a stock-out holds from the next recommendation on."""
    request.max_content_length = MAX_ITEMS_BYTES
    shop = secret_shop()
    document = json_body()
    elements = document.get("items") if isinstance(document, dict) else document
    if not isinstance(elements, list) or not 1 <= len(elements) <= MAX_ITEMS:
        raise InvalidInputError(
            f'The body must be {{"items": […]}} with 1 to {MAX_ITEMS} items', code="not-a-batch"
        )
    outcomes = [parse_item(element, shop, index) for index, element in enumerate(elements)]
    items = [outcome for outcome in outcomes if isinstance(outcome, Item)]
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    listed = [
        {"index": rejection.index, "code": rejection.code, "detail": rejection.detail}
        for rejection in rejections
    ]
    if not items:
        return problem(422, rejections[0].code, rejections[0].detail, rejected=listed)
    revision = put_items(
        items,
        database=services().database,
        hot_state=services().state,
        shop_id=shop.shop_id,
        now=services().now(),
    )
    return json_response({"accepted": len(items), "rejected": listed, "revision": revision})


@blueprint.post("/v1/orders")
def post_order() -> Response:
    """Take a signed order: 201 when new, 200 when told before, 409 when it contradicts itself."""
    shop = secret_shop()
    check_signature(shop)
    document = json_body()
    fact = parse_order(document, shop=shop, received_at=services().now())
    is_new = record_order(fact, document, database=services().database, stream=services().state)
    return json_response({"order_id": fact.order_id, "new": is_new}, 201 if is_new else 200)


@blueprint.post("/v1/refunds")
def post_refund() -> Response:
    """Take a signed refund; same answers as for an order."""
    shop = secret_shop()
    check_signature(shop)
    document = json_body()
    fact = parse_refund(document, shop=shop, received_at=services().now())
    is_new = record_order(fact, document, database=services().database, stream=services().state)
    return json_response({"refund_id": fact.fact_id, "new": is_new}, 201 if is_new else 200)
