"""Who may do what: site keys bound to origins, secret keys, signatures, headers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Flask, Response, g, request
from standardwebhooks import Webhook, WebhookVerificationError

from recommender.errors import InvalidInputError, NotAllowedError
from recommender.records import Shop
from recommender.shops.acting import act_for, begin_request, end_request
from recommender.shops.directory import ShopDirectory
from recommender.shops.keys import key_hint
from recommender.shops.secret_keys import note_use
from recommender.shops.signing_secrets import active_signing_secrets
from recommender.telemetry import FAILED_OPEN_TOTAL
from recommender.web.context import services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_NO_ORIGIN = "null"
"""What browsers say of a sandboxed frame, whatever page it is in."""
_NOSNIFF = ("X-Content-Type-Options", "nosniff")
_PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")


class RequestsActForNobody:
    """WSGI application: until authentication names a shop, a request acts for none.

    Row-level security and the audit log go by it (`shops.acting`).

    Args:
        behind: Answers the request.
    """

    def __init__(self, behind: "WSGIApplication") -> None:
        self._behind = behind

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        token = begin_request()
        try:
            return self._behind(environ, start_response)
        finally:
            end_request(token)


def public_shop(*, sends_events: bool = False) -> Shop:
    """Return the shop of the request's site key, when the page may use it.

    The origin is a browser's promise, not a proof: it keeps other sites' pages out, and nothing
    said with a public key is ever money.

    Args:
        sends_events: See `shop_of_page`.

    Raises:
        NotAllowedError: No or unknown key (401), or a page of another origin (403).
    """
    origin = request.headers.get("Origin")
    key = request.args.get("key", "")
    shop = shop_of_page(services().shops, key, origin, sends_events=sends_events)
    g.allowed_origin = origin
    return shop


def shop_of_page(
    shops: ShopDirectory, key: str, origin: str | None, *, sends_events: bool = False
) -> Shop:
    """Return the shop of a site key, when a page of this origin may use it.

    Args:
        shops: Where shops are looked up.
        key: Site key, may be empty.
        origin: What the browser says of the page; None when it says nothing.
        sends_events: Whether it only tells and asks nothing, so that it may be a sandboxed pixel
            where the shop takes these.

    Raises:
        NotAllowedError: No or unknown key (401), or a page of another origin (403).
    """
    if not key:
        raise NotAllowedError("The site key is missing: add ?key=pk_…", code="missing-key")
    shop = shops.by_public_key(key)
    is_pixel = sends_events and origin == _NO_ORIGIN and shop.widget.sandboxed_pixels
    if origin is not None and origin not in shop.origins and not is_pixel:
        raise NotAllowedError(_refusal(origin), code="wrong-origin")
    act_for(shop.shop_id, "page")
    return shop


def _refusal(origin: str) -> str:
    if origin == _NO_ORIGIN:
        return (
            "A frame without an origin may at most send events, and only where the console's page "
            "Widget says 'Take events from sandboxed pixels'"
        )
    return f"Pages of {origin[:200]} may not use this site key; add the origin to the shop"


def secret_shop() -> Shop:
    """Return the shop whose secret key the request carries.

    Raises:
        NotAllowedError: No or unknown secret key.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sk_"):
        raise NotAllowedError(
            "Send the secret key as 'Authorization: Bearer sk_…'", code="missing-key"
        )
    key = key.strip()
    shop = services().shops.by_secret_key(key)
    act_for(shop.shop_id, key_hint(key))
    try:
        note_use(shop.shop_id, key, database=services().database, now=services().now())
    except sa.exc.SQLAlchemyError:
        FAILED_OPEN_TOTAL.labels(part="key-use").inc()
    return shop


def check_signature(shop: Shop) -> None:
    """Check the Standard Webhooks signature over the raw body.

    Raises:
        NotAllowedError: Unsigned, signed with another secret, changed on the way, or older
            than five minutes.
    """
    body, headers = request.get_data(cache=True), dict(request.headers)
    secrets = active_signing_secrets(
        shop.shop_id, service_secret=services().secret, database=services().database
    )
    reason = "the shop has no signing secret"
    for secret in secrets:
        try:
            Webhook(secret).verify(body, headers, json_parse=False)
        # A signature that is no base64 leaves the library as it is.
        except (WebhookVerificationError, ValueError) as error:
            reason = str(error)
        else:
            return
    raise NotAllowedError(
        f"The signature does not fit the body: {reason}. Sign 'webhook-id.webhook-timestamp.body' "
        "with one of the shop's whsec_ secrets",
        code="bad-signature",
    )


def preflight() -> Response:
    """Answer a browser's question whether a page may post JSON here."""
    public_shop(sends_events=True)
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    return response


def headers_of_all(status: int, allowed_origin: str | None) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer carries.

    Args:
        status: HTTP status of the answer.
        allowed_origin: Origin of the page that may read it, as far as it was checked.
    """
    if allowed_origin:
        return (
            _NOSNIFF,
            ("Access-Control-Allow-Origin", allowed_origin),
            ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", "Retry-After"),
        )
    if status in {401, 403}:
        # Without it a page cannot tell "you may not" from a lost connection, and tries again
        # for days. The answer says nothing that the page did not send.
        return (_NOSNIFF, ("Access-Control-Allow-Origin", "*"))
    return (_NOSNIFF,)


def register_headers(app: Flask, *, secure: bool) -> None:
    """Add the headers every answer carries.

    Args:
        app: The application.
        secure: Whether browsers reach it by https.
    """

    @app.after_request
    def _headers(response: Response) -> Response:
        headers = response.headers
        headers.extend(headers_of_all(response.status_code, g.get("allowed_origin")))
        if secure:
            headers.add(*_STRICT_TRANSPORT)
        if response.mimetype == "text/html":
            headers.update(_PAGE_HEADERS)
        if request.path.startswith("/console"):
            # What one person saw must not come back from the cache of a shared machine.
            headers["Cache-Control"] = "no-store"
        return response


def register_text_check(app: Flask) -> None:
    """Refuse the one character that PostgreSQL cannot keep, wherever it stands."""

    @app.before_request
    def _check() -> None:
        texts = [request.path, *(value for _, value in request.args.items(multi=True))]
        if request.path.startswith("/console"):
            texts += [value for _, value in request.form.items(multi=True)]
        if any("\0" in text for text in texts):
            raise InvalidInputError("A text contains a NUL character", code="bad-text")
