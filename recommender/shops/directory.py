"""Look shops up by key (verb): a few seconds of cache, so that a request costs no query."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from recommender import tables
from recommender.errors import NotAllowedError, NotFoundError, UnavailableError
from recommender.records import Placement, PlacementSetting, Shop, Stratum
from recommender.shops.acting import all_shops
from recommender.shops.secret_keys import holder_of
from recommender.widget_records import ConsentMode, PlacedSlot, SlotPosition, WidgetSetting

CACHE_SECONDS = 5.0


class ShopDirectory:
    """Reads shops from the control database and remembers them for `CACHE_SECONDS`.

    A database that stops answering does not stop the shoppers: shops already known are served
    from memory until it is back. Secret keys are never served from such an old memory.
    """

    def __init__(
        self, database: sa.Engine, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._by_public_key: dict[str, tuple[float, Shop]] = {}

    def by_public_key(self, key: str) -> Shop:
        """Return the shop whose pages carry this key.

        Raises:
            NotAllowedError: No shop has this key.
            UnavailableError: The database does not answer and the shop is not in memory.
        """
        known = self._by_public_key.get(key)
        if known is not None and self._monotonic() - known[0] < CACHE_SECONDS:
            return known[1]
        try:
            readable = key.isascii() and key.isprintable()  # no other key was ever given out
            shop = self._find(tables.shops.c.public_key == key) if key and readable else None
        except UnavailableError:
            if known is None:
                raise
            return known[1]
        if shop is None:
            self._by_public_key.pop(key, None)
            raise NotAllowedError("This site key belongs to no shop", code="unknown-key")
        with self._lock:
            self._by_public_key[key] = (self._monotonic(), shop)
        return shop

    def by_secret_key(self, key: str) -> Shop:
        """Return the shop that holds this secret key.

        Raises:
            NotAllowedError: No shop holds it, or it was revoked.
        """
        with self._answering():
            shop_id = holder_of(key, database=self._database)
        shop = None if shop_id is None else self._find(tables.shops.c.shop_id == shop_id)
        if shop is None:
            raise NotAllowedError("This secret key is not valid", code="unknown-key")
        return shop

    def by_id(self, shop_id: str) -> Shop:
        """Return a shop by its id.

        Raises:
            NotFoundError: There is none.
        """
        shop = self._find(tables.shops.c.shop_id == shop_id)
        if shop is None:
            raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
        return shop

    def all(self) -> list[Shop]:
        """Return every shop, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                sa.select(tables.shops).order_by(tables.shops.c.created_at, tables.shops.c.shop_id)
            ).all()
            return [_read_shop(connection, row) for row in rows]

    def _find(self, condition: sa.ColumnElement[bool]) -> Shop | None:
        with self._reading() as connection:
            row = connection.execute(sa.select(tables.shops).where(condition)).first()
            return None if row is None else _read_shop(connection, row)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        # Whose key it is can only be found among all shops' keys.
        with self._answering(), all_shops(), self._database.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            raise UnavailableError(
                "The control database does not answer", code="database-unavailable"
            ) from error


def _read_shop(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> Shop:
    values = row._mapping
    shop_id = values["shop_id"]
    placements = connection.execute(
        sa.select(tables.placements).where(tables.placements.c.shop_id == shop_id)
    ).all()
    strata = connection.execute(
        sa.select(tables.strata)
        .where(tables.strata.c.shop_id == shop_id)
        .order_by(tables.strata.c.stratum)
    ).all()
    return Shop(
        shop_id=shop_id,
        name=values["name"],
        currency=values["currency"],
        country=values["country"],
        timezone=values["timezone"],
        public_key=values["public_key"],
        visitor_key=values["visitor_key"],
        origins=tuple(values["origins"]),
        placements={
            Placement(setting.placement): PlacementSetting(
                placement=Placement(setting.placement),
                n=setting.n,
                n_min=setting.n_min,
                allow_seen=setting.allow_seen,
                tail_ppm=setting.tail_ppm,
                enabled=setting.enabled,
                title=setting.title,
                rotation_ppm=setting.rotation_ppm,
                exploration_ppm=setting.exploration_ppm,
            )
            for setting in placements
        },
        strata=tuple(Stratum(**stratum._mapping) for stratum in strata),
        declared_effect_ppm=values["declared_effect_ppm"],
        widget=WidgetSetting(
            enabled=values["widget_enabled"],
            consent=ConsentMode(values["consent_mode"]),
            cart_button=values["cart_button"],
            sandboxed_pixels=values["sandboxed_pixels"],
            slots=_read_slots(connection, shop_id),
        ),
    )


def _read_slots(connection: sa.Connection, shop_id: str) -> tuple[PlacedSlot, ...]:
    rows = tables.placed_slots
    own = sa.select(rows).where(rows.c.shop_id == shop_id)
    return tuple(
        PlacedSlot(
            slot_id=row.slot_id,
            placement=row.placement,
            selector=row.selector,
            position=SlotPosition(row.position),
            is_live=row.is_live,
        )
        for row in connection.execute(own.order_by(rows.c.created_at, rows.c.slot_id))
    )
