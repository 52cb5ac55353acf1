"""The demo's web shop: an application and origin of its own, and merely a customer.

It knows of the service what every shop knows: an address, a snippet for its pages, a secret key
and a signing secret. Its pages carry a normal shop's GA4 data layer and work without JavaScript.
"""

import datetime as dt
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, g, redirect, request, session
from flask import render_template as render
from werkzeug.wrappers import Response as AnyResponse

from recommender.demo.goods import Good, Goods, slug_of
from recommender.demo.notes import StorefrontConfig
from recommender.demo.outbox import Outbox
from recommender.demo.pictures import draw
from recommender.shops.money import format_minor
from recommender.telemetry import configure_logging

MAX_LINES = 50
MAX_QUANTITY = 99
_DAY_SECONDS = 86_400
blueprint = Blueprint("storefront", __name__)


def create_app(
    config_path: str, *, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
) -> Flask:
    """Build the storefront.

    Args:
        config_path: File with the fields of `StorefrontConfig`.
        now: Clock of orders.
    """
    config = StorefrontConfig(**json.loads(Path(config_path).read_text()))
    app = Flask("recommender.demo")
    app.config.update(
        SECRET_KEY=config.cookie_key,
        SESSION_COOKIE_NAME="larkspur_cart",
        SESSION_COOKIE_SAMESITE="Lax",
        SEND_FILE_MAX_AGE_DEFAULT=_DAY_SECONDS,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.extensions["storefront"] = {
        "config": config,
        "goods": Goods.read(Path(config.catalogue)),
        "outbox": Outbox(config, now=now),
        "now": now,
    }
    app.jinja_env.filters["money"] = _money
    app.jinja_env.filters["slug"] = slug_of
    app.jinja_env.globals.update(shop=config)
    app.context_processor(lambda: {"nav": _goods().categories()[:8], "cart_count": _cart_count()})
    app.register_blueprint(blueprint)
    app.register_error_handler(404, lambda _error: (render("missing.html"), 404))
    app.before_request(_make_nonce)
    app.after_request(_add_headers)
    return app


def serve_app(config_path: str) -> Flask:
    """Build the storefront for a server process: with its log, and with orders being sent."""
    configure_logging(service="storefront")
    app = create_app(config_path)
    app.extensions["storefront"]["outbox"].start()
    return app


@blueprint.get("/")
def home() -> str:
    """Show the front page."""
    goods = _goods()
    return render(
        "home.html", categories=goods.categories()[:12], goods=goods, best=goods.best(10), layer=[]
    )


@blueprint.get("/c/<slug>")
def category(slug: str) -> str:
    """Show one page of a category."""
    name = _goods().category(slug) or abort(404)
    shelf = _goods().in_category(slug, _page())
    event = _event("view_item_list", shelf.goods, item_list_id=slug, item_list_name=name)
    return render("category.html", name=name, slug=slug, shelf=shelf, layer=[event])


@blueprint.get("/search")
def search() -> str:
    """Show what a search found, or that it found nothing."""
    term = request.args.get("q", "").strip()[:100]
    shelf = _goods().search(term, _page())
    layer: list[Mapping[str, Any]] = [{"event": "search", "search_term": term}] if term else []
    return render("search.html", term=term, shelf=shelf, layer=layer)


@blueprint.get("/p/<path:item_id>")
def product(item_id: str) -> str:
    """Show a product."""
    good = _goods().get(item_id) or abort(404)
    return render(
        "product.html",
        good=good,
        json_ld=_json_ld(good),
        layer=[_event("view_item", [good], value=_price(good.price_minor, good.currency))],
    )


@blueprint.get("/image/<path:item_id>.svg")
def image(item_id: str) -> Response:
    """Draw a product."""
    good = _goods().get(item_id) or abort(404)
    response = Response(
        draw(good.item_id, good.title, good.category), content_type="image/svg+xml; charset=utf-8"
    )
    response.headers["Cache-Control"] = f"public, max-age={_DAY_SECONDS}"
    return response


@blueprint.post("/cart")
def change_cart() -> AnyResponse:
    """Put a product into the cart, or set its quantity; 0 takes it out."""
    good = _goods().get(request.form.get("item_id", "")) or abort(404)
    quantity = _quantity(request.form.get("quantity", "1"))
    cart = _cart()
    is_set = "set" in request.form
    total = quantity if is_set else cart.get(good.item_id, 0) + quantity
    if total and (good.item_id in cart or len(cart) < MAX_LINES):
        cart[good.item_id] = min(total, MAX_QUANTITY)
    elif not total:
        cart.pop(good.item_id, None)
    session["cart"] = list(cart.items())
    if not is_set:
        session["added"] = [good.item_id, quantity]
    return redirect("/cart", 303)


@blueprint.get("/cart")
def cart() -> str:
    """Show the cart."""
    lines = _cart_lines()
    layer = [_event("view_cart", *zip(*lines, strict=True))] if lines else []
    item_id, quantity = session.pop("added", ("", 0))
    if added := _goods().get(item_id):
        layer.insert(0, _event("add_to_cart", [added], [quantity]))
    return render("cart.html", lines=lines, total=_total(lines), layer=layer)


@blueprint.post("/checkout")
def checkout() -> AnyResponse:
    """Take the order: there is no payment, but the service is told as by any shop."""
    lines = _cart_lines()
    if not lines:
        return redirect("/cart", 303)
    order_id = f"LG-{secrets.token_hex(4).upper()}"
    _parts()["outbox"].put(
        {
            "order_id": order_id,
            "visitor_id": request.cookies.get("rcm_vid", "")[:64],
            "placed_at": _parts()["now"]().isoformat(),
            "currency": lines[0][0].currency,
            "net_minor": _total(lines),
            "items": [
                {"item_id": good.item_id, "quantity": number, "price_minor": good.price_minor}
                for good, number in lines
            ],
        }
    )
    session["ordered"] = [order_id, [(good.item_id, number) for good, number in lines]]
    session.pop("cart", None)
    return redirect("/thanks", 303)


@blueprint.get("/thanks")
def thanks() -> str | AnyResponse:
    """Say thank you; like anybody's thank-you page it can be seen twice, or never."""
    if "ordered" not in session:
        return redirect("/", 303)
    order_id, cart = session["ordered"]
    lines = _lines_of(dict(cart))
    value = _price(_total(lines), lines[0][0].currency) if lines else 0
    event = _event("purchase", *zip(*lines, strict=True), transaction_id=order_id, value=value)
    return render("thanks.html", order_id=order_id, lines=lines, total=_total(lines), layer=[event])


@blueprint.post("/visitor")
def change_visitor() -> AnyResponse:
    """Become somebody new: the widget draws another visitor, and so perhaps another arm."""
    response = redirect("/", 303)
    response.delete_cookie("rcm_vid")
    session.clear()
    return response


@blueprint.get("/healthz")
def healthz() -> str:
    """Tell that the storefront answers."""
    return "ok"


def _parts() -> dict[str, Any]:
    parts: dict[str, Any] = current_app.extensions["storefront"]
    return parts


def _goods() -> Goods:
    goods: Goods = _parts()["goods"]
    return goods


def _page() -> int:
    text = request.args.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _quantity(text: str) -> int:
    return min(int(text), MAX_QUANTITY) if text.isascii() and text.isdigit() else 1


def _cart() -> dict[str, int]:
    # Pairs, because the cookie's JSON would sort an object by its keys.
    return dict(session.get("cart", []))


def _lines_of(cart: Mapping[str, int]) -> list[tuple[Good, int]]:
    found = [(_goods().get(item_id), quantity) for item_id, quantity in cart.items()]
    return [(good, quantity) for good, quantity in found if good is not None]


def _cart_lines() -> list[tuple[Good, int]]:
    return _lines_of(_cart())


def _cart_count() -> int:
    return sum(_cart().values())


def _total(lines: Sequence[tuple[Good, int]]) -> int:
    return sum(good.price_minor * quantity for good, quantity in lines)


def _money(minor: int, currency: str = "GBP") -> str:
    return f"{'£' if currency == 'GBP' else currency + ' '}{format_minor(minor, currency)}"


def _price(minor: int, currency: str) -> float:
    # GA4 wants a JSON number; nobody calculates with it.
    return float(format_minor(minor, currency))


def _event(
    name: str, goods: Sequence[Good], quantities: Sequence[int] = (), **more: Any
) -> dict[str, Any]:
    """Return an entry of the data layer in GA4's words."""
    items = [
        {
            "item_id": good.item_id,
            "item_name": good.title,
            "item_category": good.category,
            "price": _price(good.price_minor, good.currency),
            "quantity": quantity,
        }
        for good, quantity in zip(goods, quantities or [1] * len(goods), strict=True)
    ]
    currency = goods[0].currency if goods else "GBP"
    return {"event": name, "ecommerce": {"currency": currency, **more, "items": items}}


def _json_ld(good: Good) -> dict[str, Any]:
    return {
        "@context": "https://schema.org",
        "@type": "Product",
        "sku": good.item_id,
        "name": good.title,
        "category": good.category,
        "image": request.host_url.rstrip("/") + good.image_url,
        "url": request.host_url.rstrip("/") + good.url,
        "offers": {
            "@type": "Offer",
            "price": format_minor(good.price_minor, good.currency),
            "priceCurrency": good.currency,
            "availability": "https://schema.org/InStock",
        },
    }


def _make_nonce() -> None:
    g.nonce = secrets.token_urlsafe(16)


def _add_headers(response: Response) -> Response:
    """Add a policy as strict as careful shops have: the widget must live with it."""
    service = _parts()["config"].service_url
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'nonce-{g.nonce}' {service}; connect-src {service}; "
        "style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    return response
