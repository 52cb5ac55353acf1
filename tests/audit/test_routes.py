"""Every route is described, and every route that is not public asks for a key or a login."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from recommender.bootstrap import Services
from recommender.web.app import create_app

OPENAPI = Path(__file__).parents[2] / "recommender" / "web" / "openapi.json"
# What anyone may ask: nothing in it belongs to a shop or a visitor.
PUBLIC = {
    "operations.healthz",
    "operations.readyz",
    "operations.metrics",
    "operations.openapi",
    "operations.docs",
    "operations.widget",
    "operations.widget_version",
    "slates.get_config",
    "console.login",
    "static",
    "front_door",
}


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


def test_every_other_route_asks_who_is_there(app: Flask) -> None:
    client = app.test_client()
    app.config["WTF_CSRF_ENABLED"] = False
    asked = 0
    for rule, method in rules(app):
        if rule.endpoint in PUBLIC:
            continue
        path = re.sub(r"<(?:\w+:)?\w+>", "1", rule.rule)
        answer = client.open(path, method=method, data=b"{}")
        to_login = answer.status_code in {302, 303} and "/login" in answer.headers["Location"]
        assert answer.status_code == 401 or to_login, (rule.rule, method, answer.status_code)
        asked += 1
    assert asked >= 8
