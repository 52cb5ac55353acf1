"""What happens by the clock, and when. All times are UTC.

A job that fails for one shop is logged and goes on with the next; every job may run again, none
does its work twice.
"""

import datetime as dt
import functools
import threading
from collections.abc import Callable

import sqlalchemy as sa
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from recommender import tables
from recommender.adapters.guarded_fetch import GuardedFetch
from recommender.bootstrap import Services
from recommender.catalog.feeds import Fetch, take_feed
from recommender.cli.background import in_background, spare_memory
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.events.erase import due_erasures
from recommender.records import Shop
from recommender.telemetry import get_logger

FEED_SECONDS = 5
ORDERS_SECONDS = 10
GROWTH_TO_RETRAIN = 4
"""A young shop is trained again, between the nights, when its log has grown this many times."""


def run_schedule(services: Services, *, stop: threading.Event) -> None:
    """Run all jobs at their times until `stop` is set; waits for the one in hand."""
    spare_memory()
    scheduler = BackgroundScheduler(
        timezone=dt.UTC,
        # One heavy job at a time; tidying the event log and refreshing other shops' models do not
        # wait behind a training.
        executors={
            "default": ThreadPoolExecutor(1),
            "tidy": ThreadPoolExecutor(1),
            "refresh": ThreadPoolExecutor(1),
            "feeds": ThreadPoolExecutor(1),
            "orders": ThreadPoolExecutor(1),
        },
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
    )
    growth = GrowthWatch(services)
    hourly = CronTrigger(minute=20, timezone=dt.UTC)
    scheduler.add_job(compact, hourly, [services], executor="tidy")
    # After the ingester had its time with late events, and beside the tidying of the same log.
    scheduler.add_job(
        seal_all, CronTrigger(minute=40, timezone=dt.UTC), [services], executor="tidy"
    )
    if services.settings.event_days:
        nightly_drop = CronTrigger(hour=2, minute=50, timezone=dt.UTC)
        scheduler.add_job(drop_old, nightly_drop, [services], executor="tidy")
    minutely = IntervalTrigger(minutes=1, timezone=dt.UTC)
    scheduler.add_job(growth.train_grown, minutely, next_run_time=services.now())
    often_sent = IntervalTrigger(seconds=ORDERS_SECONDS, timezone=dt.UTC)
    scheduler.add_job(
        send_orders, often_sent, [services], executor="orders", next_run_time=services.now()
    )
    scheduler.add_job(finish_erasures, minutely, [services], executor="tidy")
    if services.settings.refresh_minutes:
        often = IntervalTrigger(minutes=services.settings.refresh_minutes, timezone=dt.UTC)
        scheduler.add_job(RefreshWatch(services).refresh_changed, often, executor="refresh")
    soon = IntervalTrigger(seconds=FEED_SECONDS, timezone=dt.UTC)
    scheduler.add_job(take_feeds, soon, [services, GuardedFetch()], executor="feeds")
    nightly = CronTrigger(hour=services.settings.train_hour, timezone=dt.UTC)
    scheduler.add_job(train_all, nightly, [services])
    scheduler.add_job(measure_all, CronTrigger(hour=4, timezone=dt.UTC), [services])
    advancing = CronTrigger(hour=4, minute=20, timezone=dt.UTC)
    scheduler.add_job(advance_designs, advancing, [services])
    reporting = CronTrigger(hour=4, minute=30, timezone=dt.UTC)
    scheduler.add_job(look_after_orders, reporting, [services])
    # Again on the days after, for what failed: a month that is settled stays as it is.
    settling = CronTrigger(day="2-6", hour=5, timezone=dt.UTC)
    scheduler.add_job(settle_all, settling, [services])
    scheduler.start()
    stop.wait()
    scheduler.shutdown(wait=True)


def compact(services: Services) -> None:
    """Merge the event log's small files."""
    _attempt("compact", "", services.event_log.compact)


