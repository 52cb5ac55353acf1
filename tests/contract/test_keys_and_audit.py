"""Keys that are replaced without a pause, guessing that is slowed down, and the log of it all."""

import datetime as dt

import argon2
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask.testing import FlaskClient

from recommender import tables
from recommender.bootstrap import Services
from recommender.cli.audit_commands import audit as audit_command
from recommender.cli.key_commands import key as key_command
from recommender.errors import (
    InconsistentError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    RecommenderError,
)
from recommender.records import Shop
from recommender.shops import accounts, login_throttle, secret_keys, signing_secrets
from recommender.shops.acting import act_as
from recommender.shops.audit import read_audit, record_audit, verify_audit
from recommender.shops.directory import ShopDirectory
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop
from recommender.web.app import create_app
from signing import signed_headers
from world import Clock

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
SECRET = b"s" * 32


def code_of(error: pytest.ExceptionInfo[RecommenderError]) -> str:
    return error.value.code


# -- secret keys --------------------------------------------------------------------------------


def test_a_key_is_replaced_without_a_pause(database: sa.Engine, new_shop: NewShop) -> None:
    shop_id, old, directory = new_shop.shop_id, new_shop.secret_key, ShopDirectory(database)
    new = secret_keys.add_secret_key(shop_id, database=database, now=NOW)
    assert {directory.by_secret_key(key).shop_id for key in (old, new)} == {shop_id}
    secret_keys.revoke_secret_key(shop_id, old[:11], database=database, now=NOW)
    assert directory.by_secret_key(new).shop_id == shop_id
    with pytest.raises(NotAllowedError):
        directory.by_secret_key(old)
    listed = secret_keys.list_secret_keys(shop_id, database=database)
    assert {key.hint: key.revoked_at for key in listed} == {old[:11]: NOW, new[:11]: None}


def test_the_last_key_stays(database: sa.Engine, new_shop: NewShop) -> None:
    with pytest.raises(InvalidInputError) as error:
        secret_keys.revoke_secret_key(
            new_shop.shop_id, new_shop.secret_key[:11], database=database, now=NOW
        )
    assert code_of(error) == "last-key"
    assert ShopDirectory(database).by_secret_key(new_shop.secret_key)


def test_a_shop_cannot_pile_up_keys(database: sa.Engine, new_shop: NewShop) -> None:
    for _ in range(secret_keys.MAX_KEYS - 1):
        secret_keys.add_secret_key(new_shop.shop_id, database=database, now=NOW)
    with pytest.raises(InvalidInputError) as error:
        secret_keys.add_secret_key(new_shop.shop_id, database=database, now=NOW)
    assert code_of(error) == "too-many-keys"
    assert len(secret_keys.list_secret_keys(new_shop.shop_id, database=database)) == 10


def test_no_key_of_a_shop_that_is_not(database: sa.Engine) -> None:
    with pytest.raises(NotFoundError):
        secret_keys.add_secret_key("shop_nobody", database=database, now=NOW)
    with pytest.raises(NotFoundError):
        signing_secrets.add_signing_secret("shop_nobody", database=database, now=NOW)
    with pytest.raises(NotFoundError):
        secret_keys.revoke_secret_key("shop_nobody", "sk_x", database=database, now=NOW)


def test_the_last_use_is_noted_once_an_hour(
    services: Services, new_shop: NewShop, clock: Clock
) -> None:
    client = create_app(services).test_client()

    def use() -> dt.datetime | None:
        headers = {"Authorization": f"Bearer {new_shop.secret_key}"}
        assert client.get("/v1/rules", headers=headers).status_code == 200
        listed = secret_keys.list_secret_keys(new_shop.shop_id, database=services.database)
        return listed[0].last_used_at

    first = clock.at
    assert use() == first
    clock.advance(minutes=59)
    assert use() == first
    clock.advance(minutes=1)
    assert use() == clock.at


# -- signing secrets ----------------------------------------------------------------------------


def refused(client: FlaskClient, new_shop: NewShop, secret: str) -> bool:
    body = b"{}"
    headers = {"Authorization": f"Bearer {new_shop.secret_key}", **signed_headers(secret, body)}
    answer = client.post("/v1/orders", data=body, headers=headers)
    # Past the signature the empty order itself is refused.
    assert answer.status_code in {401, 422}
    return answer.status_code == 401


