"""`erase`, `export`, `backup` and `restore` as somebody at a terminal runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from commands import called
from recommender.adapters.event_log import DeltaEventLog
from recommender.bootstrap import Services
from recommender.events.identity import pseudonym
from recommender.records import EventType, Shop
from shoppers import Shoppers
from world import ON_SQLITE, STARTED_AT


class Run:
    """Calls the command under the test's settings."""

    def __init__(self, services: Services) -> None:
        self._settings = services.settings

    def done(self, *words: str, **environ: str) -> Result:
        own = {f"RECOMMENDER_{name}": value for name, value in environ.items()}
        return called(*words, environ=self._settings.child_environ(**own))

    def __call__(self, *words: str, **environ: str) -> dict[str, Any]:
        done = self.done(*words, **environ)
        assert done.exit_code == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def run(services: Services) -> Run:
    return Run(services)


def test_what_was_exported_is_erased(
    run: Run, services: Services, shop: Shop, tmp_path: Path
) -> None:
    shoppers = Shoppers(shop)
    shoppers.event(EventType.PAGE_VIEW, pseudonym(shop.visitor_key, "v"), STARTED_AT)
    shoppers.tell(services.event_log, services.database)
    named = ("--shop", shop.shop_id, "--visitor", "v")
    assert len(run("export", *named)["events"]) == 1
    report = run("erase", *named, "--purge", "--json")
    assert (report["visitors"], report["hot_state"], report["finished"]) == (1, "erased", 1)
    held = run("export", *named)
    assert (held["events"], held["waiting"]) == ([], [])


def test_a_customer_is_named_by_the_shops_own_id(run: Run, shop: Shop) -> None:
    report = run("erase", "--shop", shop.shop_id, "--customer", "7", "--json")
    assert (report["visitors"], report["finished"]) == (1, 0)


def test_an_export_goes_into_a_private_file(run: Run, shop: Shop, tmp_path: Path) -> None:
    target = tmp_path / "held.json"
    done = run.done("export", "--shop", shop.shop_id, "--visitor", "v", "--output", str(target))
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads(target.read_bytes())["shop_id"] == shop.shop_id
    assert target.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("who", [(), ("--visitor", "v", "--customer", "c")])
def test_exactly_one_must_be_named(run: Run, shop: Shop, who: tuple[str, ...]) -> None:
    done = run.done("erase", "--shop", shop.shop_id, *who)
    assert done.exit_code == 2
    assert "either --visitor or --customer" in done.stderr


# PostgreSQL's way is in test_backup.
@ON_SQLITE
def test_a_backup_is_restored_elsewhere(
    run: Run, services: Services, shop: Shop, tmp_path: Path
) -> None:
    shoppers = Shoppers(shop)
    shoppers.event(EventType.PAGE_VIEW, "v", STARTED_AT)
    shoppers.order("1", 900, STARTED_AT)
    shoppers.tell(services.event_log, services.database)
    taken = run("backup", str(tmp_path / "backup"), "--json")
    assert (taken["rows"], taken["waiting_entries"]) == (2, 0)
    home = tmp_path / "other"
    back = run(
        "restore", str(tmp_path / "backup"), "--json",
        HOME=str(home), DATABASE_URL=f"sqlite:///{home / 'control.db'}",
        LAKE_URL=str(home / "lake"), SECRET_KEY_FILE=str(home / "secret.key"),
    )  # fmt: skip
    assert (back["rows"], back["books"], back["key_file"]) == (2, taken["books"], "missing")
    assert back["taken_at"] == taken["taken_at"]
    assert DeltaEventLog(str(home / "lake")).rows_by_shop() == {shop.shop_id: 2}
    assert not (home / "secret.key").exists()
