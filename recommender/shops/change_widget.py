"""Change a shop's widget (verb): its settings, and the slots placed from the console."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.audit import record_audit
from recommender.shops.widget_settings import MOST_SLOTS, slot_faults
from recommender.widget_records import ConsentMode, PlacedSlot


def set_widget(
    shop_id: str,
    *,
    enabled: bool,
    consent: ConsentMode,
    cart_button: bool,
    sandboxed_pixels: bool,
    database: sa.Engine,
) -> None:
    """Store what holds for all pages of a shop; the widget follows within minutes."""
    told: dict[str, Any] = {
        "widget_enabled": enabled,
        "consent_mode": consent.value,
        "cart_button": cart_button,
        "sandboxed_pixels": sandboxed_pixels,
    }
    shops = tables.shops
    with database.begin() as connection:
        connection.execute(shops.update().where(shops.c.shop_id == shop_id).values(told))
        record_audit(connection, "widget.changed", shop_id=shop_id, **told)


def place_slot(
    shop_id: str,
    slot: PlacedSlot,
    *,
    database: sa.Engine,
    now: dt.datetime,
) -> None:
    """Add a slot.

    Raises:
        InvalidInputError: `invalid-slot`, or `too-many-slots`.
    """
    faults = slot_faults(slot)
    if faults:
        raise InvalidInputError(" ".join(faults.values()), code="invalid-slot")
    rows = tables.placed_slots
    with database.begin() as connection:
        own = sa.select(sa.func.count()).where(rows.c.shop_id == shop_id)
        if connection.execute(own).scalar_one() >= MOST_SLOTS:
            raise InvalidInputError(
                f"There are at most {MOST_SLOTS} placed slots", code="too-many-slots"
            )
        values = {
            "slot_id": slot.slot_id,
            "placement": slot.placement,
            "selector": slot.selector,
            "position": slot.position.value,
            "is_live": slot.is_live,
        }
        connection.execute(rows.insert().values(shop_id=shop_id, created_at=now, **values))
        record_audit(
            connection,
            "slot.placed",
            shop_id=shop_id,
            subject=slot.slot_id,
            placement=slot.placement,
            selector=slot.selector,
            position=slot.position.value,
            is_live=slot.is_live,
        )


def switch_slot(shop_id: str, slot_id: str, *, is_live: bool, database: sa.Engine) -> None:
    """Show a slot to shoppers, or only in previews.

    Raises:
        NotFoundError: `unknown-slot`.
    """
    statement = tables.placed_slots.update().values(is_live=is_live)
    with database.begin() as connection:
        _check_found(connection.execute(statement.where(*_own(shop_id, slot_id))))
        record_audit(connection, "slot.switched", shop_id=shop_id, subject=slot_id, is_live=is_live)


def remove_slot(shop_id: str, slot_id: str, *, database: sa.Engine) -> None:
    """Take a slot away.

    Raises:
        NotFoundError: `unknown-slot`.
    """
    statement = tables.placed_slots.delete()
    with database.begin() as connection:
        _check_found(connection.execute(statement.where(*_own(shop_id, slot_id))))
        record_audit(connection, "slot.removed", shop_id=shop_id, subject=slot_id)


def _own(shop_id: str, slot_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    rows = tables.placed_slots.c
    return rows.shop_id == shop_id, rows.slot_id == slot_id


def _check_found(result: sa.CursorResult[Any]) -> None:
    if not result.rowcount:
        raise NotFoundError("This slot was removed meanwhile", code="unknown-slot")
