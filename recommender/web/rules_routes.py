"""The shop's server states its rules: what slates pin, prefer, avoid and never show."""

from flask import Blueprint, Response, request

from recommender.catalog.rule_parsing import parse_rule, rule_document
from recommender.catalog.update_rules import MAX_RULES, delete_rule, list_rules, put_rules
from recommender.errors import InvalidInputError
from recommender.records import Rejection, Rule
from recommender.web.context import json_body, json_response, services
from recommender.web.problems import problem
from recommender.web.security import secret_shop

blueprint = Blueprint("rules", __name__)
MAX_RULES_BYTES = 2 * 1024 * 1024


@blueprint.get("/v1/rules")
def get_rules() -> Response:
    """List the shop's rules."""
    rules = list_rules(secret_shop().shop_id, database=services().database)
    return json_response({"rules": [rule_document(rule) for rule in rules]})


@blueprint.put("/v1/rules")
def put_shop_rules() -> Response:
    """Create or overwrite rules; they hold within a second."""
    request.max_content_length = MAX_RULES_BYTES
    shop = secret_shop()
    document = json_body()
    elements = document.get("rules") if isinstance(document, dict) else document
    if not isinstance(elements, list) or not 1 <= len(elements) <= MAX_RULES:
        raise InvalidInputError(
            f'The body must be {{"rules": […]}} with 1 to {MAX_RULES} rules', code="not-a-batch"
        )
    outcomes = [parse_rule(element, shop, index) for index, element in enumerate(elements)]
    rules = [outcome for outcome in outcomes if isinstance(outcome, Rule)]
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    listed = [
        {"index": rejection.index, "code": rejection.code, "detail": rejection.detail}
        for rejection in rejections
    ]
    if not rules:
        return problem(422, rejections[0].code, rejections[0].detail, rejected=listed)
    revision = put_rules(
        rules,
        database=services().database,
        hot_state=services().state,
        shop_id=shop.shop_id,
        changed_by="api",
        now=services().now(),
    )
    return json_response({"accepted": len(rules), "rejected": listed, "revision": revision})


@blueprint.delete("/v1/rules/<rule_id>")
def delete_shop_rule(rule_id: str) -> Response:
    """Delete a rule; 404 when there is none of this id."""
    shop = secret_shop()
    revision = delete_rule(
        shop.shop_id, rule_id, database=services().database, hot_state=services().state
    )
    return json_response({"rule_id": rule_id, "revision": revision})
