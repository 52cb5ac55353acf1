"""`recommender rejected` and `recommender days`: what the event log refused, and what it holds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from recommender.cli.common import emit, json_option, make_services

_SHOWN = 200


@click.group()
def rejected() -> None:
    """Acknowledged events that could not be stored: list them, store them after a fix."""


@rejected.command("list")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@click.option("--all", "everything", is_flag=True, help="Also those that were replayed.")
@click.option("--limit", default=_SHOWN, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_rejected(shop_id: str, everything: bool, limit: int, as_json: bool) -> None:
    """List a shop's rejected events with reason and payload, oldest first."""
    from recommender.events.replay import read_rejected

    services = make_services(service="rejected")
    services.shops.by_id(shop_id)
    found = read_rejected(shop_id, database=services.database, waiting=not everything, limit=limit)
    rows = [
        asdict(one)
        | {
            "received_at": one.received_at.isoformat(),
            "replayed_at": one.replayed_at.isoformat() if one.replayed_at else None,
        }
        for one in found
    ]
    emit(
        {"shop_id": shop_id, "rejected": rows},
        as_json=as_json,
        text=lambda: "\n".join(map(_line, rows)) or "Nothing was rejected.",
    )


def _line(row: Mapping[str, Any]) -> str:
    state = f", replayed {row['replayed_at']}" if row["replayed_at"] else ""
    return (
        f"{row['received_at']}  {row['rejection_id']}  {row['detail']} [{row['code']}]{state}\n"
        f"  {row['payload'][:_SHOWN]}"
    )


@rejected.command("replay")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def replay_rejected(shop_id: str, as_json: bool) -> None:
    """Store the rejected events that this release can store; a second time changes nothing."""
    from recommender.adapters.event_codec import decode_events
    from recommender.events.replay import replay

    services = make_services(service="rejected")
    services.shops.by_id(shop_id)
    report = replay(
        shop_id,
        decode=decode_events,
        event_log=services.event_log,
        database=services.database,
        now=services.now(),
    )
    emit(
        {"shop_id": shop_id, **asdict(report)},
        as_json=as_json,
        text=lambda: (
            f"{report.events} events of {report.replayed} rejections stored; "
            f"{len(report.still_rejected)} cannot be stored yet."
        ),
    )
    if report.still_rejected:
        raise click.exceptions.Exit(1)


@rejected.command("account")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def account_for(shop_id: str, as_json: bool) -> None:
    """Count a shop's acknowledged events by where they are: stored, rejected, pending."""
    from recommender.events.accounting import account

    services = make_services(service="rejected")
    services.shops.by_id(shop_id)
    found = account(
        shop_id,
        stream=services.state,
        event_log=services.event_log,
        database=services.database,
    )
    result = {"shop_id": shop_id, **asdict(found), "acknowledged": found.acknowledged}
    emit(
        result,
        as_json=as_json,
        text=lambda: "\n".join(f"{name}: {value}" for name, value in result.items()),
    )
