"""Composition root: the only place that picks implementations."""

import datetime as dt
import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from recommender.adapters.database import open_database
from recommender.adapters.embedded_server import embedded_url
from recommender.adapters.rate_limits import RateLimits
from recommender.adapters.redis_people import RedisPeople
from recommender.adapters.secret_file import read_or_make_secret
from recommender.adapters.spool import Spool
from recommender.adapters.spooling_state import SpoolingState
from recommender.adapters.tombstone_file import FILE_NAME, TombstoneFile
from recommender.catalog.cache import CatalogueCache
from recommender.config import Settings
from recommender.crash_points import arm_crash_point
from recommender.shops.directory import ShopDirectory
from recommender.training.artifact import ArtifactStore

if TYPE_CHECKING:
    from recommender.adapters.event_log import DeltaEventLog
    from recommender.serving.models import LoadedModels


@dataclass(frozen=True)
class Services:
    """Every real collaborator of one process.

    Attributes:
        secret: The service's own secret, 32 bytes; session cookies and the shops' signing
            secrets are derived from it.
        now: Clock of the process, returns an aware UTC instant.
        patience_seconds: How long a request waits for a shop's catalogue and model when they are
            read for the first time; None until they are there.
    """

    settings: Settings
    database: sa.Engine
    state: SpoolingState
    limits: RateLimits
    shops: ShopDirectory
    catalogues: CatalogueCache
    artifacts: ArtifactStore
    secret: bytes
    now: Callable[[], dt.datetime]
    patience_seconds: float | None = None

    @cached_property
    def event_log(self) -> "DeltaEventLog":
        """Return the event log; web workers never ask for it, and save its libraries."""
        from recommender.adapters.event_log import DeltaEventLog

        return DeltaEventLog(self.settings.lake_url, engine=self.settings.engine)

    @cached_property
    def people(self) -> RedisPeople:
        """Return single visitors' traces in the hot state."""
        return RedisPeople(self.settings.redis_url or embedded_url(self.settings.home))

    @cached_property
    def tombstone_file(self) -> TombstoneFile:
        """Return the erasures beside the database."""
        return TombstoneFile(self.settings.home / FILE_NAME)

    @cached_property
    def models(self) -> "LoadedModels":
        """Return the shops' models; only web workers ask for them, others save the compiler."""
        from recommender.serving.model import Model
        from recommender.serving.models import LoadedModels
        from recommender.serving.warm_up import warm_up

        def warm_up_shop(shop_id: str, model: Model) -> None:
            shop = self.shops.by_id(shop_id)
            warm_up(shop, model, self.catalogues.load(shop_id), now=self.now())
            gc.freeze()  # as at the start, see `wsgi`

        models = LoadedModels(
            self.artifacts,
            catalogues=self.catalogues,
            limit_bytes=self.settings.model_memory_mb << 20,
            warm_up=warm_up_shop,
            look_ahead=lambda model: model.look_ahead(self.now()),
            patience_seconds=self.patience_seconds,
        )
        self.catalogues.prepare = models.align
        return models


def utc_now() -> dt.datetime:
    """Return the wall clock."""
    return dt.datetime.now(dt.UTC)


def bootstrap(
    settings: Settings,
    *,
    now: Callable[[], dt.datetime] = utc_now,
    shops_by_request: bool = False,
    patience_seconds: float | None = None,
) -> Services:
    """Build the services that `settings` name. Opens nothing that a command may not need.

    Args:
        settings: What to build.
        now: Clock of the process.
        shops_by_request: As for `open_database`: set in web workers.
        patience_seconds: See `Services`.
    """
    arm_crash_point(settings.crash_at, settings.home)
    database = open_database(settings.database_url, shops_by_request=shops_by_request)
    spool = Spool(settings.home / "spool", limit_bytes=settings.spool_mb << 20)
    # Without an address: the server that `up` runs in this home, if it does.
    redis_url = settings.redis_url or embedded_url(settings.home)
    state = SpoolingState(redis_url, spool, read_seconds=settings.slate_budget_ms / 1000)
    secret = read_or_make_secret(settings.secret_key_file)

    return Services(
        settings=settings,
        database=database,
        state=state,
        limits=RateLimits(state.add_counts, secret=secret, now=now),
        shops=ShopDirectory(database),
        catalogues=CatalogueCache(database, patience_seconds=patience_seconds),
        artifacts=ArtifactStore(settings.home / "artifacts"),
        secret=secret,
        now=now,
        patience_seconds=patience_seconds,
    )
