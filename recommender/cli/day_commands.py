"""`recommender days`: sealed days of the event log, and the end of old ones."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import click

from recommender.cli.common import emit, json_option, make_services
from recommender.events.sealing import SealedDay, read_revisions, seal_days

shop_option = click.option("--shop", "shop_id", required=True, help="Id of the shop.")


@click.group()
def days() -> None:
    """Days of the event log: sealed, listed, dropped when old."""


@days.command("list")
@shop_option
@json_option
def list_days(shop_id: str, as_json: bool) -> None:
    """List a shop's sealed days, all revisions."""
    services = make_services(service="days")
    services.shops.by_id(shop_id)
    _emit_days(shop_id, read_revisions(shop_id, database=services.database), as_json)


@days.command("seal")
@shop_option
@json_option
def seal(shop_id: str, as_json: bool) -> None:
    """Seal the days that are over and not sealed yet, or changed since; list the newest."""
    services = make_services(service="days")
    services.shops.by_id(shop_id)
    now = services.now()
    sealed = seal_days(
        shop_id,
        event_log=services.event_log,
        database=services.database,
        through=now.date() - dt.timedelta(days=1),
        now=now,
    )
    _emit_days(shop_id, sealed, as_json)


@days.command("drop")
@shop_option
@click.option(
    "--keep-days", required=True, type=click.IntRange(1, 36_500), help="Age up to which days stay."
)
@click.option("--yes", is_flag=True, help="Drop them; otherwise only say which.")
@json_option
def drop(shop_id: str, keep_days: int, yes: bool, as_json: bool) -> None:
    """Drop a shop's old days; never those that a contract not settled to its end still needs."""
    from recommender.billing.retention import drop_old_days, plan_retention

    services = make_services(service="days")
    shop = services.shops.by_id(shop_id)
    log, database, now = services.event_log, services.database, services.now()
    if yes:
        plan = drop_old_days(
            shop, event_log=log, database=database, keep_days=keep_days, now=now, confirmed=True
        )
    else:
        plan = plan_retention(shop, event_log=log, database=database, keep_days=keep_days, now=now)
    result = {
        "shop_id": shop_id,
        "before": plan.before.isoformat(),
        "needed_from": plan.needed_from.isoformat() if plan.needed_from else None,
        "days": [day.isoformat() for day in plan.days],
        "dropped": yes,
    }
    emit(result, as_json=as_json, text=lambda: _dropped_text(result))


def _dropped_text(result: Mapping[str, Any]) -> str:
    found = result["days"]
    if not found:
        return "No day is old enough and not needed."
    state = "dropped" if result["dropped"] else "would be dropped; confirm with --yes"
    return f"{len(found)} days from {found[0]} to {found[-1]} {state}."


def _emit_days(shop_id: str, sealed: list[SealedDay], as_json: bool) -> None:
    rows = [
        {
            "day": day.day.isoformat(),
            "revision": day.revision,
            "events": day.events,
            "copies": day.copies,
            "sha256": day.sha256,
            "sealed_at": day.sealed_at.isoformat(),
            "dropped_at": day.dropped_at.isoformat() if day.dropped_at else None,
        }
        for day in sealed
    ]
    emit(
        {"shop_id": shop_id, "days": rows},
        as_json=as_json,
        text=lambda: "\n".join(map(_day_text, rows)) or "No day is sealed yet.",
    )


def _day_text(row: Mapping[str, Any]) -> str:
    dropped = f"  dropped {row['dropped_at']}" if row["dropped_at"] else ""
    return (
        f"{row['day']}  revision {row['revision']}  {row['events']:>9,} events  "
        f"{row['sha256']}{dropped}"
    )
