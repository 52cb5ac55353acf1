"""`recommender import`: a shop's orders, catalogue or events of the past, from files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from recommender.bootstrap import Services
from recommender.catalog.load_items import is_items, load_items, store_items_of_history
from recommender.cli.common import emit, json_option, make_progress, make_services, row_line
from recommender.errors import InvalidInputError
from recommender.events.history import is_order_lines
from recommender.events.history_events import is_events
from recommender.events.history_files import column_names
from recommender.events.load_history import load_events, load_orders
from recommender.records import Shop
from recommender.shops.money import format_minor

Report = dict[str, Any]


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@click.option(
    "--kind",
    type=click.Choice(["orders", "items", "events"]),
    help="What the files hold; found out from the columns when not given.",
)
@json_option
def import_file(files: tuple[Path, ...], shop_id: str, kind: str | None, as_json: bool) -> None:
    """Import orders, a catalogue or events from CSV, TSV, Parquet or JSON Lines files.

    A catalogue may also be a merchant feed in XML.

    Files given together are one export: an order that is in two of them counts once. Importing
    the same files again changes nothing; an import that was interrupted is finished by repeating
    it.
    """
    services = make_services(service="import")
    shop = services.shops.by_id(shop_id)
    kind = kind or _kind_of(files[0])
    load = {"orders": _load_orders, "items": _load_items, "events": _load_events}[kind]
    with _bar(f"Importing {kind}") as progress:
        report = load(services, shop, files, progress)
    emit(
        {"kind": kind, "shop_id": shop_id, **report},
        as_json=as_json,
        text=lambda: "\n".join(_lines(report, shop.currency)),
    )


def _load_orders(
    services: Services, shop: Shop, files: Sequence[Path], progress: Callable[[int, int], None]
) -> Report:
    now = services.now()
    return load_orders(
        files,
        shop=shop,
        database=services.database,
        event_log=services.event_log,
        store_items=partial(
            store_items_of_history,
            shop=shop,
            database=services.database,
            hot_state=services.state,
            now=now,
        ),
        now=now,
        progress=progress,
    )


def _load_items(
    services: Services, shop: Shop, files: Sequence[Path], progress: Callable[[int, int], None]
) -> Report:
    report = load_items(
        files,
        shop=shop,
        database=services.database,
        hot_state=services.state,
        now=services.now(),
    )
    progress(1, 1)
    return report


def _load_events(
    services: Services, shop: Shop, files: Sequence[Path], progress: Callable[[int, int], None]
) -> Report:
    return load_events(
        files,
        shop=shop,
        database=services.database,
        event_log=services.event_log,
        now=services.now(),
        progress=progress,
    )


def _kind_of(path: Path) -> str:
    if path.name.lower().removesuffix(".gz").endswith(".xml"):
        return "items"  # a merchant's feed
    names = column_names(path)
    for kind, fits in (("orders", is_order_lines), ("events", is_events), ("items", is_items)):
        if fits(names):
            return kind
    raise InvalidInputError(
        f"{path.name} has neither the columns of orders, nor of items, nor of events: "
        f"{', '.join(names)[:200]}",
        code="missing-columns",
    )


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    with make_progress() as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(report: Mapping[str, Any], currency: str) -> Iterator[str]:
    for name, value in report.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            yield f"{words}:"
            yield from (f"  {line}" for line in _lines(value, currency))
        elif name == "ignored":
            yield from [f"ignored fields: {', '.join(value)}"] * bool(value)
        elif isinstance(value, list):
            yield from map(row_line, value)
        elif name.endswith("_minor"):
            yield f"{words.removesuffix(' minor')}: {format_minor(value, currency)} {currency}"
        else:
            yield f"{words}: {value:,}" if type(value) is int else f"{words}: {value}"
