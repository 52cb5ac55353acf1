import contextlib
import datetime as dt
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from processes import free_port
from recommender import tables
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.demo.load import describe_item, prepare_demo, settle_past_months, shift_weeks
from recommender.demo.notes import DemoNotes, demo_folder, write_private
from recommender.demo.register import (
    EFFECT_PPM,
    N_DAYS,
    simulation_plan,
    storefront_url,
    write_storefront_config,
)
from recommender.demo.sample import SAMPLE, compact_lines
from recommender.demo.storefront import create_app
from recommender.events.history import sort_out
from recommender.events.history_orders import HistoricItem
from recommender.records import Shop, Stratum

NOW = dt.datetime(2026, 3, 4, 9, 30, tzinfo=dt.UTC)


def make_services(home: Path, **environ: str) -> Services:
    settings = Settings.from_environ({"RECOMMENDER_HOME": str(home), **environ})
    return bootstrap(settings, now=lambda: NOW)


def test_real_orders_end_within_the_week_before_the_first_day() -> None:
    for offset in range(14):
        first_on = dt.date(2026, 1, 1) + dt.timedelta(days=offset)
        last_real = dt.date(2011, 12, 9) + dt.timedelta(weeks=shift_weeks(first_on))
        assert 1 <= (first_on - last_real).days <= 7


def test_the_plan_ends_with_its_last_day() -> None:
    plan = simulation_plan(dt.date(2026, 3, 3), 10)
    assert (plan.last_on, plan.n_days) == (dt.date(2026, 3, 3), N_DAYS)


def test_the_storefront_is_the_services_neighbour() -> None:
    settings = Settings.from_environ({"RECOMMENDER_HOME": "/x", "RECOMMENDER_PORT": "8123"})
    assert storefront_url(settings) == "http://127.0.0.1:8124"


def test_items_get_pages_of_their_own() -> None:
    shop = Shop("s", "S", "GBP", "GB", "UTC", "pk", b"", (), {}, (Stratum("s", 1, "x", 1, NOW),))
    item = describe_item(HistoricItem("A/1", "RED RETROSPOT LUNCH BAG", 165), shop)
    assert (item.url, item.image_url) == ("/p/A%2F1", "/image/A%2F1.svg")
    assert (item.title, item.category, item.available) == (
        "Red Retrospot Lunch Bag", "Bags & purses", True,
    )  # fmt: skip
    assert not describe_item(HistoricItem("2", "Next Day Carriage", 500), shop).available


def test_the_sample_is_whole_small_and_attributed() -> None:
    assert pq.read_metadata(SAMPLE).num_rows == 541_909
    assert SAMPLE.stat().st_size < 4_000_000
    attribution = (SAMPLE.parent / "ATTRIBUTION.md").read_text()
    assert "CC BY 4.0" in attribution
    assert "doi:10.1057/dbm.2012.17" in attribution


def test_the_sample_alters_no_line() -> None:
    original = {
        "InvoiceNo": ["536365", "C536379"],
        "StockCode": ["85123A", "D"],
        "Description": ["WHITE HANGING HEART T-LIGHT HOLDER", "Discount"],
        "Quantity": ["6", "-1"],
        "InvoiceDate": ["2010-12-01 08:26:00", "2010-12-01 09:41:00"],
        "UnitPrice": ["2.55", "27.5"],
        "CustomerID": ["17850.0", ""],
        "Country": ["United Kingdom", "United Kingdom"],
    }
    compact = compact_lines(pa.table(original))
    before, after = (
        sort_out([("f", table)], currency="GBP", timezone="Europe/London")
        for table in (pa.table(original), compact)
    )
    assert after.equals(before)
    assert compact["Customer ID"].to_pylist() == [17850, None]


