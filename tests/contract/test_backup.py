"""Backups taken from a service at work, and what comes back on an empty machine."""

import dataclasses
import datetime as dt
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from processes import wait_until
from recommender import tables
from recommender.adapters.backup import back_up, restore
from recommender.adapters.database import open_database
from recommender.adapters.database_copy import read_books
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.tombstone_file import TombstoneFile
from recommender.bootstrap import Services
from recommender.config import Settings
from recommender.errors import InconsistentError, InvalidInputError
from recommender.events import ingest
from recommender.events.tombstones import Tombstone
from recommender.records import EventType, Shop
from shoppers import Shoppers
from world import STARTED_AT

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def elsewhere(database_url: str, tmp_path: Path) -> Iterator[Settings]:
    """An empty machine with a database of the same kind."""
    url, name = f"sqlite:///{tmp_path / 'other' / 'control.db'}", f"other_{uuid.uuid4().hex[:12]}"
    if not database_url.startswith("sqlite"):
        url = sa.engine.make_url(database_url).set(database=name).render_as_string(False)
        _administer(database_url, f"CREATE DATABASE {name}")
    yield Settings.from_environ(
        {
            "RECOMMENDER_HOME": str(tmp_path / "other"),
            "RECOMMENDER_DATABASE_URL": url,
            "RECOMMENDER_LAKE_URL": str(tmp_path / "other" / "lake"),
        }
    )
    if not database_url.startswith("sqlite"):
        _administer(database_url, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


class Life:
    """Shoppers and orders of a shop, from one thread, until told to stop."""

    def __init__(self, services: Services, shop: Shop) -> None:
        self._services, self._shop = services, shop
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._shop_on, self._ingest)
        ]

    def _shop_on(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            shoppers = Shoppers(self._shop)
            shoppers.event(EventType.PAGE_VIEW, f"v{number}", STARTED_AT, page=f"/{number}")
            self._services.state.accept(shoppers.events, {})
            self.acknowledged.append(shoppers.events[0].event_id)
            if number % 20 == 0:
                shoppers.order(f"o{number}", number, STARTED_AT, f"v{number}")
                with self._services.database.begin() as connection:
                    connection.execute(tables.orders.insert(), shoppers.orders)

    def _ingest(self) -> None:
        ingest.run(
            self._services.state,
            self._services.event_log,
            database=self._services.database,
            now=self._services.now,
            stop=self._stop,
        )

    def __enter__(self) -> "Life":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def take(services: Services, target: Path, **options: bool) -> Any:
    return back_up(
        target,
        settings=services.settings,
        stream=services.state,
        now=services.now,
        **options,
    )


def logged(settings: Settings, shop: Shop, column: str = "event_id") -> list[str]:
    rows = DeltaEventLog(settings.lake_url).events(shop.shop_id).to_pyarrow()
    return sorted(rows[column].to_pylist())


def books(settings: Settings) -> dict[str, int]:
    engine = open_database(settings.database_url)
    with engine.connect() as connection:
        found = read_books(connection)
    engine.dispose()
    return found


def test_a_backup_under_load_holds_all_that_was_acknowledged_before(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path
) -> None:
    with Life(services, shop) as life:
        wait_until(lambda: len(life.acknowledged) >= 200, seconds=120)
        before = list(life.acknowledged)
        manifest = take(services, tmp_path / "backup")
        after = list(life.acknowledged)
    restored = restore(tmp_path / "backup", settings=elsewhere)
    assert restored.manifest == manifest
    found = logged(elsewhere, shop)
    assert len(found) == len(set(found))
    assert set(before) <= set(found) <= set(life.acknowledged[: len(after) + 1])
    assert books(elsewhere) == manifest.books
    assert manifest.books["orders"] >= len(before) // 20 - 1
    assert manifest.last_event_at == STARTED_AT


def test_who_was_erased_does_not_come_back(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path
) -> None:
    shoppers = Shoppers(shop)
    for visitor in ("gone", "stays"):
        shoppers.event(EventType.VIEW_ITEM, visitor, STARTED_AT - HOUR)
        shoppers.order(f"order of a {len(visitor)}", 100, STARTED_AT - HOUR, visitor)
    shoppers.tell(services.event_log, services.database)
    waiting = Shoppers(shop)
    waiting.event(EventType.PAGE_VIEW, "gone", STARTED_AT)
    services.state.accept(waiting.events, {})
    take(services, tmp_path / "backup")
    # Erased after the backup; what remains of the machine is the file.
    lost = tmp_path / "lost" / "erasures.jsonl"
    TombstoneFile(lost).append([Tombstone(shop.shop_id, "gone", STARTED_AT + HOUR)])
    restored = restore(tmp_path / "backup", settings=elsewhere, erasures=[lost])
    assert restored.erased == 1
    assert logged(elsewhere, shop, "visitor") == ["", "stays", "stays"]
    engine = open_database(elsewhere.database_url)
    with engine.connect() as connection:
        orders = connection.execute(
            sa.select(tables.orders.c.visitor, tables.orders.c.net_minor)
        ).all()
        tombstones = connection.scalars(sa.select(tables.erasures.c.visitor)).all()
    engine.dispose()
    assert sorted(map(tuple, orders)) == [("", 100), ("stays", 100)]
    assert tombstones == ["gone"]
    held = [p for p in Path(elsewhere.lake_url).rglob("*.parquet") if b"gone" in p.read_bytes()]
    assert held == []
    # The new home keeps it for the restore after this one.
    assert len(TombstoneFile(elsewhere.home / "erasures.jsonl").read()) == 1


def test_a_home_with_its_tombstones_counts_as_empty(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path
) -> None:
    take(services, tmp_path / "backup")
    file = TombstoneFile(elsewhere.home / "erasures.jsonl")
    file.append([Tombstone(shop.shop_id, "gone", STARTED_AT)])
    assert restore(tmp_path / "backup", settings=elsewhere).erased == 1


@pytest.mark.parametrize("harm", ["changed", "missing", "foreign", "unfinished"])
def test_a_damaged_backup_writes_nothing(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path, harm: str
) -> None:
    shoppers = Shoppers(shop)
    shoppers.event(EventType.PAGE_VIEW, "v", STARTED_AT)
    shoppers.tell(services.event_log, services.database)
    folder = tmp_path / "backup"
    take(services, folder)
    data = next((folder / "lake").rglob("*.parquet"))
    if harm == "changed":
        data.write_bytes(data.read_bytes()[:-1] + b"?")
    elif harm == "missing":
        data.unlink()
    elif harm == "foreign":
        (folder / "lake" / "x").touch()
    else:
        (folder / "manifest.json").unlink()
    with pytest.raises(InconsistentError) as error:
        restore(folder, settings=elsewhere)
    assert error.value.code == "damaged-backup"
    assert not Path(elsewhere.lake_url).exists()
    assert not elsewhere.home.exists()


def test_nothing_is_restored_over_something(
    services: Services, shop: Shop, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    shoppers = Shoppers(shop)
    shoppers.event(EventType.PAGE_VIEW, "v", STARTED_AT)
    shoppers.tell(services.event_log, services.database)
    take(services, tmp_path / "backup")
    for taken in (
        settings,
        dataclasses.replace(elsewhere, database_url=settings.database_url),
        dataclasses.replace(elsewhere, lake_url=settings.lake_url),
    ):
        with pytest.raises(InvalidInputError) as error:
            restore(tmp_path / "backup", settings=taken)
        assert error.value.code == "not-empty"
    with pytest.raises(InvalidInputError):
        take(services, tmp_path / "backup")


def test_the_secret_comes_along_only_when_asked(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path
) -> None:
    secret = services.settings.secret_key_file.read_bytes()
    for name, with_secret in (("without", False), ("with", True)):
        folder = tmp_path / name
        take(services, folder, with_secret=with_secret)
        held = [p.name for p in folder.rglob("*") if p.is_file() and secret in p.read_bytes()]
        assert held == (["secret.key"] if with_secret else [])
        assert folder.stat().st_mode & 0o077 == 0
    assert restore(tmp_path / "with", settings=elsewhere).has_secret
    assert elsewhere.secret_key_file.read_bytes() == secret
    assert elsewhere.secret_key_file.stat().st_mode & 0o077 == 0


def test_a_log_with_a_checkpoint_comes_back_whole(
    services: Services, shop: Shop, elsewhere: Settings, tmp_path: Path
) -> None:
    log = services.event_log
    for number in range(1, 6):
        shoppers = Shoppers(shop)
        shoppers.event(EventType.PAGE_VIEW, f"v{number}", STARTED_AT, page=f"/{number}")
        log.append(shoppers.events, "tests", number)
        if number == 3:
            log.compact()
    take(services, tmp_path / "backup")
    shutil.rmtree(services.settings.lake_url)
    restore(tmp_path / "backup", settings=elsewhere)
    assert logged(elsewhere, shop, "visitor") == [f"v{number}" for number in range(1, 6)]
    assert DeltaEventLog(elsewhere.lake_url).committed_position("tests") == 5