def test_old_and_new_signatures_are_taken_until_the_old_is_revoked(
    services: Services, new_shop: NewShop
) -> None:
    client, database, shop_id = (
        create_app(services).test_client(),
        services.database,
        new_shop.shop_id,
    )
    version = signing_secrets.add_signing_secret(shop_id, database=database, now=NOW)
    old, new = (signing_secret(services.secret, shop_id, one) for one in (1, version))
    assert (refused(client, new_shop, old), refused(client, new_shop, new)) == (False, False)
    signing_secrets.revoke_signing_secret(shop_id, 1, database=database, now=NOW)
    assert (refused(client, new_shop, old), refused(client, new_shop, new)) == (True, False)
    with pytest.raises(InvalidInputError) as error:
        signing_secrets.revoke_signing_secret(shop_id, version, database=database, now=NOW)
    assert code_of(error) == "last-key"
    assert not refused(client, new_shop, new)


def test_no_two_versions_or_shops_share_a_secret() -> None:
    made = {
        signing_secret(SECRET, shop, version) for shop in ("a", "b", "a:2") for version in (1, 2)
    }
    # Shop "a" in version 2 and a shop called "a:2" in version 1 would meet; no shop is called so.
    assert len(made) == 5


# -- commands -----------------------------------------------------------------------------------


