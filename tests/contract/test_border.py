"""Nobody else's: every route with another shop's ids, with and without row-level security."""

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from border_world import PASSWORD, Tenant, open_shop, rows_of, send
from console.pages import log_in, token
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from werkzeug.routing import Rule

from recommender import tables
from recommender.adapters.database import migrate, open_database
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.shops.acting import all_shops, for_shop
from recommender.web.app import create_app
from world import Clock

ANYBODYS = {
    "operations.healthz", "operations.readyz", "operations.metrics", "operations.openapi",
    "operations.docs", "operations.errors", "operations.widget", "operations.widget_version",
    "operations.widget_module", "operations.widget_debug", "slates.get_config",
    "console.login", "console.take_login", "static", "front_door",
}  # fmt: skip
"""Routes that need no credentials: nothing in them belongs to a shop or a visitor."""

FOREIGN: dict[str, Callable[[Tenant], str]] = {
    "rule_id": lambda of: f"{of.name}-rule",
    "number": lambda of: f"INV-{of.name}",
    "feed_id": lambda of: f"feed_{of.name}",
    "month": lambda _: "2026-02",
    "version": lambda _: "7",
    "reference": lambda of: of.shop.secret_key[:11],
    "kind": lambda _: "key",
    "placement": lambda _: "product",
    "visitor_id": lambda of: f"{of.name}-visitor",
    "customer_id": lambda of: f"{of.name}-customer",
    "platform": lambda _: "shopify",
    "secret_id": lambda of: f"wh_{(of.name * 2).encode()[:6].hex()}",
    "slot_id": lambda of: f"slot-{of.name}",
    "_rest": lambda of: of.name,
}
"""What one shop would put into a route's address to reach another's; a new part needs a line."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[str]:
    """A control database whose user owns the tables and is no superuser, as in service."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/control.db"
        engine = open_database(url)
        migrate(engine)
        engine.dispose()
        yield url
        return
    server = request.getfixturevalue("postgres_server")
    name = f"border_{uuid.uuid4().hex[:12]}"
    owner = server.replace("/postgres?", f"/{name}?")
    administer(server, f"CREATE DATABASE {name}", f"CREATE ROLE {name} LOGIN")
    migrated = open_database(owner)
    migrate(migrated)
    migrated.dispose()
    moves = [f"ALTER TABLE {table} OWNER TO {name}" for table in tables.metadata.tables]
    administer(owner, *moves)
    yield owner.replace("postgres@", f"{name}@", 1)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")


