"""Slates below the framework: the same answers as every other address gives, for every method."""

import io
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request

from recommender.bootstrap import Services
from recommender.shops.registry import NewShop
from recommender.web.app import create_app
from recommender.web.slate_endpoint import PATH, read_arguments
from world import SHOP_ORIGIN


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what an endpoint asks of a database is tested on both elsewhere."""
    return sqlite_url


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


def ask(client: FlaskClient, shop: NewShop, method: str = "GET", **arguments: str) -> Any:
    query = {"key": shop.public_key, "placement": "product", **arguments}
    headers = {"Origin": SHOP_ORIGIN}
    return client.open(PATH, method=method, query_string=query, headers=headers)


def test_a_slate_has_the_headers_of_every_other_answer(
    client: FlaskClient, new_shop: NewShop
) -> None:
    got, head = (ask(client, new_shop, method) for method in ("GET", "HEAD"))
    assert (got.status_code, head.status_code) == (200, 200)
    assert got.json["items"] == []
    assert head.data == b""
    expected = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Content-Length": str(len(got.data)),
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": SHOP_ORIGIN,
        "Vary": "Origin",
        "Access-Control-Expose-Headers": "Retry-After",
    }
    for answer in (got, head):
        assert {name: answer.headers.getlist(name) for name in expected} == {
            name: [value] for name, value in expected.items()
        }
        assert set(answer.headers.keys()) == set(expected)


def test_a_page_without_an_origin_gets_a_slate_and_no_permission(
    client: FlaskClient, new_shop: NewShop
) -> None:
    answer = client.get(PATH, query_string={"key": new_shop.public_key, "placement": "home"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"placement": "ceiling"}, 422, "unknown-placement"),
        ({"placement": ""}, 422, "unknown-placement"),
        ({"n": "0"}, 422, "bad-count"),
        ({"n": "51"}, 422, "bad-count"),
        ({"n": "-1"}, 422, "bad-count"),
        ({"n": "²"}, 422, "bad-count"),
        ({"n": ""}, 422, "bad-count"),
        ({"item_id": "x" * 101}, 422, "bad-text"),
        ({"visitor_id": "x" * 101}, 422, "bad-text"),
        ({"category": "x" * 301}, 422, "bad-text"),
        ({"key": ""}, 401, "missing-key"),
        ({"key": "pk_nobody"}, 401, "unknown-key"),
    ],
)
def test_a_bad_argument_is_named_alike_for_both_methods(
    client: FlaskClient, new_shop: NewShop, arguments: dict[str, str], status: int, code: str
) -> None:
    got, head = (ask(client, new_shop, method, **arguments) for method in ("GET", "HEAD"))
    assert (got.status_code, got.json["code"]) == (status, code)
    assert got.mimetype == "application/problem+json"
    assert head.status_code == status
    assert dict(got.headers) == dict(head.headers)
    permitted = SHOP_ORIGIN if status == 422 else "*"
    assert got.headers.getlist("Access-Control-Allow-Origin") == [permitted]


def test_other_methods_are_refused_by_the_framework(client: FlaskClient, new_shop: NewShop) -> None:
    refused = ask(client, new_shop, "POST")
    assert (refused.status_code, refused.json["code"]) == (405, "method-not-allowed")
    allowed = ask(client, new_shop, "OPTIONS").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_fault_of_ours_is_a_problem_document_that_the_page_may_read(
    client: FlaskClient, new_shop: NewShop, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("recommender.web.slate_endpoint.recommend", broken)
    answer = ask(client, new_shop)
    assert (answer.status_code, answer.json["code"]) == (500, "fault")
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP_ORIGIN


def test_slates_are_counted_and_timed(client: FlaskClient, new_shop: NewShop) -> None:
    labels = {"placement": "search", "arm": "", "fallback": "no-model"}

    def figures() -> tuple[float, float]:
        counted = REGISTRY.get_sample_value("recommender_slates_total", labels)
        timed = REGISTRY.get_sample_value("recommender_slate_seconds_count")
        return counted or 0.0, timed or 0.0

    before = figures()
    for _ in range(3):
        ask(client, new_shop, placement="search")
    assert figures() == (before[0] + 3, before[1] + 3)


def environ(query: str) -> dict[str, Any]:
    return {"QUERY_STRING": query, "REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()}


@given(
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20))),
)
def test_arguments_are_read_as_browsers_write_them(pairs: list[tuple[str, str]]) -> None:
    query = urllib.parse.urlencode(pairs)
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    read = read_arguments(query)
    assert {name: read[name] for name in first} == first


@given(
    # Bytes that are no UTF-8 are left out: browsers replace them, the framework keeps them escaped.
    st.lists(st.sampled_from(["x", "key", "=", "&", "+", "é", "%C3%A9", "%2B", "%26", "%", "%zz"]))
)
@example(["&", "=", "x"])
def test_arguments_are_read_as_the_framework_reads_them(parts: list[str]) -> None:
    query = "".join(parts).encode().decode("latin-1")
    theirs = Request(environ(query)).args
    ours = read_arguments(query)
    assert {name: ours[name] for name in theirs} == dict(theirs)


def test_a_query_of_broken_bytes_is_no_fault(app: Flask, new_shop: NewShop) -> None:
    told: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        told.append(status)
        assert Headers(headers)["Content-Type"] == "application/json"

    query = f"key={new_shop.public_key}&placement=home&item_id=\xff\xfe&&=&x"
    body = b"".join(app({**environ(query), "PATH_INFO": PATH}, start))
    assert told == ["200 OK"]
    assert body.endswith(b'"items":[]}')
