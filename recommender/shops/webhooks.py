"""Secrets with which a shop's platform signs its webhooks (verb): kept sealed, several at once."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.audit import record_audit
from recommender.shops.sealing import NONCE_BYTES, seal, unseal

MIN_SECRET_LENGTH = 16
_OWN_SECRET_BYTES = 32
RandomBytes = Callable[[int], bytes]


class Platform(StrEnum):
    """Shop software whose webhooks are understood."""

    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    PRESTASHOP = "prestashop"


class ItemField(StrEnum):
    """Which of the platform's ids are the item ids of the shop's catalogue and events."""

    PRODUCT = "product"
    VARIANT = "variant"
    SKU = "sku"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One secret of one platform.

    Attributes:
        secret_id: What people call it by; tells nothing of the secret.
        domain: The platform's own name of the shop, checked when not empty.
    """

    platform: Platform
    secret_id: str
    item_field: ItemField
    domain: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What a shop says of the webhooks it sets up.

    Attributes:
        secret: What the platform signs with; empty makes one.
        domain: The platform's own name of the shop; empty checks nothing.
    """

    platform: Platform
    secret: str = ""
    item_field: ItemField = ItemField.PRODUCT
    domain: str = ""


def add_webhook(
    shop_id: str,
    new: NewWebhook,
    *,
    database: sa.Engine,
    service_secret: bytes,
    now: dt.datetime,
    random: RandomBytes = secrets.token_bytes,
) -> tuple[Webhook, str]:
    """Accept webhooks signed with a secret; secrets added before stay valid.

    Returns:
        The webhook, and its secret to be shown this once.

    Raises:
        InvalidInputError: `weak-secret`, or `bad-text`.
    """
    platform, domain = new.platform, new.domain.strip().lower()
    secret = new.secret.strip() or random(_OWN_SECRET_BYTES).hex()
    if not MIN_SECRET_LENGTH <= len(secret) <= 200 or not secret.isprintable():
        raise InvalidInputError(
            f"A webhook secret has {MIN_SECRET_LENGTH} to 200 characters", code="weak-secret"
        )
    if len(domain) > 200 or not domain.isprintable():
        raise InvalidInputError("A domain has at most 200 characters", code="bad-text")
    secret_id = f"wh_{random(6).hex()}"
    webhook = Webhook(platform, secret_id, new.item_field, domain, now)
    sealed = seal(
        secret,
        service_secret=service_secret,
        purpose=_purpose(shop_id, platform),
        nonce=random(NONCE_BYTES),
    )
    row = {
        "shop_id": shop_id,
        "platform": platform.value,
        "secret_id": secret_id,
        "sealed": sealed,
        "item_field": new.item_field.value,
        "domain": domain,
        "created_at": now,
    }
    with database.begin() as connection:
        connection.execute(tables.webhook_secrets.insert().values(row))
        subject = f"{platform.value} {secret_id}"
        record_audit(connection, "webhook-secret.created", shop_id=shop_id, subject=subject)
    return webhook, secret


def list_webhooks(shop_id: str, *, database: sa.Engine) -> list[Webhook]:
    """Return the webhooks in force, oldest first."""
    with database.connect() as connection:
        return [_webhook(row) for row in _rows(connection, shop_id)]


def open_webhooks(
    shop_id: str, platform: Platform, *, database: sa.Engine, service_secret: bytes
) -> list[tuple[Webhook, str]]:
    """Return a platform's webhooks in force, each with its secret, newest first.

    Raises:
        InconsistentError: A secret was sealed under another service secret.
    """
    purpose = _purpose(shop_id, platform)
    with database.connect() as connection:
        rows = _rows(connection, shop_id, tables.webhook_secrets.c.platform == platform.value)
    return [
        (_webhook(row), unseal(row.sealed, service_secret=service_secret, purpose=purpose))
        for row in reversed(rows)
    ]


def revoke_webhook(shop_id: str, secret_id: str, *, database: sa.Engine, now: dt.datetime) -> None:
    """Refuse a secret from now on.

    Raises:
        NotFoundError: The shop has no such secret in force.
    """
    columns = tables.webhook_secrets.c
    with database.begin() as connection:
        changed = connection.execute(
            tables.webhook_secrets.update()
            .where(columns.shop_id == shop_id, columns.secret_id == secret_id)
            .where(columns.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        if not changed.rowcount:
            raise NotFoundError(f"There is no webhook secret {secret_id}", code="unknown-webhook")
        record_audit(connection, "webhook-secret.revoked", shop_id=shop_id, subject=secret_id)


def _rows(
    connection: sa.Connection, shop_id: str, *conditions: sa.ColumnElement[bool]
) -> list[sa.Row[tuple[object, ...]]]:
    columns = tables.webhook_secrets.c
    query = (
        sa.select(tables.webhook_secrets)
        .where(columns.shop_id == shop_id, columns.revoked_at.is_(None), *conditions)
        .order_by(columns.created_at, columns.secret_id)
    )
    return list(connection.execute(query).all())


def _webhook(row: sa.Row[tuple[object, ...]]) -> Webhook:
    values = row._mapping
    return Webhook(
        Platform(values["platform"]),
        values["secret_id"],
        ItemField(values["item_field"]),
        values["domain"],
        values["created_at"],
    )


def _purpose(shop_id: str, platform: Platform) -> str:
    return f"{shop_id}:{platform.value}"
