"""The page "Who does not count": the shop's own people, and orders that are no sales."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender.billing import wording
from recommender.errors import InvalidInputError
from recommender.events.order_marks import person_key
from recommender.records import Shop
from recommender.shops.change_exclusions import change_exclusions, read_timeline
from recommender.shops.exclusions import (
    MARK_KINDS,
    ExclusionChange,
    Exclusions,
    Timeline,
    plain_mark,
)
from recommender.uplift.days import local_day
from recommender.web.console_figures import moment
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.context import services

blueprint = Blueprint("exclusions", __name__, url_prefix="/exclusions")
MAX_LINES = 1_000


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A line of the table of versions; `standing` is kind and words of its mark, or none."""

    version: int
    governs_from: str
    stated_at: str
    staff: int
    marks: str
    sha256: str
    standing: tuple[str, str] | None


@blueprint.get("")
@signed_in
def show() -> str:
    """Show the lists in force, the form, and all versions."""
    timeline = _timeline(current_visit().shop)
    return _page(timeline, {"marks": "\n".join(timeline.newest.marks)}, "")


@blueprint.post("")
@signed_in
def change() -> AnyResponse | tuple[str, int]:
    """State the next version, or show what is wrong with it."""
    shop, now = current_visit().shop, services().now()
    timeline = _timeline(shop)
    try:
        stated = change_exclusions(
            shop, _change(shop, timeline.newest), database=services().database, now=now
        )
    except InvalidInputError as error:
        return _page(timeline, request.form, str(error)), 422
    return redirect(url_for(".show", saved=stated.told.version), code=303)


def _change(shop: Shop, newest: Exclusions) -> ExclusionChange:
    marks = frozenset(plain_mark(line) or line for line in _lines("marks"))
    return ExclusionChange(
        add_staff=_people(shop, "add_staff"),
        drop_staff=_people(shop, "drop_staff"),
        add_marks=marks - set(newest.marks),
        drop_marks=frozenset(newest.marks) - marks,
    )


def _people(shop: Shop, name: str) -> frozenset[str]:
    told = [person_key(shop.visitor_key, line) for line in _lines(name)]
    return frozenset(filter(None, told))


def _lines(name: str) -> list[str]:
    lines = [line.strip() for line in request.form.get(name, "").splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        raise InvalidInputError(f"At most {MAX_LINES:,} lines at once", code="bad-exclusions")
    return lines


def _timeline(shop: Shop) -> Timeline:
    return read_timeline(shop.shop_id, database=services().database)


def _page(timeline: Timeline, typed: object, fault: str) -> str:
    shop = current_visit().shop
    saved = request.args.get("saved", "")
    return render_page(
        "exclusions",
        section="statements",
        tab="exclusions",
        newest=timeline.newest,
        versions=list(_rows(timeline, shop))[::-1],
        typed=typed,
        fault=fault,
        kinds=MARK_KINDS,
        saved=saved == str(timeline.newest.told.version),
    )


def _rows(timeline: Timeline, shop: Shop) -> Iterator[VersionRow]:
    today = local_day(services().now(), shop.timezone)
    in_force = timeline.governing(today, today)
    for one in timeline.versions:
        told = one.told
        later = told.governs_from is not None and told.governs_from > today
        is_next = later and one == timeline.newest
        standing = ("good", "in force") if told in in_force else None
        yield VersionRow(
            version=told.version,
            governs_from=wording.day(told.governs_from) if told.governs_from else "the beginning",
            stated_at=moment(told.stated_at, shop) if told.stated_at else "",
            staff=len(one.staff),
            marks=", ".join(one.marks),
            sha256=told.sha256,
            standing=("held", "next") if is_next else standing,
        )
