"""The page "Access": the shop's keys and signing secrets, and who changed what."""

from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Shop
from recommender.shops import secret_keys, signing_secrets
from recommender.shops.audit import AuditEntry, read_audit
from recommender.shops.keys import signing_secret
from recommender.web.console_figures import moment
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.context import services

blueprint = Blueprint("access", __name__, url_prefix="/access")
MOST_ENTRIES = 50
_DEEDS = {
    "shop.created": "Shop created",
    "key.created": "Secret key created",
    "key.revoked": "Secret key revoked",
    "signing-secret.created": "Signing secret created",
    "signing-secret.revoked": "Signing secret revoked",
    "contract.created": "Contract agreed",
    "stratum.started": "Share of visitors changed",
    "placement.changed": "Placement changed",
    "widget.changed": "Widget changed",
    "slot.placed": "Slot placed",
    "slot.switched": "Slot switched",
    "slot.removed": "Slot removed",
    "user.created": "Login created",
    "user.password-set": "Password set",
    "user.removed": "Login removed",
    "origins.changed": "Origins changed",
    "rules.stored": "Rules stored",
    "rule.deleted": "Rule deleted",
    "month.settled": "Month settled",
    "exclusions.stated": "Who does not count was changed",
}
_NAMES = {"key": "secret key", "signing": "signing secret"}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key or signing secret in the list.

    Attributes:
        kind: `key` or `signing`.
        reference: What it is revoked by.
    """

    kind: str
    reference: str
    name: str
    created: str
    used: str
    revoked: str


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the audit log in words."""

    sequence: int
    at: str
    actor: str
    deed: str
    subject: str


@blueprint.get("")
@signed_in
def show() -> str:
    """Show keys and the newest changes."""
    return _page()


@blueprint.get("/<path:_rest>")
@signed_in
def show_again(_rest: str) -> AnyResponse:
    """Lead back from the address of a form that was sent."""
    return redirect(url_for(".show"))


@blueprint.post("/<kind>")
@signed_in
def create(kind: str) -> str:
    """Create a key or signing secret and show it this once."""
    if kind not in _NAMES:
        raise NotFoundError("There is no such kind of key")
    shop_id, database, now = current_visit().shop.shop_id, services().database, services().now()
    try:
        if kind == "key":
            made = secret_keys.add_secret_key(shop_id, database=database, now=now)
        else:
            version = signing_secrets.add_signing_secret(shop_id, database=database, now=now)
            made = signing_secret(services().secret, shop_id, version)
    except InvalidInputError as error:
        return _page(fault=str(error))
    return _page(made=made, made_kind=_NAMES[kind])


@blueprint.post("/<kind>/<reference>/revoke")
@signed_in
def revoke(kind: str, reference: str) -> AnyResponse | tuple[str, int]:
    """Make a key or signing secret invalid."""
    shop_id, database, now = current_visit().shop.shop_id, services().database, services().now()
    try:
        if kind == "signing" and reference.isascii() and reference.isdigit():
            version = int(reference[:9])
            signing_secrets.revoke_signing_secret(shop_id, version, database=database, now=now)
        else:
            secret_keys.revoke_secret_key(shop_id, reference, database=database, now=now)
    except InvalidInputError as error:
        return _page(fault=str(error)), 422
    return redirect(url_for(".show"), code=303)


def _page(**context: str) -> str:
    shop = current_visit().shop
    before = request.args.get("before", "")
    entries = read_audit(
        shop.shop_id,
        database=services().database,
        limit=MOST_ENTRIES,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
    )
    return render_page(
        "access",
        keys=[*_keys(shop), *_signing(shop)],
        changes=[_change(entry, shop) for entry in entries],
        more=entries[-1].sequence if len(entries) == MOST_ENTRIES else None,
        **context,
    )


def _keys(shop: Shop) -> list[KeyRow]:
    return [
        KeyRow(
            kind="key",
            reference=key.hint,
            name=key.hint if key.hint.startswith("…") else f"{key.hint}…",
            created=moment(key.created_at, shop),
            used=f"last used {moment(key.last_used_at, shop)}"
            if key.last_used_at
            else "not used yet",
            revoked=moment(key.revoked_at, shop) if key.revoked_at else "",
        )
        for key in secret_keys.list_secret_keys(shop.shop_id, database=services().database)
    ]


def _signing(shop: Shop) -> list[KeyRow]:
    return [
        KeyRow(
            kind="signing",
            reference=str(one.version),
            name=f"Signing secret {one.version}",
            created=moment(one.created_at, shop),
            used="",
            revoked=moment(one.revoked_at, shop) if one.revoked_at else "",
        )
        for one in signing_secrets.list_signing_secrets(shop.shop_id, database=services().database)
    ]


def _change(entry: AuditEntry, shop: Shop) -> Change:
    deed = _DEEDS.get(entry.action) or entry.action.replace(".", " ").replace("-", " ").capitalize()
    return Change(entry.sequence, moment(entry.at, shop), entry.actor, deed, entry.subject)
