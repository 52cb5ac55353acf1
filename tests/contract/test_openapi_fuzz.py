"""The API against its own description: whatever is sent, the answer is one that is described."""

import json
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask.testing import FlaskClient
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from recommender.bootstrap import Services
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop
from recommender.web.app import create_app
from recommender.web.operations_routes import _OPENAPI
from signing import signed_headers
from world import SHOP_ORIGIN

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(json.loads(_OPENAPI.read_bytes()))
OPERATIONS = {
    f"{operation.ok().method.upper()} {operation.ok().path}": operation.ok()
    for operation in SCHEMA.get_all_operations()
}


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


def test_every_answer_is_one_that_is_described(
    client: FlaskClient, services: Services, new_shop: NewShop
) -> None:
    secret = signing_secret(services.secret, new_shop.shop_id)
    for name, operation in OPERATIONS.items():
        statuses = ask(operation, lambda case: send(client, case, new_shop, secret))
        # Webhooks are signed as their platform does, which has tests of its own.
        assert 401 not in statuses or "webhooks" in name, f"{name} did not come past the door"


def ask(operation: Any, answer: Callable[[schemathesis.Case], Any]) -> set[int]:
    """Try many requests of one operation; return the statuses that came back."""
    statuses: set[int] = set()

    @hypothesis.settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy())
    def try_one(case: schemathesis.Case) -> None:
        response = answer(case)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    try_one()
    return statuses


def send(client: FlaskClient, case: schemathesis.Case, shop: NewShop, secret: str) -> Any:
    """Send a generated request as the shop's own server and page would."""
    body = case.body if isinstance(case.body, bytes) else b""
    if isinstance(case.body, dict | list | int | float | bool) or case.body is None:
        body = json.dumps(case.body).encode()
    elif isinstance(case.body, str):
        body = case.body.encode("utf-8", "replace")
    headers = {name: str(value) for name, value in (case.headers or {}).items()}
    headers |= {"Authorization": f"Bearer {shop.secret_key}", "Origin": SHOP_ORIGIN}
    headers |= signed_headers(secret, body) if is_text(body) else {}
    headers["Content-Type"] = case.media_type or "application/json"
    named = dict(case.query or {})
    if "key" in named:
        named["key"] = shop.public_key
    path = case.formatted_path
    if "site_key" in (case.path_parameters or {}):
        path = path.rpartition("/")[0] + f"/{shop.public_key}"
    return client.open(path, method=case.method, query_string=named, data=body, headers=headers)


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
