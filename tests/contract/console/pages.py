"""What tests of the console's pages share."""

import datetime as dt
import re

from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

EMAIL, PASSWORD = "owner@shop.example", "correct horse battery"
STARTS_ON = dt.date(2026, 3, 2)
NOW = dt.datetime(2026, 4, 3, 9, tzinfo=dt.UTC)


def token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD, email: str = EMAIL) -> TestResponse:
    form = client.get("/console/login").text
    return client.post(
        "/console/login",
        data={"csrf_token": token(form), "email": email, "password": password},
    )


def log_in_by_hand(page: Page, address: str) -> None:
    page.goto(f"{address}/login")
    page.fill("#email", EMAIL)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/console/")
