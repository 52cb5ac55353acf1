"""The Flask application: registers routes, errors and headers; nothing is decided here."""

from typing import TYPE_CHECKING

from flask import Flask, Response, redirect, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from recommender.web import (
    collect_routes,
    console,
    feed_routes,
    operations_routes,
    report_routes,
    rules_routes,
    shop_routes,
    slate_routes,
    visitor_routes,
    webhook_routes,
)
from recommender.web.collect_endpoint import MAX_BODY_BYTES, CollectEndpoint
from recommender.web.direct import direct_answers
from recommender.web.operations_routes import STATIC_FOLDER
from recommender.web.problems import register_problems
from recommender.web.proxy_check import ProxyCheck
from recommender.web.security import (
    RequestsActForNobody,
    register_headers,
    register_text_check,
)
from recommender.web.slate_endpoint import SlateEndpoint

if TYPE_CHECKING:
    from recommender.bootstrap import Services


def create_app(services: "Services") -> Flask:
    """Build the web application over the given services."""
    secure = services.settings.public_url.startswith("https://")
    app = Flask(__name__, static_folder=str(STATIC_FOLDER), static_url_path="/static")
    app.config.update(
        SECRET_KEY=services.secret,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="__Host-recommender" if secure else "recommender",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_SSL_STRICT=secure,
    )
    app.extensions["services"] = services
    csrf = CSRFProtect(app)
    for routes in (
        collect_routes,
        slate_routes,
        shop_routes,
        visitor_routes,
        rules_routes,
        feed_routes,
        report_routes,
        operations_routes,
        webhook_routes,
    ):
        app.register_blueprint(routes.blueprint)
        csrf.exempt(routes.blueprint)
    app.register_blueprint(console.blueprint)
    app.add_url_rule("/", "front_door", _front_door)
    register_problems(app)
    register_headers(app, secure=secure)
    register_text_check(app)
    if services.settings.trust_proxy_hops:
        hops = services.settings.trust_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    slates = SlateEndpoint(services, app.wsgi_app)
    collect = CollectEndpoint(services, slates)
    acting = RequestsActForNobody(collect)
    app.wsgi_app = proxy_check = ProxyCheck(acting, services.settings.trust_proxy_hops)  # type: ignore[method-assign]
    # The name under which the web server looks for them (adapters/direct_worker.py).
    app.extensions["direct"] = direct_answers(slates, collect, proxy_check)
    return app


def _front_door() -> Response:
    return redirect(url_for("console.overview"))  # type: ignore[return-value]
