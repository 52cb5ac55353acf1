"""A shop's web origins (verb): whose pages may use its site key."""

from collections.abc import Collection
from urllib.parse import urlsplit

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.audit import record_audit

_USUAL_PORTS = {"http": 80, "https": 443}


def plain_origin(text: str) -> str | None:
    """Return an origin as browsers write it, None where the text says more, less or something else.

    Browsers write small letters, no usual port and no slash at the end.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets or a port that are none
        return None
    says_more = parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username
    if parts.scheme not in _USUAL_PORTS or not host or says_more:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (
        "" if port in {None, _USUAL_PORTS[parts.scheme]} else f":{port}"
    )


def read_origins(told: Collection[str]) -> list[str]:
    """Return origins as browsers write them, each once.

    Raises:
        InvalidInputError: Code `bad-origin`: names the first text that is no origin.
    """
    origins = {text: plain_origin(text) for text in told}
    for text, origin in origins.items():
        if origin is None:
            raise InvalidInputError(
                f"{text[:200]!r} is no origin: write scheme and host, and a port where there is "
                "one, such as https://shop.example, without a path",
                code="bad-origin",
            )
    return list(dict.fromkeys(origin for origin in origins.values() if origin is not None))


def change_origins(
    shop_id: str, *, add: Collection[str] = (), remove: Collection[str] = (), database: sa.Engine
) -> tuple[str, ...]:
    """Add and remove origins and return what there is then; the web follows within seconds.

    A change that changes nothing leaves no entry in the audit log.

    Raises:
        NotFoundError: There is no such shop; or, `unknown-origin`, it lacks what shall go.
        InvalidInputError: `bad-origin`; `last-origin`, the shop would be left without one.
    """
    added, removed, shops = read_origins(add), read_origins(remove), tables.shops
    own = shops.c.shop_id == shop_id
    with database.execution_options(sqlite_begin="IMMEDIATE").begin() as connection:
        before = connection.scalar(sa.select(shops.c.origins).where(own).with_for_update())
        if before is None:
            raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
        _check_removed(removed, before)
        # The first one stays first: links to the shop are made of it.
        after = [origin for origin in dict.fromkeys([*before, *added]) if origin not in removed]
        if not after:
            raise InvalidInputError(
                "A shop has at least one origin; add its successor too", code="last-origin"
            )
        if after != before:
            connection.execute(shops.update().where(own).values(origins=after))
            record_audit(
                connection,
                "origins.changed",
                shop_id=shop_id,
                added=" ".join(added),
                removed=" ".join(removed),
            )
    return tuple(after)


def _check_removed(removed: Collection[str], known: Collection[str]) -> None:
    for origin in removed:
        if origin not in known:
            raise NotFoundError(f"The shop has no origin {origin}", code="unknown-origin")
