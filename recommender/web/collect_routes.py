"""Events in: acknowledged only when they are on disk."""

from collections.abc import Callable

from flask import Blueprint, Response

from recommender.events.parsing import ParsedBatch, parse_events
from recommender.events.visits import visits_of
from recommender.records import Event, Rejection
from recommender.telemetry import EVENTS_TOTAL
from recommender.web.context import json_body, json_response, services
from recommender.web.problems import problem
from recommender.web.security import preflight, public_shop

blueprint = Blueprint("collect", __name__)


@blueprint.post("/v1/events", provide_automatic_options=False)
def post_events() -> Response:
    """Store a batch; the answer lists every event's own status in the batch's order."""
    shop = public_shop()
    received_at = services().now()
    batch = parse_events(
        json_body(), shop=shop, received_at=received_at, knows_item=_item_test(shop.shop_id)
    )
    if batch.events:
        services().state.accept(batch.events, visits_of(batch.events))
    return _answer(batch)


@blueprint.route("/v1/events", methods=["OPTIONS"], provide_automatic_options=False)
def options_events() -> Response:
    """Answer the preflight of a page that posts JSON."""
    return preflight()


def _item_test(shop_id: str) -> Callable[[str], bool]:
    catalogue = services().catalogues.get(shop_id)

    def knows_item(item_id: str) -> bool:
        nonlocal catalogue
        # A shop that has not sent its catalogue yet may still send events.
        if not len(catalogue) or catalogue.get(item_id) is not None:
            return True
        # The item may be a second old: follow the newest announcement before saying no.
        announced = services().state.visitor_state(shop_id, "", "").catalogue_revision
        catalogue = services().catalogues.get(shop_id, announced)
        return catalogue.get(item_id) is not None

    return knows_item


def _answer(batch: ParsedBatch) -> Response:
    statuses = [_status(outcome) for outcome in batch.outcomes]
    if batch.events:
        return json_response({"events": statuses}, 202)
    first = batch.outcomes[0]
    assert isinstance(first, Rejection)
    return problem(422, first.code, first.detail, events=statuses)


def _status(outcome: Event | Rejection) -> dict[str, object]:
    if isinstance(outcome, Event):
        EVENTS_TOTAL.labels("accepted", "").inc()
        return {"event_id": outcome.event_id, "status": "accepted"}
    EVENTS_TOTAL.labels("rejected", outcome.code).inc()
    return {
        "index": outcome.index,
        "event_id": outcome.event_id,
        "status": "rejected",
        "code": outcome.code,
        "detail": outcome.detail,
    }