def test_keys_are_managed_by_command(
    services: Services, new_shop: NewShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.cli.key_commands.make_services", lambda **_: services)
    runner, shop = CliRunner(), ["--shop", new_shop.shop_id]
    made = runner.invoke(key_command, ["create", *shop], catch_exceptions=False).output.strip()
    assert ShopDirectory(services.database).by_secret_key(made).shop_id == new_shop.shop_id
    signing = runner.invoke(key_command, ["create", *shop, "--signing"]).output.strip()
    assert signing == signing_secret(services.secret, new_shop.shop_id, 2)
    listed = runner.invoke(key_command, ["list", *shop], catch_exceptions=False).output
    assert f"{made[:11]}…" in listed
    assert made not in listed
    runner.invoke(key_command, ["revoke", *shop, "--key", made[:11]], catch_exceptions=False)
    runner.invoke(key_command, ["revoke", *shop, "--signing", "1"], catch_exceptions=False)
    listed = runner.invoke(key_command, ["list", *shop], catch_exceptions=False).output
    assert listed.count("revoked") == 2
    wrong = runner.invoke(key_command, ["revoke", *shop])
    assert isinstance(wrong.exception, InvalidInputError)


# -- logins -------------------------------------------------------------------------------------


def test_guessing_at_an_account_is_stopped_wherever_it_comes_from(database: sa.Engine) -> None:
    def attempt(number: int, now: dt.datetime = NOW) -> bool:
        keys = login_throttle.attempt_keys("a@b.example", f"ip{number}", service_secret=SECRET)
        return login_throttle.take_attempt(keys, database=database, now=now)

    assert [attempt(number) for number in range(12)] == [True] * 10 + [False] * 2
    assert attempt(13, NOW + dt.timedelta(minutes=15))


def test_guessing_from_one_address_is_stopped_whomever_it_is_at(database: sa.Engine) -> None:
    def attempt(number: int) -> bool:
        keys = login_throttle.attempt_keys(f"{number}@b.example", "ip", service_secret=SECRET)
        return login_throttle.take_attempt(keys, database=database, now=NOW)

    assert [attempt(number) for number in range(51)] == [True] * 50 + [False]


def test_who_gets_in_is_forgiven(database: sa.Engine) -> None:
    keys = login_throttle.attempt_keys("A@b.example ", "ip", service_secret=SECRET)
    for _ in range(100):
        assert login_throttle.take_attempt(keys, database=database, now=NOW)
        login_throttle.forgive(keys, database=database)


def test_neither_names_nor_addresses_are_kept(database: sa.Engine) -> None:
    keys = login_throttle.attempt_keys("a@b.example", "192.0.2.1", service_secret=SECRET)
    login_throttle.take_attempt(keys, database=database, now=NOW)
    with database.connect() as connection:
        kept = str(connection.execute(sa.select(tables.login_failures)).all())
    assert "a@b" not in kept
    assert "192.0" not in kept


def test_a_weaker_hash_is_replaced_at_the_next_login(database: sa.Engine, shop: Shop) -> None:
    word = "correct horse battery"
    accounts.add_user(shop.shop_id, "o@b.example", word, database=database, now=NOW, user_id="u")
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(word)
    with database.begin() as connection:
        connection.execute(tables.users.update().values(password_hash=weak))
    assert accounts.verify_login("o@b.example", "wrong", database=database) is None
    assert accounts.verify_login("o@b.example", word, database=database)
    with database.connect() as connection:
        kept = connection.execute(sa.select(tables.users.c.password_hash)).scalar_one()
    assert "m=19456,t=2,p=1" in kept
    assert accounts.verify_login("o@b.example", word, database=database)


# -- the audit log ------------------------------------------------------------------------------


def log_three(database: sa.Engine, shop: Shop) -> int:
    """Write three entries and return the number of all."""
    for number in range(3):
        with database.begin() as connection:
            record_audit(connection, "thing.done", shop_id=shop.shop_id, subject=f"{number}", n=1)
    return verify_audit(database=database)


def test_what_changes_a_shop_is_in_the_log(database: sa.Engine, shop: Shop) -> None:
    act_as("somebody")
    secret_keys.add_secret_key(shop.shop_id, database=database, now=NOW)
    entries = read_audit(shop.shop_id, database=database)
    assert [entry.action for entry in entries] == [
        "key.created",
        "buyer.changed",
        "stratum.started",
        "signing-secret.created",
        "key.created",
        "shop.created",
    ]
    assert entries[0].actor == "somebody"
    # The fifth names the vendor's legal entity, and no shop.
    assert [entry.sequence for entry in entries] == [7, 6, 4, 3, 2, 1]
    assert read_audit("shop_nobody", database=database) == []
    assert [one.sequence for one in read_audit(None, database=database, limit=2, before=3)] == [
        2,
        1,
    ]


def test_a_change_that_is_taken_back_leaves_no_entry(database: sa.Engine, shop: Shop) -> None:
    count = log_three(database, shop)
    with database.connect() as connection:
        record_audit(connection, "thing.done", shop_id=shop.shop_id)
        connection.rollback()
    assert verify_audit(database=database) == count


def test_the_database_refuses_to_change_an_entry(database: sa.Engine, shop: Shop) -> None:
    log_three(database, shop)
    for statement in (tables.audit.update().values(actor="nobody"), tables.audit.delete()):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.begin() as connection:
            connection.execute(statement)


@pytest.mark.parametrize("deed", ["changed", "removed", "end removed", "appended", "renumbered"])
def test_tampering_is_found_and_named(database: sa.Engine, shop: Shop, deed: str) -> None:
    last = log_three(database, shop)
    rows = tables.audit
    middle = rows.c.sequence == last - 1
    copied = sa.select(
        *[sa.literal(last + 1) if c.name == "sequence" else c for c in rows.c]
    ).where(rows.c.sequence == last)
    statements, first_bad = {
        "changed": ([rows.update().where(middle).values(actor="nobody")], last - 1),
        "removed": ([rows.delete().where(middle)], last - 1),
        "end removed": ([rows.delete().where(rows.c.sequence == last)], last),
        "appended": (
            [
                rows.insert().from_select([c.name for c in rows.c], copied),
                tables.audit_end.update().values(sequence=last + 1),
            ],
            last + 1,
        ),
        "renumbered": (
            [
                rows.delete().where(middle),
                rows.update().where(rows.c.sequence == last).values(sequence=last - 1),
                tables.audit_end.update().values(sequence=last - 1),
            ],
            last - 1,
        ),
    }[deed]
    with database.begin() as connection:  # as somebody with all rights would
        if database.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_no_update")
            connection.exec_driver_sql("DROP TRIGGER audit_no_delete")
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(InconsistentError, match=f"Entry {first_bad} ") as error:
        verify_audit(database=database)
    assert code_of(error) == "audit-broken"


def test_the_log_is_read_and_verified_by_command(
    services: Services, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.cli.audit_commands.make_services", lambda **_: services)
    count = log_three(services.database, shop)
    runner = CliRunner()
    told = runner.invoke(audit_command, ["verify"], catch_exceptions=False).output
    assert told == f"All {count} entries are whole\n"
    listed = runner.invoke(audit_command, ["list", "--limit", "3"], catch_exceptions=False).output
    assert listed.count("thing.done") == 3
    listed = runner.invoke(audit_command, ["list", "--shop", "shop_nobody"], catch_exceptions=False)
    assert listed.output == "No entries\n"
