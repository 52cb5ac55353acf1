"""One piece of work as a process of its own, on the services of the environment's settings.

Usage: crashing_process.py WORK SHOP_ID NOW
"""

import datetime as dt
import sys

from recommender.adapters.event_codec import decode_events
from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing.retention import drop_old_days
from recommender.billing.settle import settle
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.events.ingest import WRITER, ingest_once
from recommender.events.replay import replay
from recommender.events.sealing import seal_days


def work(services: Services, name: str, shop_id: str) -> None:
    """Do a piece of work to its end."""
    log, database, now = services.event_log, services.database, services.now()
    shop = services.shops.by_id(shop_id)
    if name == "ingest":
        ingest_once(
            services.state,
            log,
            database=database,
            writer=WRITER,
            now=services.now,
            limit=1000,
            block_ms=0,
        )
    elif name == "compact":
        log.compact()
    elif name == "seal":
        yesterday = now.date() - dt.timedelta(days=1)
        seal_days(shop_id, event_log=log, database=database, through=yesterday, now=now)
    elif name == "drop":
        drop_old_days(shop, event_log=log, database=database, keep_days=10, now=now, confirmed=True)
    elif name == "replay":
        replay(shop_id, decode=decode_events, event_log=log, database=database, now=now)
    elif name == "settle":
        settle(
            shop,
            "2026-03",
            event_log=log,
            database=database,
            render_invoice=render_invoice,
            now=now,
        )


if __name__ == "__main__":
    instant = dt.datetime.fromisoformat(sys.argv[3])
    work(bootstrap(Settings.from_environ(), now=lambda: instant), sys.argv[1], sys.argv[2])
