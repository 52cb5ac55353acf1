"""The shop's own pages: what recommendations changed, what it costs, and whether all is wired up.

Every page reads what was stored by the nightly measurement; nothing heavy runs on a page view.
"""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response as AnyResponse

from recommender import tables
from recommender.billing.preview import preview
from recommender.billing.shown import metrics_beside
from recommender.errors import (
    InvalidInputError,
    NotFoundError,
    RecommenderError,
    UnavailableError,
)
from recommender.records import Event, Shop
from recommender.shops.accounts import verify_login
from recommender.shops.login_throttle import attempt_keys, forgive, take_attempt
from recommender.web import (
    console_access,
    console_contract,
    console_exclusions,
    console_orders,
    console_plan,
    console_recommendations,
    console_rules,
    console_statements,
    console_widget,
)
from recommender.web import console_figures as figures
from recommender.web.console_metrics import metrics_page
from recommender.web.console_session import (
    current_visit,
    render_page,
    sign_in,
    sign_out,
    signed_in,
)
from recommender.web.console_statement import preview_page
from recommender.web.context import services

blueprint = Blueprint("console", __name__, url_prefix="/console")
blueprint.register_blueprint(console_recommendations.blueprint)
blueprint.register_blueprint(console_rules.blueprint)
blueprint.register_blueprint(console_orders.blueprint)
blueprint.register_blueprint(console_widget.blueprint)
blueprint.register_blueprint(console_access.blueprint)
blueprint.register_blueprint(console_statements.blueprint)
blueprint.register_blueprint(console_contract.blueprint)
blueprint.register_blueprint(console_plan.blueprint)
blueprint.register_blueprint(console_exclusions.blueprint)
LATEST_EVENTS = 15
MAX_TYPED = 1_000
_REFUSED = (
    "E-mail address and password do not fit together, or there were too many attempts: then wait "
    "a quarter of an hour."
)


@blueprint.get("/login")
def login() -> str:
    """Show the form."""
    return render_template("console/login.html", email="", error="")


@blueprint.post("/login")
def take_login() -> AnyResponse | tuple[str, int]:
    """Begin a session, or say that address and password do not fit."""
    email, database = request.form.get("email", "")[:MAX_TYPED], services().database
    keys = attempt_keys(email, request.remote_addr or "", service_secret=services().secret)
    user = None
    if take_attempt(keys, database=database, now=services().now()):
        password = request.form.get("password", "")[:MAX_TYPED]
        user = verify_login(email, password, database=database)
    if user is None:
        # The same words for all, so that they tell neither who has a login nor who is held back.
        return render_template("console/login.html", email=email, error=_REFUSED), 401
    forgive(keys, database=database)
    sign_in(user)
    return redirect(url_for("console.overview"))


@blueprint.post("/logout")
def logout() -> AnyResponse:
    """End the session."""
    sign_out()
    return redirect(url_for("console.login"))


@blueprint.get("/")
@signed_in
def overview() -> str:
    """Show what the recommendations changed, and what that costs."""
    shop = current_visit().shop
    seen = preview(shop, database=services().database, now=services().now())
    words = figures.comparison(shop)
    if seen is None or not seen.evidence.sums:
        return render_page(
            "overview",
            statement=None,
            has_events=bool(_latest_events(shop)),
            has_items=_has_items(shop),
            comparison=words,
        )
    metrics = metrics_beside(seen.measured, seen.evidence.contract, seen.bill.target.estimate)
    return render_page(
        "overview",
        comparison=words,
        statement=preview_page(shop, seen),
        cards=figures.behaviour_cards(seen.measured.behaviour, metrics, shop.currency),
        measured_at=figures.moment(seen.measured.measured_at, shop),
    )


@blueprint.get("/metrics")
@signed_in
def metrics() -> str:
    """Show every figure with its intervals, and the experiment cut otherwise."""
    shop = current_visit().shop
    seen = preview(shop, database=services().database, now=services().now())
    if seen is None or not seen.evidence.sums:
        return render_page("metrics", section="overview", view=None)
    estimate = seen.bill.target.estimate
    return render_page(
        "metrics",
        section="overview",
        view=metrics_page(seen.measured, seen.evidence.contract, estimate),
        at=figures.moment(seen.measured.measured_at, shop),
    )


@blueprint.get("/integration")
@signed_in
def integration() -> str:
    """Show the snippet, what arrives, and the last training."""
    shop = current_visit().shop
    return render_page(
        "integration",
        public_url=services().settings.public_url,
        placements=[
            setting.placement.value for setting in shop.placements.values() if setting.enabled
        ],
        events=figures.received(_latest_events(shop), shop),
        has_items=_has_items(shop),
        training=_last_training(shop),
    )


@blueprint.errorhandler(CSRFError)
def expired_form(_: CSRFError) -> tuple[str, int]:
    """Ask again: a form that was open too long, or came from another site."""
    error = "This form was open for too long. Please try again."
    if request.endpoint == "console.take_login":
        return render_template("console/login.html", email="", error=error), 400
    return render_template("console/problem.html", error=error), 400


@blueprint.errorhandler(RecommenderError)
def problem_page(error: RecommenderError) -> tuple[str, int]:
    """Show a fault as a page, in one sentence."""
    status = {InvalidInputError: 422, NotFoundError: 404, UnavailableError: 503}.get(
        type(error), 500
    )
    return render_template("console/problem.html", error=error), status


def _latest_events(shop: Shop) -> list[Event]:
    """Return the newest events; none while the stream does not answer, so that the page stands."""
    try:
        events = services().state.latest_events(shop.shop_id, LATEST_EVENTS)
    except UnavailableError:
        return []
    # A page that was left before its answer came tells its events again from the next one.
    found = {event.event_id: event for event in events}.values()
    return sorted(found, key=lambda event: event.received_at, reverse=True)


def _has_items(shop: Shop) -> bool:
    items = sa.exists().where(tables.items.c.shop_id == shop.shop_id)
    with services().database.connect() as connection:
        return bool(connection.scalar(sa.select(items)))


def _last_training(shop: Shop) -> figures.Training | None:
    row = console_recommendations.newest_training(shop)
    return None if row is None else figures.training(row, shop)
