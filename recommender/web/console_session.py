"""Who is looking, by the signed session cookie, and the console's pages made for them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import g, make_response, redirect, render_template, session, url_for

from recommender.records import Shop
from recommender.shops.accounts import User, end_sessions, find_user
from recommender.shops.acting import act_for
from recommender.web.context import services

SESSION_SECONDS = 12 * 3_600
IDLE_SECONDS = 2 * 3_600
_SEEN_EVERY_SECONDS = 300
"""The cookie is renewed no more often than this."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in person and the shop they may see."""

    user: User
    shop: Shop


def sign_in(user: User) -> None:
    """Begin a session; nothing of an earlier one stays."""
    session.clear()
    now = int(services().now().timestamp())
    session["user_id"] = user.user_id
    session["epoch"] = user.session_epoch
    session["signed_in_at"] = session["seen_at"] = now


def sign_out() -> None:
    """End the session, and every other one of the same login: a copied cookie is worth nothing."""
    user = _session_user()
    session.clear()
    if user is not None:
        act_for(user.shop_id, user.email)
        end_sessions(user, database=services().database)


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let a view run only for a signed-in person; everyone else goes to the login."""

    @functools.wraps(view)
    def guarded(**arguments: Any) -> Any:
        user = _session_user()
        if user is None:
            session.clear()
            return redirect(url_for("console.login"))
        act_for(user.shop_id, user.email)
        g.visit = Visit(user, services().shops.by_id(user.shop_id))
        return make_response(view(**arguments))

    return guarded


def current_visit() -> Visit:
    """Return who is looking; only inside a view that `signed_in` guards."""
    visit: Visit = g.visit
    return visit


def render_page(name: str, **context: Any) -> str:
    """Render `console/NAME.html` for who is looking; only inside a guarded view."""
    return render_template(f"console/{name}.html", visit=current_visit(), page=name, **context)


def _session_user() -> User | None:
    """Return the session's user while the session is young and in use and its epoch lasts."""
    user_id, now = session.get("user_id"), services().now().timestamp()
    since, seen = session.get("signed_in_at", 0), session.get("seen_at", 0)
    if not user_id or now - since > SESSION_SECONDS or now - seen > IDLE_SECONDS:
        return None
    if now - seen > _SEEN_EVERY_SECONDS:
        session["seen_at"] = int(now)
    return find_user(user_id, session.get("epoch", -1), database=services().database)
