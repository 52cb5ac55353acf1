"""`recommender audit …`: who changed what, and whether the log is whole."""

from dataclasses import asdict

import click
import orjson

from recommender.cli.common import emit, json_option, make_services
from recommender.shops.audit import AuditEntry, read_audit, verify_audit


@click.group()
def audit() -> None:
    """Read the audit log and check its chain."""


@audit.command("list")
@click.option("--shop", "shop_id", help="Only this shop's entries.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_entries(shop_id: str | None, limit: int, as_json: bool) -> None:
    """List the newest entries."""
    services = make_services(service="audit")
    entries = read_audit(shop_id, database=services.database, limit=limit)
    emit(
        {"entries": [asdict(entry) for entry in entries]},
        as_json=as_json,
        text=lambda: "\n".join(map(_line, entries)) or "No entries",
    )


@audit.command("verify")
@json_option
def verify(as_json: bool) -> None:
    """Recompute the whole chain; status 1 and the first bad entry when it does not hold."""
    services = make_services(service="audit")
    count = verify_audit(database=services.database)
    emit({"entries": count}, as_json=as_json, text=lambda: f"All {count:,} entries are whole")


def _line(entry: AuditEntry) -> str:
    detail = orjson.dumps(entry.detail).decode() if entry.detail else ""
    words = (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.shop_id or "–", entry.actor, entry.action)
    return f"{entry.sequence:>6}  " + "  ".join((*words, entry.subject, detail)).rstrip()
