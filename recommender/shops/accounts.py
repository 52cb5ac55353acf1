"""People of a shop who may open its console (verb)."""

import datetime as dt
import threading
from dataclasses import dataclass

import argon2
import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError

# OWASP's minimum for Argon2id; one check takes about 20 ms and 19 MiB.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_UNKNOWN = _HASHER.hash("nobody has this password")
# Each check holds memory: without a gate a flood of logins would exhaust the machine.
_GATE = threading.BoundedSemaphore(4)
MIN_PASSWORD_LENGTH = 12


@dataclass(frozen=True, slots=True)
class User:
    """A person who may open one shop's console."""

    user_id: str
    shop_id: str
    email: str


def add_user(
    shop_id: str, email: str, password: str, *, database: sa.Engine, now: dt.datetime, user_id: str
) -> User:
    """Create a login.

    Raises:
        InvalidInputError: The address is taken or malformed, or the password too short.
    """
    email = email.strip().lower()
    if "@" not in email or len(email) > 254:
        raise InvalidInputError("This is not an e-mail address", code="bad-email")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidInputError(
            f"A password has at least {MIN_PASSWORD_LENGTH} characters", code="weak-password"
        )
    row = {
        "shop_id": shop_id,
        "user_id": user_id,
        "email": email,
        "password_hash": _HASHER.hash(password),
        "created_at": now,
    }
    try:
        with database.begin() as connection:
            connection.execute(tables.users.insert().values(row))
    except sa.exc.IntegrityError as error:
        raise InvalidInputError(
            "This e-mail address has a login already", code="email-taken"
        ) from error
    return User(user_id, shop_id, email)


def verify_login(email: str, password: str, *, database: sa.Engine) -> User | None:
    """Return the user with this address and password, or None; takes as long either way."""
    with database.connect() as connection:
        row = connection.execute(
            sa.select(tables.users).where(tables.users.c.email == email.strip().lower())
        ).first()
    with _GATE:
        try:
            _HASHER.verify(_UNKNOWN if row is None else row.password_hash, password)
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return None
    return None if row is None else User(row.user_id, row.shop_id, row.email)
