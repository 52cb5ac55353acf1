"""Cases 14, 15, 17, 18, 80, 91, 94: models, backups, clocks, erasure, the audit chain."""

import contextlib
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from drill.case import Drill, NotExecutedError, Outcome, case
from drill.cases_data import one_event
from drill.cases_money import FAKETIME
from drill.faults import flip_byte
from drill.journal import Fate, read_journal
from drill.load import Caller, ask_slate, post_events
from drill.servers import RedisServer, wait_for
from drill.service import Service
from recommender.bench.world import make_shop as make_synthetic
from recommender.bench.world import write_events
from recommender.events.identity import pseudonym

ITEMS, EVENTS = 120, 6_000


def train_shop(service: Service) -> str:
    """Make a shop with a past and a model; return its id."""
    with service.inside() as services:
        shop = make_synthetic(services, ITEMS)
        write_events(services, shop, EVENTS, ITEMS)
    done = service.command("train", "--shop", shop.shop_id, seconds=400)
    assert done.returncode == 0, done.stderr[-500:]
    return str(shop.shop_id)


def slate_of(service: Service, shop_id: str) -> dict[str, object]:
    with service.inside() as services:
        shop = services.shops.by_id(shop_id)
    caller = Caller(service.address, seconds=30.0)
    path = f"/v1/recommendations?key={shop.public_key}&placement=product&item_id=item-000001"
    reply = caller.ask("GET", f"{path}&visitor_id=v1")
    caller.close()
    return dict(reply.json()) if reply.status == 200 else {"status": reply.status}


def model_files(service: Service, shop_id: str) -> list[Path]:
    folder = service.home / "artifacts" / shop_id
    current = (folder / "current").read_text().strip()
    return sorted(file for file in (folder / current).iterdir() if file.is_file())


@case("14")
def damaged_model(drill: Drill) -> Outcome:
    outcome = Outcome("files of the published model cut, flipped, removed; half a model beside it")
    server = RedisServer(drill.folder / "redis-14")
    server.start()
    with drill.service("", n_shops=0, redis_url=server.url) as service:
        shop_id = train_shop(service)
        service.start("serve")
        service.wait_ready()
        wait_for(lambda: slate_of(service, shop_id).get("items"), what="a slate")
        arrays = [file for file in model_files(service, shop_id) if file.suffix == ".npy"]
        for damage in ("flip", "cut", "remove"):
            file = drill.draw.choice(arrays)
            kept = file.read_bytes()
            _damage(file, damage)
            outcome.check(
                slate_of(service, shop_id).get("items"), f"{damage}: running worker fails"
            )
            service.stop("serve")
            service.start("serve")
            wait_for(lambda: service.get("/healthz").status == 200, seconds=90)
            slate = slate_of(service, shop_id)
            outcome.check(slate.get("items"), f"{damage}: no slate after a restart: {slate}")
            outcome.check(slate.get("fallback"), f"{damage}: the damaged model is served")
            file.write_bytes(kept)
            outcome.rounds += 1
    server.stop()
    outcome.notes.append("running workers go on; new ones refuse the model and fall back")
    return outcome


