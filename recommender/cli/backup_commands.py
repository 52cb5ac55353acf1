"""`recommender backup` and `recommender restore`."""

import datetime as dt
import time
from pathlib import Path
from typing import Any

import click

from recommender.cli.common import emit, json_option, make_services
from recommender.config import Settings
from recommender.telemetry import configure_logging


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--with-secret",
    is_flag=True,
    help="Put the service's secret file in too: then the backup alone can sign as the service.",
)
@json_option
def backup(folder: Path, with_secret: bool, as_json: bool) -> None:
    """Copy database, event log and waiting events into a new FOLDER, beside the running service."""
    from recommender.adapters.backup import back_up

    services, started = make_services(service="backup"), time.monotonic()
    manifest = back_up(
        folder,
        settings=services.settings,
        stream=services.state,
        now=services.now,
        with_secret=with_secret,
    )
    report: dict[str, Any] = {
        "folder": str(folder),
        "taken_at": manifest.taken_at,
        "last_event_at": manifest.last_event_at,
        "position": manifest.position,
        "log_version": manifest.log_version,
        "rows": sum(manifest.log_rows.values()),
        "waiting_entries": manifest.waiting,
        "spooled_bytes": services.state.spool.size_bytes(),
        "books": manifest.books,
        "files": len(manifest.files),
        "seconds": round(time.monotonic() - started, 3),
    }
    emit(report, as_json=as_json, text=lambda: _backup_text(report))


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--erasures",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="erasures.jsonl of the lost home, so that nobody who was erased comes back.",
)
@json_option
def restore(folder: Path, erasures: tuple[Path, ...], as_json: bool) -> None:
    """Bring a backup back into an empty home; the service must not run meanwhile."""
    from recommender.adapters.backup import restore as bring_back
    from recommender.bootstrap import utc_now

    # Not `make_services`: it would make a secret where there is none.
    configure_logging(service="restore")
    settings, started = Settings.from_environ(), time.monotonic()
    restored = bring_back(folder, settings=settings, erasures=erasures)
    manifest = restored.manifest
    report: dict[str, Any] = {
        "taken_at": manifest.taken_at,
        "last_event_at": manifest.last_event_at,
        "rpo_seconds": int((utc_now() - manifest.taken_at) / dt.timedelta(seconds=1)),
        "position": manifest.position,
        "rows": sum(manifest.log_rows.values()),
        "books": manifest.books,
        "waiting_events": restored.waiting_events,
        "unreadable_entries": restored.unreadable,
        "erasures_replayed": restored.erased,
        "key_file": "restored" if restored.has_secret else _secret_state(settings),
        "seconds": round(time.monotonic() - started, 3),
    }
    emit(report, as_json=as_json, text=lambda: _restore_text(report))


def _secret_state(settings: Settings) -> str:
    return "kept" if settings.secret_key_file.exists() else "missing"


def _backup_text(report: dict[str, Any]) -> str:
    lines = [
        (
            f"Backup of {report['taken_at']:%Y-%m-%d %H:%M:%S} UTC in {report['folder']}: "
            f"{report['rows']:,} events, {report['books']['orders']:,} orders, "
            f"{report['waiting_entries']:,} waiting entries, {report['files']:,} files, "
            f"{report['seconds']} s"
        )
    ]
    if report["spooled_bytes"]:
        lines.append(
            f"Not inside: {report['spooled_bytes']:,} bytes that wait in this machine's spool "
            "until the stream answers; take another backup then"
        )
    return "\n".join(lines)


def _restore_text(report: dict[str, Any]) -> str:
    lines = [
        (
            f"Restored the state of {report['taken_at']:%Y-%m-%d %H:%M:%S} UTC in "
            f"{report['seconds']} s: {report['rows']:,} events, "
            f"{report['books']['orders']:,} orders, "
            f"{report['waiting_events']:,} events that were waiting; the books are equal"
        ),
        (
            f"What was acknowledged later ({report['rpo_seconds']:,} s until now) is not here: "
            "ask the shops' servers for their orders again, and reconcile"
        ),
        f"{report['erasures_replayed']:,} erasures were replayed",
    ]
    if report["unreadable_entries"]:
        lines.append(f"{report['unreadable_entries']:,} waiting entries cannot be read")
    if report["key_file"] == "missing":
        lines.append(
            "The secret file is not here: put it back, or shops must take new signing secrets"
        )
    return "\n".join([*lines, "Models are not kept: run `recommender train` before opening"])