def send_orders(services: Services) -> None:
    """Send the order events that the stream did not take when their orders were stored."""
    from recommender.events.send_orders import send_waiting_orders

    try:
        sent = send_waiting_orders(database=services.database, stream=services.state)
    except UnavailableError as error:
        get_logger().warning("job-not-done", job="orders", code=error.code, reason=str(error))
    else:
        if sent:
            get_logger().info("order-events-sent", sent=sent)


def look_after_orders(services: Services) -> None:
    """Count how every shop's orders found their visitors; forget old answers."""
    from recommender.events.link_orders import report_links
    from recommender.shops.replies import forget_replies

    for shop in services.shops.all():
        report = functools.partial(
            report_links,
            shop.shop_id,
            event_log=services.event_log,
            database=services.database,
            now=services.now(),
        )
        _attempt("links", shop.shop_id, report)
    forget = functools.partial(forget_replies, database=services.database, now=services.now())
    _attempt("forget", "", forget)


def take_feeds(services: Services, fetch: Fetch) -> None:
    """Read all feeds that wait."""
    try:
        while feed_id := take_feed(
            database=services.database,
            hot_state=services.state,
            shop_by_id=services.shops.by_id,
            fetch=fetch,
            now=services.now,
        ):
            get_logger().info("feed-taken", feed_id=feed_id)
    except Exception:  # the next feed's work must go on
        get_logger().exception("job-failed", job="feeds")


def seal_all(services: Services) -> None:
    """Seal every shop's days that ended some hours ago, and those that changed since."""
    from recommender.events.sealing import seal_days

    now = services.now()
    ended = (now - dt.timedelta(hours=services.settings.seal_hours)).date()
    for shop in services.shops.all():
        seal = functools.partial(
            seal_days,
            shop.shop_id,
            event_log=services.event_log,
            database=services.database,
            through=ended - dt.timedelta(days=1),
            now=now,
        )
        _attempt("seal", shop.shop_id, seal)


def drop_old(services: Services) -> None:
    """Drop the days of every shop's event log that are older than the operator keeps them."""
    from recommender.billing.retention import drop_old_days

    for shop in services.shops.all():
        drop = functools.partial(
            drop_old_days,
            shop,
            event_log=services.event_log,
            database=services.database,
            keep_days=services.settings.event_days,
            now=services.now(),
        )
        _attempt("drop", shop.shop_id, drop)


def finish_erasures(services: Services) -> None:
    """Take erased visitors out of event log and artifacts."""
    from recommender.cli.people_commands import finish

    with services.database.connect() as connection:
        due = due_erasures(connection, services.now())
    if due:
        _attempt("erase", "", functools.partial(finish, services))


def train_all(services: Services) -> None:
    """Train every shop that has events."""
    rows = services.event_log.rows_by_shop()
    for shop in services.shops.all():
        if rows.get(shop.shop_id):
            train_shop(services, shop)


def train_shop(services: Services, shop: Shop) -> None:
    """Train one shop."""
    from recommender.training.train import train

    def _train() -> None:
        train(
            shop,
            event_log=services.event_log,
            catalogue=services.catalogues.get(shop.shop_id).items(),
            database=services.database,
            artifacts=services.artifacts,
            now=services.now(),
        )

    _attempt("train", shop.shop_id, functools.partial(in_background, _train))