def _damage(file: Path, how: str) -> None:
    # As a disk or a careless hand would: in the very place, under a worker that has it mapped.
    if how == "remove":
        file.unlink()
        return
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    if how == "cut":
        with copy.open("r+b") as opened:
            opened.truncate(max(1, copy.stat().st_size // 2))
    else:
        flip_byte(copy, copy.stat().st_size - 1)
    copy.rename(file)


@case("15")
def foreign_model(drill: Drill) -> Outcome:
    outcome = Outcome("another shop's model put in place of a shop's own; numbers that are none")
    server = RedisServer(drill.folder / "redis-15")
    server.start()
    with drill.service("", n_shops=0, redis_url=server.url) as service:
        first, second = train_shop(service), train_shop(service)
        artifacts = service.home / "artifacts"
        name = (artifacts / first / "current").read_text().strip()
        shutil.rmtree(artifacts / second / (artifacts / second / "current").read_text().strip())
        shutil.copytree(artifacts / first / name, artifacts / second / name)
        (artifacts / second / "current").write_text(name)
        service.start("serve")
        wait_for(lambda: service.get("/healthz").status == 200, seconds=90)
        slate = slate_of(service, second)
        outcome.check(slate.get("fallback"), "another shop's model is served")
        outcome.check(slate_of(service, first).get("items"), "the other shop has no slate")
        outcome.rounds += 1
    server.stop()
    return outcome


@case("80")
def clock_steps(drill: Drill) -> Outcome:
    outcome = Outcome("the service's clock steps back an hour, ahead a day, and back, under load")
    if not FAKETIME.exists():
        raise NotExecutedError("libfaketime is not installed (Debian: libfaketime)")
    server = RedisServer(drill.folder / "redis-80")
    server.start()
    told = drill.folder / "faketime"
    told.write_text("+0s")
    with drill.service("", redis_url=server.url) as service:
        service.start(
            LD_PRELOAD=str(FAKETIME),
            FAKETIME_TIMESTAMP_FILE=str(told),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
        try:
            service.wait_ready()
        except TimeoutError as error:
            raise NotExecutedError("the web server does not start under libfaketime") from error
        journal = drill.journal(service)
        with drill.load(service, journal, orders_every=0, shoppers=1) as load:
            for step in ("-3600s", "+0s", "+86400s", "-60s", "+0s"):
                load.wait_for(50)
                told.write_text(step)
                load.wait_for(50)
                outcome.rounds += 1
        failed = load.tally.statuses["slate-None"] + load.tally.statuses["slate-500"]
        outcome.check(not failed, f"{failed} slates failed")
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("91")
def erased_visitor(drill: Drill) -> Outcome:
    outcome = Outcome("a visitor erased with --purge while the service runs; then looked for")
    with drill.service(n_items=10) as service:
        (shop, _) = service.shops
        journal, caller = drill.journal(service), Caller(service.address)
        visitor = "erase-me-4f1c"
        kept = []
        for number in range(20):
            events = [one_event(visitor_id=visitor), one_event(visitor_id=f"stays-{number}")]
            post_events(caller, drill.journal(service, "erased"), shop, events[:1])
            post_events(caller, journal, shop, events[1:])
            kept.append(events[1]["event_id"])
            ask_slate(caller, shop, visitor, drill.draw)
        caller.close()
        wait_for(lambda: service.pending() == 0, what="an empty stream")
        with service.inside() as services:
            key = services.shops.by_id(shop.shop_id).visitor_key
        hashed = pseudonym(key, visitor)
        words = ["erase", "--shop", shop.shop_id, "--visitor", visitor, "--purge", "--json"]
        done = service.command(*words)
        outcome.check(done.returncode == 0, f"erase: {done.stderr[-300:]}")
        outcome.rounds += 1
        stored = service.stored(shop.shop_id)
        missing = [one for one in kept if (one, "browser") not in stored]
        outcome.check(not missing, f"{len(missing)} events of others are gone")
        outcome.books.sent = outcome.books.acknowledged = len(kept)
        outcome.books.lost = len(missing)
        with service.inside() as services:
            rows = services.event_log.events(shop.shop_id).to_pyarrow().to_pylist()
        outcome.check(not [row for row in rows if row["visitor"] == hashed], "still in the log")
        with contextlib.closing(service.redis()) as client:
            keys = [one for one in client.scan_iter() if hashed.encode() in one]
            latest = client.lrange(f"latest:{shop.shop_id}", 0, -1)
        outcome.check(not keys, f"{len(keys)} keys in Redis")
        outcome.check(not any(hashed.encode() in one for one in latest), "in the latest events")
        outcome.check(visitor not in service.log(), "the browser's id is in the log")
    return outcome


@case("94")
def edited_audit(drill: Drill) -> Outcome:
    outcome = Outcome("a row of the audit log changed by hand, another removed")
    with drill.service("", n_shops=3) as service:
        outcome.check(service.command("audit", "verify").returncode == 0, "a whole chain fails")
        tables = [
            row[0]
            for row in service.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
            if "audit" in row[0]
        ]
        if not tables or not service.rows(f"SELECT 1 FROM {tables[0]}"):
            raise NotExecutedError("nothing was written to an audit log")
        name = tables[0]
        for change in (
            f"UPDATE {name} SET actor = 'somebody else' WHERE sequence = 2",
            f"DELETE FROM {name} WHERE sequence = 1",
        ):
            copy = Path(tempfile.mkdtemp(dir=drill.folder)) / "control.db"
            with contextlib.closing(sqlite3.connect(service.home / "control.db")) as original:
                original.execute(f"VACUUM INTO '{copy}'")
            changed = sa.create_engine(f"sqlite:///{copy}")
            with changed.begin() as connection:
                for (trigger,) in connection.execute(
                    sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                ).all():
                    connection.execute(sa.text(f"DROP TRIGGER {trigger}"))
                connection.execute(sa.text(change))
            changed.dispose()
            done = service.command("audit", "verify", RECOMMENDER_DATABASE_URL=f"sqlite:///{copy}")
            outcome.check(done.returncode == 1, f"not noticed: {change}")
            outcome.rounds += 1
    return outcome


def back_up(service: Service, outcome: Outcome, archive: Path) -> float:
    """Run the command beside the service; return how long it took."""
    began = time.monotonic()
    done = service.command("backup", str(archive), "--json", seconds=300)
    outcome.check(done.returncode == 0, f"backup: {done.stderr[-300:]}")
    return time.monotonic() - began


def restore(service: Service, drill: Drill, outcome: Outcome, *words: str) -> Service:
    """Restore into an empty home that has only the secret."""
    home = Path(tempfile.mkdtemp(prefix="rcd-", dir=drill.folder))
    copy = Service(home)
    shutil.copy(service.settings.secret_key_file, home / "secret.key")
    copy.shops = service.shops
    began = time.monotonic()
    done = copy.command("restore", *words, "--json", seconds=300)
    outcome.check(done.returncode == 0, f"restore: {done.stderr[-300:]}")
    outcome.notes.append(f"restored in {time.monotonic() - began:.1f} s")
    return copy


@case("17")
def backup_and_restore(drill: Drill) -> Outcome:
    outcome = Outcome("backup while the service takes events and orders, restore into another home")
    with drill.service() as service:
        journal = drill.journal(service)
        archive = drill.folder / "backup-17"
        with drill.load(service, journal, clients=3, orders_every=3) as load:
            load.wait_for(200)
            before = read_journal(journal.path)
            took = back_up(service, outcome, archive)
            load.wait_for(50)
        drill.close_books(outcome, service, journal)
        copy = restore(service, drill, outcome, str(archive))
        copy.start()
        copy.wait_ready()
        wait_for(lambda: copy.pending() == 0, what="the waiting events of the backup")
        for shop in service.shops:
            restored = {one for one, _ in copy.stored(shop.shop_id)}
            promised = before.ids("event", Fate.ACKNOWLEDGED, shop_id=shop.shop_id)
            lost = promised - restored
            outcome.check(not lost, f"{len(lost)} events from before the backup are not in it")
            foreign = restored - {one for one, _ in service.stored(shop.shop_id)}
            outcome.check(not foreign, f"{len(foreign)} events that the original never had")
        copy.stop()
        outcome.notes.append(f"backup took {took:.1f} s under load")
        outcome.rounds += 1
    return outcome


@case("18")
def erased_and_restored(drill: Drill) -> Outcome:
    outcome = Outcome("backup, then a visitor erased, then the older backup restored")
    with drill.service(n_shops=1) as service:
        (shop,) = service.shops
        journal, caller = drill.journal(service), Caller(service.address)
        visitor = "comes-back-77"
        for number in range(10):
            events = [one_event(visitor_id=visitor), one_event(visitor_id=f"stays-{number}")]
            post_events(caller, journal, shop, events)
        caller.close()
        wait_for(lambda: service.pending() == 0, what="an empty stream")
        archive = drill.folder / "backup-18"
        back_up(service, outcome, archive)
        words = ["--shop", shop.shop_id, "--visitor", visitor]
        outcome.check(service.command("erase", *words).returncode == 0, "erase failed")
        service.stop()
        (erasures,) = service.home.rglob("erasures.jsonl")
        copy = restore(service, drill, outcome, str(archive), "--erasures", str(erasures))
        with copy.inside() as services:
            hashed = pseudonym(services.shops.by_id(shop.shop_id).visitor_key, visitor)
            rows = services.event_log.events(shop.shop_id).to_pyarrow().to_pylist()
        back = [row for row in rows if row["visitor"] == hashed]
        outcome.check(not back, f"{len(back)} events of the erased visitor came back")
        outcome.check(len(rows) == 10, f"{len(rows)} of the others' 10 events are there")
        outcome.rounds += 1
    return outcome
