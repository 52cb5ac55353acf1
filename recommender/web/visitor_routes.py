"""A shopper's rights, as the shop's server asks for them: who is who, export, erasure.

All with the secret key: whoever could say with a page's key that a browser is a customer would
see what that customer looked at.
"""

from flask import Blueprint, Response

from recommender.events.erase import erase
from recommender.events.export_visitor import export_visitor
from recommender.events.persons import log_in
from recommender.events.subjects import Subject, browser, customer
from recommender.training.forgetting import VisitorPasts
from recommender.web.context import json_body, json_response, services
from recommender.web.security import secret_shop

blueprint = Blueprint("visitors", __name__)


@blueprint.put("/v1/visitors/<visitor_id>/customer")
def put_customer(visitor_id: str) -> Response:
    """Say which customer logged in on a browser; the next slate knows the customer's path."""
    shop = secret_shop()
    document = json_body()
    login = log_in(
        shop,
        visitor_id,
        document.get("customer_id") if isinstance(document, dict) else None,
        database=services().database,
        paths=services().people,
        now=services().now(),
    )
    body = {"new": login.is_new, "browsers": login.browsers, "shared": login.is_shared}
    return json_response(body, 201 if login.is_new else 200)


@blueprint.get("/v1/visitors/<visitor_id>")
def get_visitor(visitor_id: str) -> Response:
    """Answer all that is held of one browser."""
    return _export(browser(secret_shop(), visitor_id))


@blueprint.delete("/v1/visitors/<visitor_id>")
def delete_visitor(visitor_id: str) -> Response:
    """Erase one browser: at once what slates see, the log and the models within minutes."""
    return _erase(browser(secret_shop(), visitor_id))


@blueprint.get("/v1/customers/<customer_id>")
def get_customer(customer_id: str) -> Response:
    """Answer all that is held of a customer, on all browsers that the customer alone uses."""
    return _export(customer(secret_shop(), customer_id, database=services().database))


@blueprint.delete("/v1/customers/<customer_id>")
def delete_customer(customer_id: str) -> Response:
    """Erase a customer with all browsers that the customer ever logged in on."""
    return _erase(customer(secret_shop(), customer_id, database=services().database))


def _export(subject: Subject) -> Response:
    own = services()
    return json_response(
        export_visitor(
            subject,
            database=own.database,
            event_log=own.event_log,
            stream=own.state,
            hot_state=own.people,
            pasts=VisitorPasts(own.artifacts),
            now=own.now(),
        )
    )


def _erase(subject: Subject) -> Response:
    own = services()
    tombstones = erase(
        subject,
        database=own.database,
        hot_state=own.people,
        file=own.tombstone_file,
        now=own.now(),
    )
    return json_response({"status": "erasing", "visitors": len(tombstones)}, 202)
