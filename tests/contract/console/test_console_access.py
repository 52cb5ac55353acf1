"""Who gets into the console, for how long, and what its page of keys and changes does."""

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from pages import EMAIL, PASSWORD, log_in, token
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.records import Shop
from recommender.shops.directory import ShopDirectory
from recommender.shops.keys import signing_secret
from recommender.web.app import create_app
from world import Clock


def press(client: FlaskClient, path: str, page: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token(page)})


# -- logging in ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("owner")
def test_the_throttle_answers_as_every_failure_does(client: FlaskClient, clock: Clock) -> None:
    def plain(answer: TestResponse) -> tuple[int, str]:
        text = re.sub(r'value="[^"]*"', "", answer.text)
        return answer.status_code, text

    failures = [plain(log_in(client, "wrong horse battery")) for _ in range(10)]
    throttled = plain(log_in(client))
    unknown = plain(log_in(client, email="nobody@shop.example"))
    assert {*failures, throttled, unknown} == {failures[0]}
    assert failures[0][0] == 401
    clock.advance(minutes=15)
    assert log_in(client).status_code == 302


@pytest.mark.usefixtures("owner")
def test_a_session_ends_when_it_is_not_used(client: FlaskClient, clock: Clock) -> None:
    log_in(client)
    clock.advance(hours=2, seconds=1)
    assert client.get("/console/").status_code == 302


@pytest.mark.usefixtures("owner")
def test_a_copied_cookie_ends_with_the_session(client: FlaskClient, services: Services) -> None:
    log_in(client)
    cookie = client.get_cookie("recommender")
    assert cookie is not None
    thief = create_app(services).test_client()
    thief.set_cookie("recommender", cookie.value)
    page = thief.get("/console/")
    assert page.status_code == 200
    press(client, "/console/logout", client.get("/console/").text)
    assert thief.get("/console/").status_code == 302
    assert log_in(client).status_code == 302


@pytest.mark.usefixtures("owner")
def test_logging_in_begins_a_new_session(client: FlaskClient) -> None:
    before = client.get("/console/login").text
    log_in(client)
    # Whoever planted the session before the login cannot send forms in the new one.
    assert press(client, "/console/access/key", before).status_code == 400


@pytest.mark.usefixtures("owner")
def test_nobody_is_sent_to_an_address_of_the_request(client: FlaskClient) -> None:
    evil = "https://evil.example/"
    form = client.get(f"/console/login?next={evil}", headers={"Host": "localhost"}).text
    data = {"csrf_token": token(form), "email": EMAIL, "password": PASSWORD, "next": evil}
    answer = client.post(f"/console/login?next={evil}", data=data)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console/")
    for path in ("/console//evil.example", "/console/access//evil.example"):
        location = client.get(path).headers.get("Location", "")
        assert urlsplit(location).netloc in {"", "localhost"}


def test_pages_carry_the_headers_that_protect_them(services: Services, owner: Shop) -> None:
    secure = replace(services, settings=replace(services.settings, public_url="https://r.example"))
    client = create_app(secure).test_client()
    form = client.get("/console/login", base_url="https://r.example")
    data = {"csrf_token": token(form.text), "email": EMAIL, "password": PASSWORD}
    answer = client.post(
        "/console/login",
        data=data,
        base_url="https://r.example",
        headers={"Referer": "https://r.example/console/login"},
    )
    assert answer.status_code == 302
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-recommender=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    for path in ("/console/login", "/console/", "/console/access", "/console/nothing"):
        headers = client.get(path, base_url="https://r.example").headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe-inline" not in policy
        for rule in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"):
            assert rule in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]


# -- the page -----------------------------------------------------------------------------------


def test_a_key_is_made_shown_once_used_and_revoked(
    client: FlaskClient, see: Callable[[str], str], owner: Shop, services: Services
) -> None:
    made = press(client, "/console/access/key", see("/console/access")).text
    found = re.search(r"sk_[a-z2-7]{52}", made)
    assert found
    key = found[0]
    assert ShopDirectory(services.database).by_secret_key(key).shop_id == owner.shop_id
    page = see("/console/access")
    assert key not in page
    assert f"{key[:11]}…" in page
    assert f"Secret key created</td> <td>{key[:11]}</td> <td>{EMAIL}" in page
    assert press(client, f"/console/access/key/{key[:11]}/revoke", page).status_code == 303
    assert "Secret key revoked" in see("/console/access")
    answer = client.get("/v1/rules", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401


def test_a_signing_secret_is_replaced(
    client: FlaskClient, see: Callable[[str], str], owner: Shop, services: Services
) -> None:
    refused = press(client, "/console/access/signing/1/revoke", see("/console/access"))
    assert refused.status_code == 422
    assert "last signing secret" in refused.text
    made = press(client, "/console/access/signing", see("/console/access")).text
    # The page writes a plus as a character reference.
    shown = made.replace("&#43;", "+")
    assert signing_secret(services.secret, owner.shop_id, 2) in shown
    revoked = press(client, "/console/access/signing/1/revoke", see("/console/access"))
    assert revoked.status_code == 303


def test_unknown_keys_are_not_found(
    client: FlaskClient, see: Callable[[str], str], owner: Shop
) -> None:
    for path in ("key/sk_nobody/revoke", "signing/9/revoke", "signing/x/revoke", "other"):
        answer = press(client, f"/console/access/{path}", see("/console/access"))
        assert answer.status_code == 404, path
