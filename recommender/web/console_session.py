"""Who is looking, by the signed session cookie, and the console's pages made for them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import g, make_response, redirect, render_template, session, url_for

from recommender import tables
from recommender.records import Shop
from recommender.shops.accounts import User
from recommender.web.context import services

SESSION_SECONDS = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in person and the shop they may see."""

    user: User
    shop: Shop


def sign_in(user: User) -> None:
    """Begin a session; nothing of an earlier one stays."""
    session.clear()
    session["user_id"] = user.user_id
    session["signed_in_at"] = int(services().now().timestamp())


def sign_out() -> None:
    """End the session."""
    session.clear()


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let a view run only for a signed-in person; everyone else goes to the login."""

    @functools.wraps(view)
    def guarded(**arguments: Any) -> Any:
        user = _session_user()
        if user is None:
            sign_out()
            return redirect(url_for("console.login"))
        g.visit = Visit(user, services().shops.by_id(user.shop_id))
        response = make_response(view(**arguments))
        # What one person saw must not come back from the cache of a shared machine.
        response.headers["Cache-Control"] = "no-store"
        return response

    return guarded


def current_visit() -> Visit:
    """Return who is looking; only inside a view that `signed_in` guards."""
    visit: Visit = g.visit
    return visit


def render_page(name: str, **context: Any) -> str:
    """Render `console/NAME.html` for who is looking; only inside a guarded view."""
    return render_template(f"console/{name}.html", visit=current_visit(), page=name, **context)


def _session_user() -> User | None:
    """Return the session's user while the session is young and the login still exists."""
    user_id, since = session.get("user_id"), session.get("signed_in_at", 0)
    if not user_id or services().now().timestamp() - since > SESSION_SECONDS:
        return None
    users = tables.users.c
    with services().database.connect() as connection:
        row = connection.execute(
            sa.select(users.user_id, users.shop_id, users.email).where(users.user_id == user_id)
        ).first()
    return None if row is None else User(row.user_id, row.shop_id, row.email)
