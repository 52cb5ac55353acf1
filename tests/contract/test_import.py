import csv
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from recommender import tables
from recommender.adapters.database import migrate, open_database
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.catalog.cache import CatalogueCache
from recommender.catalog.load_items import load_items, store_items_of_history
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.events.load_history import load_events, load_orders
from recommender.events.orders import order_event, parse_order
from recommender.events.record_order import record_facts
from recommender.records import Item, Shop, Source
from recommender.shops.directory import ShopDirectory
from recommender.shops.registry import ShopOrder, create_shop

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
NO_STATE = RedisState("")  # an import also works while no server for hot state runs
COLUMNS = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price",
           "Customer ID", "Country"]  # fmt: skip
Rows = Sequence[tuple[Any, ...]]


def write_csv(path: Path, rows: Rows, names: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def line(
    invoice: str, code: str = "MUG", quantity: int = 1, price: str = "2.00"
) -> tuple[Any, ...]:
    day = 1 + int(invoice.lstrip("C")) % 28
    return (invoice, code, f"RED {code}", quantity, f"2025-03-{day:02} 10:00:00", price, "7", "UK")


@pytest.fixture
def take_in(
    database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> Callable[..., dict[str, Any]]:
    def run(*paths: Path, of: Shop = shop, **changes: Any) -> dict[str, Any]:
        store = partial(
            store_items_of_history, shop=of, database=database, hot_state=NO_STATE, now=NOW
        )
        arguments = {"shop": of, "database": database, "event_log": event_log, "now": NOW,
                     "store_items": store}  # fmt: skip
        return load_orders(paths, **(arguments | changes))

    return run


def stored_orders(database: sa.Engine, shop: Shop) -> dict[tuple[str, str], int]:
    rows = tables.orders.c
    with database.connect() as connection:
        found = connection.execute(sa.select(rows).where(rows.shop_id == shop.shop_id))
        return {(row.kind, row.fact_id): row.net_minor for row in found}


def stored_events(event_log: DeltaEventLog, shop: Shop) -> list[dict[str, Any]]:
    found = event_log.events(shop.shop_id).order_by("order_id").to_pyarrow().to_pylist()
    return list(found)


def rows_on_disk(tmp_path: Path) -> int:
    """Count rows of the event log with all repetitions, which a reader would not see."""
    files = pa.table(DeltaTable(str(tmp_path / "lake" / "events")).get_add_actions())
    return sum(files["num_records"].to_pylist())


def test_orders_become_facts_events_and_items(
    tmp_path: Path, take_in: Any, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    path = write_csv(
        tmp_path / "orders.csv",
        [
            line("1", "MUG", 2),
            line("1", "BAG", 1, "3.50"),
            line("C5", "MUG", -1),
            line("2", "POST"),
        ],
    )
    report = take_in(path)
    assert stored_orders(database, shop) == {("order", "1"): 750, ("refund", "C5"): 200}
    (event,) = stored_events(event_log, shop)
    assert (event["type"], event["source"], event["order_id"]) == ("order", "import", "1")
    assert event["visitor"] == customer_pseudonym(shop.visitor_key, "7")
    # 10:00 in Paris in winter
    assert event["occurred_at"].astimezone(dt.UTC) == dt.datetime(2025, 3, 2, 9, tzinfo=dt.UTC)
    assert event["items"] == [
        {"item_id": "MUG", "quantity": 2, "price_minor": 200},
        {"item_id": "BAG", "quantity": 1, "price_minor": 350},
    ]
    items = {item.item_id: item for item in CatalogueCache(database).get(shop.shop_id).items()}
    assert {item_id: (item.title, item.price_minor) for item_id, item in items.items()} == {
        "MUG": ("Red Mug", 200),
        "BAG": ("Red Bag", 350),
    }
    assert report == {
        "lines_read": 4,
        "lines": {
            "kept": {"known-customer": 2},
            "returned": {"goods": 1},
            "not_goods": {"postage": 1},
            "rejected": {},
        },
        "repeated_lines": 0,
        "orders": 1,
        "refunds": 1,
        "customers": 1,
        "revenue_minor": 750,
        "refunded_minor": 200,
        "first_at": "2025-03-02T09:00:00+00:00",
        "last_at": "2025-03-06T09:00:00+00:00",
        "items": 2,
        "examples": [],
        "conflicts": 0,
        "already_imported": False,
    }


def test_the_same_files_again_change_nothing(
    tmp_path: Path, take_in: Any, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    path = write_csv(tmp_path / "orders.csv", [line("1"), line("2")])
    first = take_in(path)
    orders, events = stored_orders(database, shop), stored_events(event_log, shop)
    assert take_in(path) == first | {"already_imported": True}
    assert stored_orders(database, shop) == orders
    assert stored_events(event_log, shop) == events
    assert rows_on_disk(tmp_path) == 2


def test_a_later_export_adds_only_what_is_new(
    tmp_path: Path, take_in: Any, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    take_in(write_csv(tmp_path / "march.csv", [line("1"), line("2")]))
    take_in(write_csv(tmp_path / "april.csv", [line("2"), line("3")]))
    assert set(stored_orders(database, shop)) == {("order", "1"), ("order", "2"), ("order", "3")}
    assert [event["order_id"] for event in stored_events(event_log, shop)] == ["1", "2", "3"]


def test_two_shops_may_import_the_same_file(
    tmp_path: Path,
    take_in: Any,
    database: sa.Engine,
    event_log: DeltaEventLog,
    shop: Shop,
    shop_order: Any,
) -> None:
    new = create_shop(shop_order, database=database, now=NOW)
    other = ShopDirectory(database).by_id(new.shop_id)
    path = write_csv(tmp_path / "orders.csv", [line("1")])
    take_in(path)
    take_in(path, of=other)
    assert len(stored_events(event_log, shop)) == len(stored_events(event_log, other)) == 1
    assert (
        stored_events(event_log, shop)[0]["visitor"]
        != stored_events(event_log, other)[0]["visitor"]
    )


def test_an_order_the_shops_server_told_already_is_not_told_twice(
    tmp_path: Path, take_in: Any, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    placed_at = "2025-03-02T09:00:00Z"
    told = {"order_id": "1", "placed_at": placed_at, "currency": "EUR", "net_minor": 200,
            "items": [{"item_id": "MUG", "price_minor": 200}], "visitor_id": "v"}  # fmt: skip
    fact = parse_order(told, shop=shop, received_at=NOW)
    event_log.append([order_event(fact, Source.SERVER)], "stream", 1)
    record_facts([fact], database=database, stream=NO_STATE)
    report = take_in(write_csv(tmp_path / "orders.csv", [line("1"), line("2")]))
    assert report["conflicts"] == 0
    assert [event["source"] for event in stored_events(event_log, shop)] == ["server", "import"]


def test_a_contradiction_is_listed_and_overwrites_nothing(
    tmp_path: Path, take_in: Any, database: sa.Engine, shop: Shop
) -> None:
    take_in(write_csv(tmp_path / "a.csv", [line("1", price="2.00")]))
    report = take_in(write_csv(tmp_path / "b.csv", [line("1", price="3.00"), line("2")]))
    assert report["conflicts"] == 1
    assert stored_orders(database, shop) == {("order", "1"): 200, ("order", "2"): 200}
    with database.connect() as connection:
        (conflict,) = connection.execute(sa.select(tables.order_conflicts)).all()
    assert json.loads(conflict.body)["net_minor"] == 300


def test_what_the_shop_said_of_its_items_stays(
    tmp_path: Path, take_in: Any, database: sa.Engine, shop: Shop
) -> None:
    own = Item(shop.shop_id, "MUG", "A fine mug", "/mug", "/mug.jpg", 999, "EUR", "Mugs")
    put_items([own], database=database, hot_state=NO_STATE, shop_id=shop.shop_id, now=NOW)
    take_in(write_csv(tmp_path / "orders.csv", [line("1"), line("1", "BAG")]))
    catalogue = CatalogueCache(database).get(shop.shop_id)
    mug, bag = catalogue.get("MUG"), catalogue.get("BAG")
    assert mug is not None
    assert mug.title == "A fine mug"
    assert bag is not None
    assert bag.title == "Red Bag"


@pytest.mark.parametrize(
    ("rows", "names", "code"),
    [
        ([("x", "y")], ["colour", "size"], "missing-columns"),
        ([line("1", "POST")], COLUMNS, "no-orders"),
        ([], COLUMNS, "no-orders"),
    ],
)
def test_files_that_hold_no_orders_store_nothing(
    tmp_path: Path,
    take_in: Any,
    database: sa.Engine,
    event_log: DeltaEventLog,
    shop: Shop,
    rows: Rows,
    names: Sequence[str],
    code: str,
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        take_in(write_csv(tmp_path / "x.csv", rows, names))
    assert caught.value.code == code
    assert stored_orders(database, shop) == {}
    assert stored_events(event_log, shop) == []
    with database.connect() as connection:
        assert connection.execute(sa.select(tables.imports)).all() == []


KILLED_IMPORT = """
    import datetime as dt, os, signal, sys
    from pathlib import Path
    from recommender.adapters.database import open_database
    from recommender.adapters.event_log import DeltaEventLog
    from recommender.events import store_history
    from recommender.events.load_history import load_orders
    from recommender.shops.directory import ShopDirectory

    path, database_url, lake, shop_id, place = sys.argv[1:]
    store_history._CHUNK_FACTS = 10
    database = open_database(database_url)
    log = DeltaEventLog(lake)

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    class Log:
        appended = 0
        def committed_position(self, writer):
            return log.committed_position(writer)
        def append_table(self, table, writer, position):
            log.append_table(table, writer, position)
            self.appended += 1
            if place == "after-events" and self.appended == 2:
                die()

    def progress(done, total):
        if place == "between-chunks" and done == 3:
            die()

    def store_items(items):
        if place == "before-items":
            die()

    load_orders([Path(path)], shop=ShopDirectory(database).by_id(shop_id), database=database,
                event_log=Log(), store_items=store_items, progress=progress,
                now=dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC))
"""


@pytest.mark.parametrize("place", ["after-events", "between-chunks", "before-items"])
def test_a_killed_import_is_finished_by_repeating_it(
    tmp_path: Path,
    take_in: Any,
    database_url: str,
    database: sa.Engine,
    event_log: DeltaEventLog,
    shop: Shop,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_csv(tmp_path / "orders.csv", [line(str(number)) for number in range(1, 46)])
    argv = [str(path), database_url, str(tmp_path / "lake"), shop.shop_id, place]
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED_IMPORT), *argv],
        env=dict(os.environ),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert 0 < len(stored_events(event_log, shop)) <= 45
    monkeypatch.setattr("recommender.events.store_history._CHUNK_FACTS", 10)
    report = take_in(path)
    assert report["already_imported"] is False
    assert stored_orders(database, shop) == {("order", str(n)): 200 for n in range(1, 46)}
    assert len(stored_events(event_log, shop)) == 45
    assert rows_on_disk(tmp_path) == 45
    assert [item.item_id for item in CatalogueCache(database).get(shop.shop_id).items()] == ["MUG"]


def test_progress_is_told_to_the_end(tmp_path: Path, take_in: Any) -> None:
    heard: list[tuple[int, int]] = []
    path = write_csv(tmp_path / "orders.csv", [line("1")])
    take_in(path, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 1)]


def test_past_events_and_their_orders_are_stored_once(
    tmp_path: Path, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    event_id = "01972e00-0000-7000-8000-00000000000a"
    view = {"event_id": event_id, "type": "view_item", "visitor_id": "v1",
            "occurred_at": "2026-02-03T10:00:00Z", "item_id": "mug"}  # fmt: skip
    order = {"type": "order", "visitor_id": "v1", "occurred_at": "2026-02-03T10:05:00Z",
             "order_id": "o1", "net_minor": 500,
             "items": [{"item_id": "mug", "quantity": 1, "price_minor": 500}]}  # fmt: skip
    refund = {"type": "refund", "visitor_id": "v1", "occurred_at": "2026-02-05T10:05:00Z",
              "order_id": "o1", "refund_id": "r1", "net_minor": 100}  # fmt: skip
    rows = [view, view, order, refund, {**view, "type": "dance"}]
    path = tmp_path / "past.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    run = partial(load_events, [path], shop=shop, database=database, event_log=event_log, now=NOW)
    report = run()
    assert report == {
        "rows_read": 5,
        "events": {"view_item": 2, "order": 1, "refund": 1},
        "rejected": {"unknown-type": 1},
        "examples": [{"file": "past.jsonl", "row": 5, "code": "unknown-type"}],
        "conflicts": 0,
        "already_imported": False,
    }
    assert run() == report | {"already_imported": True}
    assert stored_orders(database, shop) == {("order", "o1"): 500, ("refund", "r1"): 100}
    events = stored_events(event_log, shop)
    assert sorted(event["type"] for event in events) == ["order", "view_item"]
    assert {event["visitor"] for event in events} == {pseudonym(shop.visitor_key, "v1")}


def test_a_file_without_events_is_refused(
    tmp_path: Path, database: sa.Engine, event_log: DeltaEventLog, shop: Shop
) -> None:
    path = tmp_path / "past.jsonl"
    path.write_text('{"type": "dance", "visitor_id": "v", "occurred_at": "2026-02-03T10:00:00Z"}')
    with pytest.raises(InvalidInputError) as caught:
        load_events([path], shop=shop, database=database, event_log=event_log, now=NOW)
    assert caught.value.code == "no-events"


def test_a_feed_becomes_the_catalogue(tmp_path: Path, database: sa.Engine, shop: Shop) -> None:
    feed = tmp_path / "feed.tsv"
    feed.write_text(
        "id\ttitle\tlink\timage link\tprice\tavailability\tproduct_type\n"
        "0042\tRed mug\thttps://shop.example/42\t/42.jpg\t12.50 EUR\tin stock\tKitchen > Mugs\n"
        "43\tBlue mug\tjavascript:x\t\t12.50 EUR\tin stock\t\n"
        "44\tBag\t/44\t\t9.00 USD\tin stock\t\n"
    )
    report = load_items([feed], shop=shop, database=database, hot_state=NO_STATE, now=NOW)
    assert (report["rows_read"], report["accepted"]) == (3, 1)
    assert report["rejected"] == {"bad-url": 1, "wrong-currency": 1}
    assert [(one["row"], one["code"]) for one in report["examples"]] == [
        (2, "bad-url"),
        (3, "wrong-currency"),
    ]
    (item,) = CatalogueCache(database).get(shop.shop_id).items()
    assert (item.item_id, item.price_minor, item.category) == ("0042", 1250, "Kitchen > Mugs")


def test_a_feed_without_items_stores_nothing(
    tmp_path: Path, database: sa.Engine, shop: Shop
) -> None:
    feed = write_csv(tmp_path / "feed.csv", [("1", "")], ["id", "title"])
    with pytest.raises(InvalidInputError, match="title") as caught:
        load_items([feed], shop=shop, database=database, hot_state=NO_STATE, now=NOW)
    assert caught.value.code == "no-items"
    assert len(CatalogueCache(database).get(shop.shop_id)) == 0


@pytest.fixture
def command(tmp_path: Path, shop_order: ShopOrder) -> Callable[..., Any]:
    """Run `recommender import … --json` for a shop in a home of its own."""
    url = f"sqlite:///{tmp_path / 'cli.db'}"
    environ = {**os.environ, "RECOMMENDER_HOME": str(tmp_path), "RECOMMENDER_DATABASE_URL": url}
    database = open_database(url)
    migrate(database)
    new = create_shop(shop_order, database=database, now=NOW)
    database.dispose()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = ["-m", "recommender", "import", *arguments, "--shop", new.shop_id, "--json"]
        return subprocess.run(
            [sys.executable, *argv], env=environ, capture_output=True, text=True, check=False
        )

    return run


def test_the_command_finds_out_what_files_hold(tmp_path: Path, command: Any) -> None:
    one = write_csv(tmp_path / "1.csv", [line("1"), line("2")])
    two = write_csv(tmp_path / "2.csv", [line("3"), line("2")])
    done = command(str(one), str(two))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["kind"], report["lines_read"], report["orders"]) == ("orders", 4, 3)
    assert report["examples"] == [], "what files share is told by number, not row by row"
    feed = tmp_path / "feed.csv"
    feed.write_text("id,title,link,price\n1,Mug,/mug,12.50\n")
    report = json.loads(command(str(feed)).stdout)
    assert (report["kind"], report["accepted"]) == ("items", 1)
    xml = tmp_path / "feed.xml"
    xml.write_text(
        "<rss><item><id>1</id><title>M</title><link>/m</link><price>1</price></item></rss>"
    )
    report = json.loads(command(str(xml)).stdout)
    assert (report["kind"], report["accepted"]) == ("items", 1)
    feed.write_text("id,title,link,price\n1,Mug,/mug,12.50\n2,Tea\n")
    lines = tmp_path / "feed.jsonl"
    lines.write_text('{bad\n{"id": "1", "title": "Mug", "link": "/mug", "price": "12.50"}\n')
    report = json.loads(command(str(feed), str(lines)).stdout)
    assert report["accepted"] == 2
    assert [(one["row"], one["code"]) for one in report["examples"]] == [
        (2, "missing-url"),
        (3, "malformed-json"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("odd.csv", "colour,size\nred,L\n", "neither the columns of orders"),
        ("odd.xlsx", "PK", "none of CSV"),
    ],
)
def test_what_the_command_cannot_read_is_one_line_and_wrong_use(
    tmp_path: Path, command: Any, name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    done = command(str(tmp_path / name))
    assert (done.returncode, done.stdout) == (2, "")
    (message,) = done.stderr.strip().splitlines()
    assert complaint in message