def administer(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def vendor(services: Services) -> Services:
    """The vendor's own view: commands and jobs."""
    return services


@pytest.fixture
def app(settings: Settings, clock: Clock, vendor: Services) -> Iterator[Flask]:
    """The application as a web worker runs it."""
    built = bootstrap(settings, now=clock, shops_by_request=True)
    yield create_app(built)
    built.database.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def alfa(vendor: Services, client: FlaskClient) -> Tenant:
    return open_shop(vendor, client, "alfa")


@pytest.fixture
def bravo(vendor: Services, client: FlaskClient) -> Tenant:
    return open_shop(vendor, client, "bravo")


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def address(rule: Rule, of: Tenant) -> str:
    def fill(found: re.Match[str]) -> str:
        assert found[1] in FOREIGN, f"say what {found[1]} of another shop is, for {rule.rule}"
        return FOREIGN[found[1]](of)

    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", fill, rule.rule)


def test_every_route_is_public_by_name_or_asks_who_is_there(app: Flask, bravo: Tenant) -> None:
    client, asked = app.test_client(), 0
    app.config["WTF_CSRF_ENABLED"] = False
    for rule, method in routes(app):
        if rule.endpoint in ANYBODYS:
            continue
        for key in ("", "sk_unknown", bravo.shop.public_key, bravo.shop.secret_key[:-1]):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = client.open(address(rule, bravo), method=method, data=b"{}", headers=headers)
            to_login = answer.status_code == 302 and "/login" in answer.headers["Location"]
            assert answer.status_code == 401 or to_login, (rule.rule, method, answer.status_code)
            assert "bravo" not in answer.text
        asked += 1
    assert asked >= 30


def test_a_site_key_reads_nothing_but_slates_and_settings(app: Flask, bravo: Tenant) -> None:
    client, read = app.test_client(), set()
    for rule, method in routes(app):
        if rule.endpoint in ANYBODYS or method != "GET":
            continue
        named = {"key": bravo.shop.public_key, "placement": "home"}
        answer = client.get(address(rule, bravo), query_string=named)
        if answer.status_code == 200:
            read.add(rule.rule)
    assert read == {"/v1/recommendations", "/v1/recommendations.html"}
    # The settings name the shop, and that is all of it they say.
    assert "bravo-1" not in client.get(f"/v1/config/{bravo.shop.public_key}").text


def test_no_route_reaches_another_shop_with_a_key(
    app: Flask, vendor: Services, alfa: Tenant, bravo: Tenant
) -> None:
    before = rows_of(vendor, bravo.shop.shop_id)
    client = app.test_client()
    for rule, method in routes(app):
        if rule.endpoint in ANYBODYS or rule.endpoint.startswith("console."):
            continue
        answer = send(client, method, address(rule, bravo), alfa, bravo.body())
        assert answer.status_code < 500, (rule.rule, method, answer.text)
        if rule.arguments & {"rule_id", "number", "feed_id"}:
            assert answer.status_code == 404, (rule.rule, method)
        assert "of bravo" not in answer.text, (rule.rule, method)
        assert bravo.shop.shop_id not in answer.text, (rule.rule, method)
    assert rows_of(vendor, bravo.shop.shop_id) == before
    assert vendor.state.latest_events(bravo.shop.shop_id, 10) == []


def test_no_page_of_the_console_reaches_another_shop(
    app: Flask, vendor: Services, alfa: Tenant, bravo: Tenant
) -> None:
    client = app.test_client()
    assert log_in(client, PASSWORD, alfa.email).status_code == 302
    before = rows_of(vendor, bravo.shop.shop_id)
    app.config["WTF_CSRF_ENABLED"] = False
    last = {"console.logout"}
    walk = sorted(routes(app), key=lambda one: one[0].endpoint in last)
    for rule, method in walk:
        if rule.endpoint in ANYBODYS or not rule.endpoint.startswith("console."):
            continue
        form = {"shop_id": bravo.shop.shop_id, "item_ids": "bravo-1", "placements": "home"}
        named = {"path": "bravo-1", "find": "bravo", "shop_id": bravo.shop.shop_id}
        path = address(rule, bravo)
        answer = client.open(path, method=method, data=form, query_string=named)
        assert answer.status_code < 500, (rule.rule, method)
        if rule.arguments & {"rule_id", "number", "version", "reference", "secret_id", "slot_id"}:
            assert answer.status_code == 404, (rule.rule, method, answer.status_code)
        assert "of bravo" not in answer.text, (rule.rule, method)
        assert bravo.shop.secret_key[:11] not in re.sub("There is no[^<]*", "", answer.text)
    assert rows_of(vendor, bravo.shop.shop_id) == before


def test_a_shop_sees_its_own(app: Flask, alfa: Tenant, bravo: Tenant) -> None:
    """The other tests would pass if nobody saw anything."""
    client = app.test_client()
    for path, part in {
        "/v1/rules": "Rule of bravo",
        "/v1/statements": "bravo",
        "/v1/invoices/INV-bravo.pdf": bravo.shop.shop_id,
        "/v1/feeds/feed_bravo": "bravo",
    }.items():
        answer = client.get(path, headers=bravo.bearer())
        assert answer.status_code == 200, path
        assert part in answer.text
    assert log_in(client, PASSWORD, bravo.email).status_code == 302
    for path, part in {
        "/console/": "Shop bravo",
        "/console/rules": "Rule of bravo",
        "/console/statements": "February 2026",
        "/console/access": bravo.shop.secret_key[:11],
        "/console/recommendations?find=Item": "Item of bravo",
    }.items():
        page = client.get(path)
        assert page.status_code == 200, path
        assert part in page.text, path
        assert "alfa" not in page.text


def test_every_form_of_the_console_needs_its_token(
    app: Flask, vendor: Services, bravo: Tenant
) -> None:
    client, sent = app.test_client(), 0
    assert log_in(client, PASSWORD, bravo.email).status_code == 302
    before = rows_of(vendor, bravo.shop.shop_id)
    for rule, method in routes(app):
        if method != "GET" and rule.endpoint.startswith("console."):
            for wrong in ("", "x", token(app.test_client().get("/console/login").text)):
                answer = client.open(
                    address(rule, bravo), method=method, data={"csrf_token": wrong}
                )
                assert answer.status_code == 400, rule.rule
            sent += 1
    assert sent >= 8
    assert rows_of(vendor, bravo.shop.shop_id) == before


# -- row-level security -------------------------------------------------------------------------


only_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


def shop_ids(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(tables.items.c.shop_id)))


