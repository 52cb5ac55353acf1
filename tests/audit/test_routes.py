"""Every route of the API is described, and nothing else is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from recommender.bootstrap import Services
from recommender.catalog.items import ignored_fields as ignored_in_items
from recommender.events.orders import ignored_fields as ignored_in_order
from recommender.web.app import create_app

OPENAPI = Path(__file__).parents[2] / "recommender" / "web" / "openapi.json"


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


def rules(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def test_every_api_route_is_in_the_description_and_back(app: Flask) -> None:
    described = {
        (path, method.upper())
        for path, methods in json.loads(OPENAPI.read_text())["paths"].items()
        for method in methods
        if method != "options"
    }
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule, method in rules(app)
        if not rule.endpoint.startswith("console.")
        and rule.endpoint not in {"static", "front_door"}
    }
    assert served == described


def test_no_field_that_is_described_is_told_to_be_ignored() -> None:
    schemas = json.loads(OPENAPI.read_text())["components"]["schemas"]
    lines = schemas["Order"]["properties"]["items"]["items"]["properties"]
    for name in ("Order", "Refund"):
        assert ignored_in_order({**schemas[name]["properties"], "items": [lines]}) == []
    assert ignored_in_items([schemas["Items"]["properties"]["items"]["items"]["properties"]]) == []
