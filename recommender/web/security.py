"""Who may do what: site keys bound to origins, secret keys, signatures, headers."""

from flask import Flask, Response, g, request
from standardwebhooks import Webhook, WebhookVerificationError

from recommender.errors import NotAllowedError
from recommender.records import Shop
from recommender.shops.directory import ShopDirectory
from recommender.shops.keys import signing_secret
from recommender.web.context import services

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_NOSNIFF = ("X-Content-Type-Options", "nosniff")


def public_shop() -> Shop:
    """Return the shop of the request's site key, when the page may use it.

    The origin is a browser's promise, not a proof: it keeps other sites' pages out, and nothing
    said with a public key is ever money.

    Raises:
        NotAllowedError: No or unknown key (401), or a page of another origin (403).
    """
    origin = request.headers.get("Origin")
    shop = shop_of_page(services().shops, request.args.get("key", ""), origin)
    g.allowed_origin = origin
    return shop


def shop_of_page(shops: ShopDirectory, key: str, origin: str | None) -> Shop:
    """Return the shop of a site key, when a page of this origin may use it.

    Args:
        shops: Where shops are looked up.
        key: Site key, may be empty.
        origin: What the browser says of the page; None when it says nothing.

    Raises:
        NotAllowedError: No or unknown key (401), or a page of another origin (403).
    """
    if not key:
        raise NotAllowedError("The site key is missing: add ?key=pk_…", code="missing-key")
    shop = shops.by_public_key(key)
    if origin is not None and origin not in shop.origins:
        raise NotAllowedError(
            f"Pages of {origin[:200]} may not use this site key; add the origin to the shop",
            code="wrong-origin",
        )
    return shop


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
    return services().shops.by_secret_key(key.strip())


def check_signature(shop: Shop) -> None:
    """Check the Standard Webhooks signature over the raw body.

    Raises:
        NotAllowedError: Unsigned, signed with another secret, changed on the way, or older
            than five minutes.
    """
    webhook = Webhook(signing_secret(services().secret, shop.shop_id))
    try:
        webhook.verify(request.get_data(cache=True), dict(request.headers))
    except WebhookVerificationError as error:
        raise NotAllowedError(
            f"The signature does not fit the body: {error}. Sign 'webhook-id.webhook-timestamp."
            "body' with the shop's whsec_ secret",
            code="bad-signature",
        ) from error


def preflight() -> Response:
    """Answer a browser's question whether a page may post JSON here."""
    public_shop()
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


def register_headers(app: Flask) -> None:
    """Add the headers every answer carries."""

    @app.after_request
    def _headers(response: Response) -> Response:
        headers = response.headers
        headers.extend(headers_of_all(response.status_code, g.get("allowed_origin")))
        if response.mimetype == "text/html":
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            headers["Referrer-Policy"] = "same-origin"
        return response