@only_postgres
def test_every_table_of_shops_is_secured(database: sa.Engine) -> None:
    mine = {table.name for table in tables.metadata.tables.values() if "shop_id" in table.c}
    query = (
        "SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid "
        "WHERE relrowsecurity AND relforcerowsecurity"
    )
    with database.connect() as connection:
        assert set(connection.exec_driver_sql(query).scalars()) == mine


@only_postgres
def test_the_user_of_the_database_is_one_whom_row_security_holds(database: sa.Engine) -> None:
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    with database.connect() as connection:
        assert connection.exec_driver_sql(query).scalar_one() is False


@only_postgres
def test_a_query_without_a_shop_finds_nothing(
    database: sa.Engine, database_url: str, alfa: Tenant, bravo: Tenant
) -> None:
    web = open_database(database_url, shops_by_request=True)
    assert shop_ids(web) == set()
    with for_shop(alfa.shop.shop_id):
        assert shop_ids(web) == {alfa.shop.shop_id}
    with all_shops():
        assert shop_ids(web) == {alfa.shop.shop_id, bravo.shop.shop_id}
    # The pooled connection that saw all has forgotten it.
    assert shop_ids(web) == set()
    web.dispose()
    assert shop_ids(database) == {alfa.shop.shop_id, bravo.shop.shop_id}


@only_postgres
def test_even_a_statement_that_forgot_its_shop_changes_nothing_of_others(
    database: sa.Engine, alfa: Tenant, bravo: Tenant
) -> None:
    with for_shop(alfa.shop.shop_id), database.begin() as connection:
        changed = connection.execute(tables.items.update().values(title="Mine")).rowcount
        gone = connection.execute(tables.rules.delete()).rowcount
    assert (changed, gone) == (1, 1)
    with database.connect() as connection:
        titles = set(connection.scalars(sa.select(tables.items.c.title)))
        left = set(connection.scalars(sa.select(tables.rules.c.shop_id)))
    assert titles == {"Mine", "Item of bravo"}
    assert left == {bravo.shop.shop_id}


@only_postgres
def test_a_row_of_another_shop_cannot_be_written(
    database: sa.Engine, alfa: Tenant, bravo: Tenant
) -> None:
    theirs = {"shop_id": bravo.shop.shop_id, "version": 9, "created_at": sa.func.now()}
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        for_shop(alfa.shop.shop_id),
        database.begin() as connection,
    ):
        connection.execute(tables.signing_secrets.insert().values(theirs))
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        for_shop(alfa.shop.shop_id),
        database.begin() as connection,
    ):
        connection.execute(tables.items.update().values(shop_id=bravo.shop.shop_id))
