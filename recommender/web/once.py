"""Requests that may be sent twice and have their effect once: Idempotency-Key and webhook-id."""

import hashlib
from collections.abc import Callable, Sequence

import orjson
import sqlalchemy as sa
from flask import Response, request

from recommender.errors import InvalidInputError
from recommender.records import Shop
from recommender.shops.replies import (
    KEPT_FOR_EVER,
    AlreadyAnsweredError,
    OnceKey,
    Reply,
    known_reply,
    remember_reply,
)
from recommender.web.context import json_response, services

MAX_KEY = 255
Remember = Callable[[sa.Connection, int, object], None]
"""Stores status and body of the answer; to be called inside the effect's transaction."""


def idempotency_key(shop: Shop) -> list[OnceKey]:
    """Return the key that the caller gave this request, if any.

    Raises:
        InvalidInputError: `bad-id`: it is not 1 to 255 visible characters.
    """
    told = request.headers.get("Idempotency-Key")
    if told is None:
        return []
    if not 1 <= len(told) <= MAX_KEY or not told.isprintable():
        raise InvalidInputError(
            f"Idempotency-Key has 1 to {MAX_KEY} visible characters", code="bad-id"
        )
    return [OnceKey(shop.shop_id, f"{request.method} {request.path}"[:60], told, _body_hash())]


def message_key(shop: Shop, message_id: str, *, sender: str = "") -> OnceKey:
    """Return the key under which a signed message is known for ever.

    Args:
        shop: Who sent it.
        message_id: As the sender named it.
        sender: Platform; its ids are not signed and may repeat, so there the body belongs to them.
    """
    body_hash = _body_hash()
    if not sender:
        return OnceKey(shop.shop_id, KEPT_FOR_EVER, message_id[:MAX_KEY], body_hash)
    key = f"{message_id[:150]}:{body_hash}"
    return OnceKey(shop.shop_id, f"{KEPT_FOR_EVER}:{sender}", key, body_hash)


def answer_once(
    keys: Sequence[OnceKey], carry_out: Callable[[Remember], tuple[int, object]]
) -> Response:
    """Answer as this request was answered before, or carry it out and remember the answer.

    Args:
        keys: What the request is recognised by; without any it is carried out every time.
        carry_out: Has the effect; given the function that remembers the answer, returns the
            answer's status and body.

    Raises:
        InvalidInputError: `key-reused`, or `request-in-flight` when the same request is being
            carried out right now.
    """
    now = services().now()

    def remember(connection: sa.Connection, status: int, body: object) -> None:
        reply = Reply(status, orjson.dumps(body).decode())
        for key in keys:
            remember_reply(connection, key, reply, now)

    known = _known(keys)
    if known is not None:
        return _answer(known)
    try:
        status, body = carry_out(remember)
    except AlreadyAnsweredError:
        return _answer_to_loser(keys)
    return json_response(body, status)


def _answer_to_loser(keys: Sequence[OnceKey]) -> Response:
    """Answer a request whose twin was faster."""
    known = _known(keys)
    if known is None or not keys[0].scope.startswith(KEPT_FOR_EVER):
        raise InvalidInputError(
            "The same request is being carried out; send it again to get its answer",
            code="request-in-flight",
        )
    return _answer(known)


def _known(keys: Sequence[OnceKey]) -> Reply | None:
    replies = [known_reply(key, database=services().database) for key in keys]
    return next((reply for reply in replies if reply is not None), None)


def _answer(reply: Reply) -> Response:
    return json_response(reply.body.encode(), reply.status)


def _body_hash() -> str:
    return hashlib.sha256(request.get_data(cache=True)).hexdigest()
