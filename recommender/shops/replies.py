"""Requests whose effect happens once (verb): what was answered is stored with the effect.

In comes a key that the sender chose and the hash of the request's body; out goes the answer given
before, if there was one. Storing happens inside the effect's own transaction, so an effect without
its answer, or an answer without its effect, cannot exist.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError

KEPT_FOR_EVER = "webhook-id"
"""Scope of signed messages; every other scope is forgotten after `KEPT_DAYS`."""
KEPT_DAYS = 90


@dataclass(frozen=True, slots=True)
class OnceKey:
    """Under what a request is recognised.

    Attributes:
        scope: Where the key holds: a route for an Idempotency-Key, `webhook-id…` for messages.
        key: Chosen by the sender, at most 255 characters.
        body_hash: SHA-256 of the request's bytes.
    """

    shop_id: str
    scope: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    body: str


class AlreadyAnsweredError(Exception):
    """The same request was carried out meanwhile; this effect must not be."""


def known_reply(key: OnceKey, *, database: sa.Engine) -> Reply | None:
    """Return what this request was answered before.

    Raises:
        InvalidInputError: `key-reused`: the key was used for another body.
    """
    columns = tables.replies.c
    query = sa.select(columns.body_hash, columns.status, columns.reply).where(
        columns.shop_id == key.shop_id,
        columns.scope == key.scope,
        columns.request_key == key.key,
    )
    with database.connect() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    if row.body_hash != key.body_hash:
        raise InvalidInputError(
            f"{key.key[:60]!r} was used for another request; every request has a key of its own",
            code="key-reused",
        )
    return Reply(row.status, row.reply)


def remember_reply(connection: sa.Connection, key: OnceKey, reply: Reply, now: dt.datetime) -> None:
    """Store an answer in the transaction of its effect.

    Raises:
        AlreadyAnsweredError: Another process was faster; let the transaction roll back.
    """
    row = {
        "shop_id": key.shop_id,
        "scope": key.scope,
        "request_key": key.key,
        "body_hash": key.body_hash,
        "status": reply.status,
        "reply": reply.body,
        "replied_at": now,
    }
    if not tables.insert_ignore(connection, tables.replies, [row]):
        raise AlreadyAnsweredError


def forget_replies(*, database: sa.Engine, now: dt.datetime) -> int:
    """Drop answers to Idempotency-Keys older than `KEPT_DAYS`; return how many."""
    columns = tables.replies.c
    with database.begin() as connection:
        dropped = connection.execute(
            tables.replies.delete().where(
                columns.replied_at < now - dt.timedelta(days=KEPT_DAYS),
                columns.scope.not_like(f"{KEPT_FOR_EVER}%"),
            )
        )
    return int(dropped.rowcount)
