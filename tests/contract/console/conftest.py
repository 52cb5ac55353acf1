"""A shop's owner who opens the console over the real application."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import statement_world
from flask.testing import FlaskClient
from pages import EMAIL, NOW, PASSWORD, STARTS_ON, log_in
from statement_world import served_console

from money_world import CONTRACT
from recommender.bootstrap import Services
from recommender.records import Shop
from recommender.shops.accounts import add_user
from recommender.shops.registry import add_contract
from recommender.web.app import create_app
from world import Clock


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Pages read what `settle` and `measure` store; their tests cover both databases."""
    return sqlite_url


@pytest.fixture
def owner(services: Services, shop: Shop, clock: Clock) -> Shop:
    """A shop with a login and a contract, one month after it began."""
    clock.at = NOW
    add_user(shop.shop_id, EMAIL, PASSWORD, database=services.database, now=clock(), user_id="u1")
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=STARTS_ON, n_star=2_000)
    add_contract(terms, database=services.database)
    return shop


@pytest.fixture
def bare_owner(services: Services, shop: Shop, clock: Clock) -> Shop:
    """A shop with a login and nothing else, when statements of tests are looked at."""
    clock.at = statement_world.NOW
    add_user(shop.shop_id, EMAIL, PASSWORD, database=services.database, now=clock(), user_id="u1")
    return shop


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


@pytest.fixture
def see(client: FlaskClient) -> Callable[[str], str]:
    """Open a page as the shop's owner."""

    def open_page(path: str) -> str:
        if client.get("/console/").status_code == 302:
            assert log_in(client).status_code == 302
        answer = client.get(path)
        assert answer.status_code == 200
        return " ".join(answer.text.split()).replace("\u00a0", " ")

    return open_page


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """Address of the console in a real server, for a browser."""
    with served_console(services) as served:
        yield served
