"""People of a shop who may open its console (verb)."""

import datetime as dt
import threading
from dataclasses import dataclass

import argon2
import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.acting import all_shops
from recommender.shops.audit import record_audit

# OWASP's minimum for Argon2id; one check takes about 20 ms and 19 MiB.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_UNKNOWN = _HASHER.hash("nobody has this password")
# Each check holds memory: without a gate a flood of logins would exhaust the machine.
_GATE = threading.BoundedSemaphore(4)
MIN_PASSWORD_LENGTH = 12


@dataclass(frozen=True, slots=True)
class User:
    """A person who may open one shop's console.

    Attributes:
        session_epoch: Sessions that began in an earlier epoch have ended.
    """

    user_id: str
    shop_id: str
    email: str
    session_epoch: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """What may be shown of a login."""

    email: str
    created_at: dt.datetime


def add_user(
    shop_id: str, email: str, password: str, *, database: sa.Engine, now: dt.datetime, user_id: str
) -> User:
    """Create a login.

    Raises:
        InvalidInputError: The address is taken or malformed, or the password too short.
    """
    email = _plain(email)
    if "@" not in email or len(email) > 254:
        raise InvalidInputError("This is not an e-mail address", code="bad-email")
    row = {
        "shop_id": shop_id,
        "user_id": user_id,
        "email": email,
        "password_hash": _hash(password),
        "created_at": now,
    }
    try:
        with database.begin() as connection:
            connection.execute(tables.users.insert().values(row))
            record_audit(connection, "user.created", shop_id=shop_id, subject=email)
    except sa.exc.IntegrityError as error:
        raise InvalidInputError(
            "This e-mail address has a login already", code="email-taken"
        ) from error
    return User(user_id, shop_id, email)


def list_logins(shop_id: str, *, database: sa.Engine) -> list[Login]:
    """Return a shop's logins, oldest first."""
    users = tables.users.c
    query = (
        sa.select(users.email, users.created_at)
        .where(users.shop_id == shop_id)
        .order_by(users.created_at, users.email)
    )
    with database.connect() as connection:
        return [Login(**row._mapping) for row in connection.execute(query)]


def set_password(shop_id: str, email: str, password: str, *, database: sa.Engine) -> None:
    """Replace a login's password and end its sessions, wherever their cookies are.

    Raises:
        NotFoundError: Code `unknown-login`: the shop has no login of this address.
        InvalidInputError: The password is too short.
    """
    changed = tables.users.update().values(
        password_hash=_hash(password), session_epoch=tables.users.c.session_epoch + 1
    )
    _change_login(shop_id, email, changed, "user.password-set", database)


def remove_user(shop_id: str, email: str, *, database: sa.Engine) -> None:
    """Take a login away; its sessions end with it.

    Raises:
        NotFoundError: Code `unknown-login`: the shop has no login of this address.
    """
    _change_login(shop_id, email, tables.users.delete(), "user.removed", database)


def _change_login(
    shop_id: str, email: str, change: sa.Update | sa.Delete, action: str, database: sa.Engine
) -> None:
    users, address = tables.users.c, _plain(email)
    own = change.where(users.shop_id == shop_id, users.email == address)
    with database.begin() as connection:
        if not connection.execute(own).rowcount:
            raise NotFoundError(f"{shop_id} has no login {address!r}", code="unknown-login")
        record_audit(connection, action, shop_id=shop_id, subject=address)


def verify_login(email: str, password: str, *, database: sa.Engine) -> User | None:
    """Return the user with this address and password, or None; takes as long either way."""
    query = sa.select(tables.users).where(tables.users.c.email == _plain(email))
    with all_shops(), database.connect() as connection:
        row = connection.execute(query).first()
    with _GATE:
        try:
            _HASHER.verify(_UNKNOWN if row is None else row.password_hash, password)
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return None
        if row is None:
            return None
        if _HASHER.check_needs_rehash(row.password_hash):
            _store_hash(row.user_id, _HASHER.hash(password), database)
    return User(row.user_id, row.shop_id, row.email, row.session_epoch)


def find_user(user_id: str, session_epoch: int, *, database: sa.Engine) -> User | None:
    """Return the user of a session, None when its epoch or the login is over."""
    users = tables.users.c
    query = sa.select(users.user_id, users.shop_id, users.email, users.session_epoch).where(
        users.user_id == user_id, users.session_epoch == session_epoch
    )
    with all_shops(), database.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else User(**row._mapping)


def end_sessions(user: User, *, database: sa.Engine) -> None:
    """End all sessions of a user, wherever their cookies are."""
    users = tables.users
    with database.begin() as connection:
        connection.execute(
            users.update()
            .where(users.c.shop_id == user.shop_id, users.c.user_id == user.user_id)
            .values(session_epoch=users.c.session_epoch + 1)
        )


def _plain(email: str) -> str:
    return email.strip().lower()


def _hash(password: str) -> str:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidInputError(
            f"A password has at least {MIN_PASSWORD_LENGTH} characters", code="weak-password"
        )
    return _HASHER.hash(password)


def _store_hash(user_id: str, password_hash: str, database: sa.Engine) -> None:
    users = tables.users
    with all_shops(), database.begin() as connection:
        connection.execute(
            users.update().where(users.c.user_id == user_id).values(password_hash=password_hash)
        )
