"""`recommender exclusions …`: who and what counts in neither arm of a shop's comparison."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import click

from recommender.bootstrap import Services
from recommender.cli.common import emit, json_option, make_services, read_text
from recommender.events.order_marks import person_key
from recommender.shops.change_exclusions import change_exclusions, read_timeline
from recommender.shops.exclusions import ExclusionChange, Timeline, plain_mark, rules_as_json

_shop_option = click.option("--shop", "shop_id", required=True, help="Id of the shop.")
_people = click.File("rb")


@click.group()
def exclusions() -> None:
    """Take staff and orders that are no sales out of both arms, from tomorrow on."""


@exclusions.command("show")
@_shop_option
@json_option
def show(shop_id: str, as_json: bool) -> None:
    """Show the lists stated last, and all versions with the day each governs from."""
    services = make_services(service="exclusions")
    services.shops.by_id(shop_id)
    _tell(services, shop_id, as_json=as_json)


@exclusions.command("change")
@_shop_option
@click.option("--add-staff", type=_people, help="E-mail addresses or customer ids, one a line.")
@click.option("--drop-staff", type=_people, help="Who is on the list no more, one a line.")
@click.option("--add-mark", "add_marks", multiple=True, metavar="KIND:VALUE")
@click.option("--drop-mark", "drop_marks", multiple=True, metavar="KIND:VALUE")
@json_option
def change(
    shop_id: str,
    add_staff: BinaryIO | None,
    drop_staff: BinaryIO | None,
    add_marks: tuple[str, ...],
    drop_marks: tuple[str, ...],
    as_json: bool,
) -> None:
    """State the next version of the lists; people are stored as keyed hashes only."""
    services = make_services(service="exclusions")
    shop = services.shops.by_id(shop_id)
    change_exclusions(
        shop,
        ExclusionChange(
            add_staff=_people_of(shop.visitor_key, add_staff),
            drop_staff=_people_of(shop.visitor_key, drop_staff),
            add_marks=frozenset(plain_mark(mark) or mark for mark in add_marks),
            drop_marks=frozenset(plain_mark(mark) or mark for mark in drop_marks),
        ),
        database=services.database,
        now=services.now(),
    )
    _tell(services, shop_id, as_json=as_json)


def _people_of(visitor_key: bytes, file: BinaryIO | None) -> frozenset[str]:
    lines = read_text(file.read(), file.name).splitlines() if file else ()
    told = (person_key(visitor_key, line) for line in lines)
    return frozenset(key for key in told if key)


def _tell(services: Services, shop_id: str, *, as_json: bool) -> None:
    timeline = read_timeline(shop_id, database=services.database)
    result = {
        "staff": len(timeline.newest.staff),
        "marks": list(timeline.newest.marks),
        "versions": [rules_as_json(one.told) for one in timeline.versions],
    }
    emit(result, as_json=as_json, text=lambda: "\n".join(_lines(result, timeline)))


def _lines(result: dict[str, Any], timeline: Timeline) -> Iterator[str]:
    yield f"{result['staff']} people; marks: {', '.join(result['marks']) or 'none'}"
    for one in timeline.versions:
        since = f"from {one.told.governs_from}" if one.told.governs_from else "before any"
        yield f"version {one.told.version:3}  {since}  {one.told.sha256}"
