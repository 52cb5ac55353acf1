"""Invoices finalised by processes that are killed: numbers 1…n, without hole or twin.

`RECOMMENDER_TEST_INVOICES=1000` runs it at full size, with eight processes.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from money_world import CONTRACT, START, bill_to
from recommender import tables
from recommender.billing.book import verify_ledger
from recommender.shops.audit import verify_audit
from recommender.shops.registry import ShopOrder, add_contract, create_shop
from world import STARTED_AT

N_INVOICES = int(os.environ.get("RECOMMENDER_TEST_INVOICES", "16"))
N_PROCESSES, MOST_PASSINGS = (8, 40) if N_INVOICES > 100 else (4, 3)
PROGRAM = Path(__file__).with_name("invoice_process.py")


def make_shops(database: sa.Engine) -> None:
    for number in range(N_INVOICES):
        order = ShopOrder(f"Shop {number}", "EUR", "FR", "Europe/Paris", ["https://a.example"])
        shop_id = create_shop(order, database=database, now=STARTED_AT).shop_id
        bill_to(shop_id, database)
        add_contract(replace(CONTRACT, shop_id=shop_id, starts_on=START), database=database)


@pytest.mark.slow
def test_processes_that_are_killed_leave_no_hole_and_no_twin(
    database: sa.Engine, database_url: str, tmp_path: Path
) -> None:
    make_shops(database)
    done = subprocess.run(
        [sys.executable, PROGRAM, database_url, tmp_path, str(N_PROCESSES), str(MOST_PASSINGS)],
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[1]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    killed = int(done.stdout)
    assert killed >= N_PROCESSES
    print(f"{N_INVOICES} invoices, {killed} processes killed")
    with database.connect() as connection:
        invoices = connection.execute(
            sa.select(tables.invoices.c.number, tables.invoices.c.shop_id)
        ).all()
        detailed = set(connection.execute(sa.select(tables.invoice_details.c.number)).scalars())
        stated = connection.execute(sa.select(tables.statements.c.invoice_number)).scalars().all()
        taken = dict(
            connection.execute(
                sa.select(tables.invoice_series.c.series, tables.invoice_series.c.last_number)
            ).all()
        )
        balance = connection.execute(
            sa.select(sa.func.sum(tables.postings.c.amount_minor))
        ).scalar_one()
    wanted = [f"2027-{number:06}" for number in range(1, N_INVOICES + 1)]
    assert sorted(row.number for row in invoices) == wanted == sorted(stated)
    assert len({row.shop_id for row in invoices}) == N_INVOICES
    assert detailed == set(wanted)
    assert taken == {"2027": N_INVOICES}
    assert balance == 0
    assert verify_ledger(database=database) == N_INVOICES
    assert verify_audit(database=database) > 0
