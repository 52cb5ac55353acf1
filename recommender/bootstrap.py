"""Composition root: the only place that picks implementations."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from recommender.adapters.database import open_database
from recommender.adapters.embedded_server import embedded_url
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.adapters.secret_file import read_or_make_secret
from recommender.catalog.cache import CatalogueCache
from recommender.config import Settings
from recommender.serving.models import LoadedModels
from recommender.shops.directory import ShopDirectory
from recommender.training.artifact import ArtifactStore


@dataclass(frozen=True, slots=True)
class Services:
    """Every real collaborator of one process.

    Attributes:
        secret: The service's own secret, 32 bytes; session cookies and the shops' signing
            secrets are derived from it.
        now: Clock of the process, returns an aware UTC instant.
    """

    settings: Settings
    database: sa.Engine
    state: RedisState
    event_log: DeltaEventLog
    shops: ShopDirectory
    catalogues: CatalogueCache
    artifacts: ArtifactStore
    models: LoadedModels
    secret: bytes
    now: Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """Return the wall clock."""
    return dt.datetime.now(dt.UTC)


def bootstrap(settings: Settings, *, now: Callable[[], dt.datetime] = utc_now) -> Services:
    """Build the services that `settings` name. Opens nothing that a command may not need."""
    database = open_database(settings.database_url)
    artifacts = ArtifactStore(settings.home / "artifacts")
    return Services(
        settings=settings,
        database=database,
        # Without an address: the server that `up` runs in this home, if it does.
        state=RedisState(settings.redis_url or embedded_url(settings.home)),
        event_log=DeltaEventLog(settings.lake_url, engine=settings.engine),
        shops=ShopDirectory(database),
        catalogues=CatalogueCache(database),
        artifacts=artifacts,
        models=LoadedModels(artifacts),
        secret=read_or_make_secret(settings.secret_key_file),
        now=now,
    )
