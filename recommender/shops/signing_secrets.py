"""A shop's secrets for signed orders (verb): a new one is valid beside the old until that ends.

A secret derives from the service's own secret, the shop and its version, so a database that was
stolen holds none of them. Stored is only which versions are valid.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.audit import record_audit
from recommender.shops.keys import signing_secret

MAX_SECRETS = 5


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """Which secret, and whether it is valid."""

    version: int
    created_at: dt.datetime
    revoked_at: dt.datetime | None


def add_signing_secret(shop_id: str, *, database: sa.Engine, now: dt.datetime) -> int:
    """Make the next version valid and return its number.

    Raises:
        NotFoundError: There is no such shop.
        InvalidInputError: Code `too-many-keys`.
    """
    with database.begin() as connection:
        known = sa.select(tables.shops.c.shop_id).where(tables.shops.c.shop_id == shop_id)
        if connection.execute(known).first() is None:
            raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
        return insert_signing_secret(connection, shop_id, now)


def insert_signing_secret(connection: sa.Connection, shop_id: str, now: dt.datetime) -> int:
    """Store that the next version is valid, and return its number.

    Raises:
        InvalidInputError: Code `too-many-keys`.
    """
    listed = _read(connection, shop_id)
    if sum(one.revoked_at is None for one in listed) >= MAX_SECRETS:
        raise InvalidInputError(
            f"A shop has at most {MAX_SECRETS} valid signing secrets; revoke one first",
            code="too-many-keys",
        )
    version = max((one.version for one in listed), default=0) + 1
    connection.execute(
        tables.signing_secrets.insert().values(shop_id=shop_id, version=version, created_at=now)
    )
    record_audit(
        connection, "signing-secret.created", shop_id=shop_id, subject=f"version {version}"
    )
    return version


def list_signing_secrets(shop_id: str, *, database: sa.Engine) -> list[SigningSecret]:
    """Return a shop's versions, oldest first, the revoked ones too."""
    with database.connect() as connection:
        return _read(connection, shop_id)


def active_signing_secrets(
    shop_id: str, *, service_secret: bytes, database: sa.Engine
) -> tuple[str, ...]:
    """Return the secrets with which a signature is taken now, newest first."""
    listed = list_signing_secrets(shop_id, database=database)
    versions = sorted((one.version for one in listed if one.revoked_at is None), reverse=True)
    return tuple(signing_secret(service_secret, shop_id, version) for version in versions)


def revoke_signing_secret(
    shop_id: str, version: int, *, database: sa.Engine, now: dt.datetime
) -> None:
    """Refuse signatures made with this version from now on.

    Raises:
        NotFoundError: Code `unknown-secret-key`: there is no such valid version.
        InvalidInputError: Code `last-key`: no signature could be taken any more.
    """
    rows = tables.signing_secrets
    with database.begin() as connection:
        gone = connection.execute(
            rows.update()
            .where(
                rows.c.shop_id == shop_id, rows.c.version == version, rows.c.revoked_at.is_(None)
            )
            .values(revoked_at=now)
        ).rowcount
        if not gone:
            raise NotFoundError(
                f"There is no valid signing secret {version}", code="unknown-secret-key"
            )
        if all(one.revoked_at is not None for one in _read(connection, shop_id)):
            raise InvalidInputError(
                "This is the shop's last signing secret; add its successor first", code="last-key"
            )
        subject = f"version {version}"
        record_audit(connection, "signing-secret.revoked", shop_id=shop_id, subject=subject)


def _read(connection: sa.Connection, shop_id: str) -> list[SigningSecret]:
    rows = tables.signing_secrets.c
    query = (
        sa.select(rows.version, rows.created_at, rows.revoked_at)
        .where(rows.shop_id == shop_id)
        .order_by(rows.version)
    )
    return [SigningSecret(**row._mapping) for row in connection.execute(query)]