def test_the_storefront_is_served_one_port_above(tmp_path: Path) -> None:
    from recommender.cli.demo_commands import storefront_child

    port = free_port()
    settings = Settings.from_environ(
        {"RECOMMENDER_HOME": str(tmp_path), "RECOMMENDER_PORT": str(port)}
    )
    notes = DemoNotes("s", "pk", "sk", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "e", "p", "k", "d")
    write_storefront_config(settings, notes, demo_folder(tmp_path))
    write_private(demo_folder(tmp_path) / "catalogue.json", "[]")
    child = subprocess.Popen(storefront_child(settings).argv)
    try:
        assert answer_of(f"http://127.0.0.1:{port + 1}/healthz", child) == b"ok"
    finally:
        child.terminate()
        assert child.wait(60) == 0


def answer_of(url: str, child: "subprocess.Popen[bytes]") -> bytes:
    """Ask until the child answers; fail when it ends instead."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while child.poll() is None:
        with contextlib.suppress(OSError), opener.open(url, timeout=5) as answer:
            return bytes(answer.read())
    raise AssertionError("the storefront ended")


def counts(services: Services) -> dict[str, int]:
    names = ("shops", "orders", "items", "imports", "contracts", "users", "daily_sums", "trainings")
    with services.database.connect() as connection:
        return {
            name: connection.scalar(
                sa.select(sa.func.count()).select_from(tables.metadata.tables[name])
            )
            or 0
            for name in names
        }


def write_part_of_the_sample(path: Path) -> Path:
    """Write every eighth order; the browser tests load the whole sample."""
    lines = pq.read_table(SAMPLE)
    last_digits = pc.cast(pc.utf8_slice_codeunits(lines["Invoice"], -3), pa.int32())
    pq.write_table(lines.filter(pc.equal(pc.bit_wise_and(last_digits, 7), 0)), path)
    return path


def test_the_demo_is_loaded_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = write_part_of_the_sample(tmp_path / "part.parquet")
    monkeypatch.setattr("recommender.demo.load.SAMPLE", part)
    told: list[str] = []
    services = make_services(tmp_path)
    notes = prepare_demo(services, tell=told.append, n_visitors=2_000)
    assert len(told) == 4
    loaded = counts(services)
    assert (loaded["shops"], loaded["imports"], loaded["contracts"], loaded["users"]) == (
        1,
        2,
        1,
        1,
    )
    assert loaded["trainings"] == 1
    assert services.artifacts.current(notes.shop_id) is not None
    shop = services.shops.by_id(notes.shop_id)
    assert shop.declared_effect_ppm == EFFECT_PPM
    assert set(shop.origins) == {"http://127.0.0.1:8001", "http://localhost:8001"}
    assert_measured(services)
    settle_past_months(services, notes)
    # 8 weeks to 3 March begin on 7 January: January and February are over.
    with services.database.connect() as connection:
        months = connection.scalars(sa.select(tables.statements.c.month)).all()
    assert sorted(months) == ["2026-01", "2026-02"]
    services.database.dispose()

    again = make_services(tmp_path, RECOMMENDER_PORT="8100")
    assert prepare_demo(again, tell=told.append, n_visitors=2_000) == notes
    assert len(told) == 4
    assert counts(again) == loaded
    assert "http://127.0.0.1:8101" in again.shops.by_id(notes.shop_id).origins
    again.database.dispose()
    assert_storefront_sells(tmp_path)


def assert_measured(services: Services) -> None:
    rows = tables.daily_sums.c
    query = sa.select(rows.arm, sa.func.sum(rows.visitors), sa.func.min(rows.day)).group_by(
        rows.arm
    )
    with services.database.connect() as connection:
        measured = {row[0]: row for row in connection.execute(query)}
    assert sum(row[1] for row in measured.values()) == 2_000
    assert {row[2] for row in measured.values()} == {dt.date(2026, 1, 7)}


def assert_storefront_sells(home: Path) -> None:
    path = home / "demo" / "storefront.json"
    assert path.stat().st_mode & 0o777 == 0o600
    config: dict[str, Any] = json.loads(path.read_text())
    assert config["service_url"] == "http://127.0.0.1:8100"
    client = create_app(str(path), now=lambda: NOW).test_client()
    assert "White Hanging Heart T-light Holder" in client.get("/").text
    assert client.get("/p/85123A").status_code == 200
