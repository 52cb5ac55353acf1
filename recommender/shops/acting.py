"""Who acts, and for which shop: what row-level security and the audit log go by.

In comes what authentication found out; out goes a value that holds for one request, command or
job. Must not know how anybody was authenticated, nor a database.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar, Token

import msgspec
from msgspec.structs import replace


class Acting(msgspec.Struct, frozen=True):
    """Who acts, and for whom.

    Attributes:
        actor: As the audit log names them: an e-mail address, a key's first characters, a
            command, or `service` for what runs by the clock.
        shop_id: The only shop whose rows may be seen; empty for none.
        all_shops: True for the vendor's own work; None where nobody has said, and then the
            database's opener decides.
    """

    actor: str = "service"
    shop_id: str = ""
    all_shops: bool | None = None


_current: ContextVar[Acting] = ContextVar("acting", default=Acting())  # noqa: B039  it is frozen


def current() -> Acting:
    """Return who acts now."""
    return _current.get()


def act_as(actor: str) -> None:
    """Name who acts from now on, until the request or process ends."""
    _current.set(replace(_current.get(), actor=actor))


def act_for(shop_id: str, actor: str = "") -> None:
    """Act for one shop from now on, until the request ends."""
    _current.set(Acting(actor or current().actor, shop_id, all_shops=False))


def begin_request() -> Token[Acting]:
    """Act for no shop, until authentication names one; `end_request` restores what was before."""
    return _current.set(Acting("anonymous", "", all_shops=False))


def end_request(token: Token[Acting]) -> None:
    """Forget who acted in a request."""
    _current.reset(token)


@contextlib.contextmanager
def for_shop(shop_id: str) -> Iterator[None]:
    """Act for one shop within the block."""
    token = _current.set(Acting(current().actor, shop_id, all_shops=False))
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def all_shops() -> Iterator[None]:
    """Act for the vendor within the block: to find out whose key or login this is, and the like."""
    token = _current.set(replace(current(), all_shops=True))
    try:
        yield
    finally:
        _current.reset(token)
