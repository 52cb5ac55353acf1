"""The shop's server speaks: catalogue, orders, refunds. All with the secret key."""

import sqlalchemy as sa
from flask import Blueprint, Response, request

from recommender.catalog.items import ignored_fields as ignored_in_items
from recommender.catalog.items import parse_item
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError
from recommender.events.orders import ignored_fields as ignored_in_order
from recommender.events.orders import parse_order, parse_refund
from recommender.events.record_order import Recorded, record_facts
from recommender.records import Item, OrderFact, Rejection, Shop
from recommender.web.context import json_body, services
from recommender.web.once import Remember, answer_once, idempotency_key, message_key
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
    told = {"accepted": len(items), "rejected": listed, "ignored": ignored_in_items(elements)}
    return answer_once(idempotency_key(shop), lambda remember: _put(shop, items, told, remember))


def _put(
    shop: Shop, items: list[Item], told: dict[str, object], remember: Remember
) -> tuple[int, object]:
    def answer(revision: int) -> dict[str, object]:
        return {**told, "revision": revision}

    def in_transaction(connection: sa.Connection, revision: int) -> None:
        remember(connection, 200, answer(revision))

    revision = put_items(
        items,
        database=services().database,
        hot_state=services().state,
        shop_id=shop.shop_id,
        now=services().now(),
        in_transaction=in_transaction,
    )
    return 200, answer(revision)


@blueprint.post("/v1/orders")
def post_order() -> Response:
    """Take a signed order: 201 when new, 200 when told before, 409 when it contradicts itself."""
    shop = secret_shop()
    check_signature(shop)
    body = json_body()
    fact = parse_order(body, shop=shop, received_at=services().now())
    return _record(shop, fact, {"order_id": fact.order_id, "ignored": ignored_in_order(body)})


@blueprint.post("/v1/refunds")
def post_refund() -> Response:
    """Take a signed refund; same answers as for an order."""
    shop = secret_shop()
    check_signature(shop)
    body = json_body()
    fact = parse_refund(body, shop=shop, received_at=services().now())
    return _record(shop, fact, {"refund_id": fact.fact_id, "ignored": ignored_in_order(body)})


def _record(shop: Shop, fact: OrderFact, told: dict[str, object]) -> Response:
    message = message_key(shop, request.headers["webhook-id"])

    def carry_out(remember: Remember) -> tuple[int, object]:
        def in_transaction(connection: sa.Connection, recorded: Recorded) -> None:
            if not recorded.conflicts:
                remember(connection, *_answer(told, recorded))

        recorded = record_facts(
            [fact],
            database=services().database,
            stream=services().state,
            in_transaction=in_transaction,
        )
        if recorded.conflicts:
            raise InvalidInputError(
                f"{fact.kind.value} {fact.fact_id!r}, revision {fact.revision}, is already stored "
                "with other contents; an edit carries a higher revision",
                code="order-conflict",
            )
        return _answer(told, recorded)

    return answer_once([*idempotency_key(shop), message], carry_out)


def _answer(told: dict[str, object], recorded: Recorded) -> tuple[int, object]:
    is_new = bool(recorded.new)
    return (201 if is_new else 200), {**told, "new": is_new}
