"""Who does not count: stated on the console, from tomorrow on, and told on statements."""

from collections.abc import Callable

import pytest
import statement_world
from flask.testing import FlaskClient
from pages import log_in, token
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.events.order_marks import person_key
from recommender.records import Shop
from recommender.shops.change_exclusions import read_timeline

PAGE = "/console/exclusions"


@pytest.fixture
def owner(bare_owner: Shop) -> Shop:
    return bare_owner


@pytest.fixture
def send(client: FlaskClient, owner: Shop) -> Callable[..., TestResponse]:
    def post(**fields: str) -> TestResponse:
        if client.get("/console/").status_code == 302:
            log_in(client)
        return client.post(PAGE, data={"csrf_token": token(client.get(PAGE).text), **fields})

    return post


def test_lists_are_stated_and_people_never_shown(
    services: Services, owner: Shop, send: Callable[..., TestResponse], see: Callable[[str], str]
) -> None:
    people = "ann@shop.example\n\n 4711 \n"
    assert send(add_staff=people, marks="Tag:Team\nsource:pos").status_code == 303
    newest = read_timeline(owner.shop_id, database=services.database).newest
    key = owner.visitor_key
    assert set(newest.staff) == {person_key(key, "Ann@shop.example"), person_key(key, "4711")}
    assert newest.marks == ("source:pos", "tag:team")
    page = see(f"{PAGE}?saved=1")
    assert "Saved as version 1. It holds from tomorrow on" in page
    assert "2 on the list" in page
    assert "17 April 2026" in page
    assert newest.told.sha256 in page
    assert "ann@" not in page
    assert send(drop_staff="4711", marks="source:pos").status_code == 303
    newest = read_timeline(owner.shop_id, database=services.database).newest
    assert (len(newest.staff), newest.marks) == (1, ("source:pos",))


def test_what_is_no_mark_is_said_and_nothing_stored(
    services: Services, owner: Shop, send: Callable[..., TestResponse]
) -> None:
    answer = send(marks="team", add_staff="ann@shop.example")
    assert answer.status_code == 422
    assert "&#39;team&#39; is no mark" in answer.text
    assert "ann@shop.example" in answer.text
    assert len(read_timeline(owner.shop_id, database=services.database).versions) == 1


def test_a_statement_says_what_was_taken_out_and_by_which_rules(
    services: Services, owner: Shop, see: Callable[[str], str]
) -> None:
    statement_world.live_as("due", owner, services.database)
    for path in ("/console/statements/2026-03/1", "/console/statements/now"):
        page = see(path)
        for words in (
            "Programs, taken out",
            "with recommendations 27 visitors and 1 order, without 31 visitors and 2 orders.",
            "with recommendations 3 visitors and 4 orders, without nothing, of no known group",
            "version 0, version 1 from 11 February 2026 on",
            statement_world.STATED.sha256,
        ):
            assert words in page, path