class GrowthWatch:
    """Trains a shop soon after its first events and whenever they have become many more."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rows_trained: dict[str, int] = {}

    def train_grown(self) -> None:
        """Train the shops whose event log grew manifold since this process trained them last."""
        rows_by_shop = self._services.event_log.rows_by_shop()
        trained = self._trained_before()
        for shop in self._services.shops.all():
            rows = rows_by_shop.get(shop.shop_id, 0)
            # What an earlier process trained counts as up to date; the night takes care of it.
            known = self._rows_trained.setdefault(
                shop.shop_id, rows if shop.shop_id in trained else 0
            )
            if rows > known * GROWTH_TO_RETRAIN:
                self._rows_trained[shop.shop_id] = rows
                train_shop(self._services, shop)

    def _trained_before(self) -> set[str]:
        with self._services.database.connect() as connection:
            return set(connection.scalars(sa.select(tables.trainings.c.shop_id).distinct()))


class RefreshWatch:
    """Refreshes the models of the shops that had events since this process refreshed them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rows_known: dict[str, int] = {}

    def refresh_changed(self) -> None:
        """Refresh every shop whose event log has other rows than last time."""
        rows_by_shop = self._services.event_log.rows_by_shop()
        for shop in self._services.shops.all():
            rows = rows_by_shop.get(shop.shop_id, 0)
            if rows and rows != self._rows_known.get(shop.shop_id):
                work = functools.partial(self._refresh, shop, rows)
                _attempt("refresh", shop.shop_id, functools.partial(in_background, work))

    def _refresh(self, shop: Shop, rows: int) -> None:
        from recommender.training.refresh import refresh

        services = self._services
        report = refresh(
            shop,
            event_log=services.event_log,
            catalogue=services.catalogues.get(shop.shop_id).items(),
            artifacts=services.artifacts,
            now=services.now(),
        )
        self._rows_known[shop.shop_id] = rows
        get_logger().info(
            "model-refreshed" if report.refreshed else "model-not-refreshed",
            shop_id=shop.shop_id,
            artifact_id=report.artifact_id,
            reason=report.reason,
        )


def measure_all(services: Services) -> None:
    """Bring every shop's daily sums up to yesterday, as the shop's own calendar has it."""
    from recommender.shops.registry import current_contract
    from recommender.uplift.days import local_day
    from recommender.uplift.measure import measure

    def _measure(shop: Shop) -> None:
        now = services.now()
        yesterday = local_day(now, shop.timezone) - dt.timedelta(days=1)
        measure(
            shop,
            event_log=services.event_log,
            database=services.database,
            contract=current_contract(shop.shop_id, yesterday, database=services.database),
            through=yesterday,
            now=now,
        )

    for shop in services.shops.all():
        _attempt("measure", shop.shop_id, functools.partial(_measure, shop))


def advance_designs(services: Services) -> None:
    """Take the steps that are due in the shops' experiments."""
    from recommender.billing.advance import advance_design

    def _advance(shop: Shop) -> None:
        step = advance_design(shop, database=services.database, now=services.now())
        if step.phase is not None:
            get_logger().info("design-advanced", shop_id=shop.shop_id, reason=step.reason)

    for shop in services.shops.all():
        if shop.current_stratum.phase:
            _attempt("design", shop.shop_id, functools.partial(_advance, shop))


def settle_all(services: Services) -> None:
    """Close the month before for every shop."""
    from recommender.adapters.invoice_pdf import render_invoice
    from recommender.billing.settle import settle

    def _settle(shop: Shop) -> None:
        now = services.now()
        settle(
            shop,
            month_before(now),
            event_log=services.event_log,
            database=services.database,
            render_invoice=render_invoice,
            now=now,
        )

    for shop in services.shops.all():
        _attempt("settle", shop.shop_id, functools.partial(_settle, shop))


def month_before(at: dt.datetime) -> str:
    """Return the month before the one of an instant, as `YYYY-MM`."""
    return f"{at.date().replace(day=1) - dt.timedelta(days=1):%Y-%m}"


def _attempt(job: str, shop_id: str, work: Callable[[], object]) -> None:
    log = get_logger().bind(job=job, shop_id=shop_id)
    try:
        work()
    except (InvalidInputError, NotFoundError, UnavailableError) as error:
        # A shop without contract or events; a server that is away until the next time.
        log.warning("job-not-done", code=error.code, reason=str(error))
    except Exception:  # the other shops' work must go on
        log.exception("job-failed")
    else:
        log.info("job-done")
