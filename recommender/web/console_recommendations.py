"""The page "Recommendations": the tail dial's picture, the placements' settings, a try-out.

The picture reads what training stored; only the try-out asks the models, and records nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender import tables
from recommender.errors import NotFoundError
from recommender.records import Placement, PlacementSetting, Shop
from recommender.shops.registry import set_placement
from recommender.web import console_dial as dial
from recommender.web import console_models as models
from recommender.web import console_preview as preview
from recommender.web import console_settings as settings
from recommender.web.console_dial_chart import DialChart, draw_dial
from recommender.web.console_figures import task_title
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.context import services

blueprint = Blueprint("recommendations", __name__, url_prefix="/recommendations")
MOST_TYPED = 200
OTHER_STEP = 0.3
"""How far from the present setting the try-out begins to look."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One task's part of the page.

    Attributes:
        is_used: Whether a placement that is switched on is answered by this task.
        sentences: Names of placements and what their setting means.
    """

    title: str
    is_used: bool
    sentences: list[tuple[str, str]]
    charts: dict[str, DialChart]
    curve: dial.DialCurve
    rows: list[dial.DialRow]


@blueprint.get("")
@signed_in
def show() -> str:
    """Show the page."""
    setting = _setting(request.args.get("placement", Placement.PRODUCT.value))
    return _page(setting, settings.filled_form(setting))


@blueprint.get("/<placement>")
@signed_in
def show_again(placement: str) -> AnyResponse:
    """Lead back from the address of a form that was sent."""
    return redirect(url_for(".show", placement=placement))


@blueprint.post("/<placement>")
@signed_in
def change(placement: str) -> AnyResponse | tuple[str, int]:
    """Store a placement's settings, or show what is wrong with them."""
    current = _setting(placement)
    asked, faults = settings.read_form(request.form, current)
    if faults:
        return _page(current, settings.filled_form(current, request.form, faults)), 422
    set_placement(current_visit().shop.shop_id, asked, database=services().database)
    address = url_for(".show", placement=placement, saved="1", _anchor="settings")
    return redirect(address, code=303)


def _page(setting: PlacementSetting, form: settings.Form) -> str:
    shop = current_visit().shop
    row = newest_training(shop)
    metrics = row["metrics"] if row is not None else {}
    suggested = _suggested(metrics, setting)
    return render_page(
        "recommendations",
        learned=None if row is None else models.learned(row, shop),
        pictures=_pictures(metrics, shop),
        tasks=models.models_by_task(metrics),
        used=_used_tasks(metrics, shop),
        names=settings.NAMES,
        setting=setting,
        suggested=suggested,
        form=form,
        saved=request.args.get("saved") == "1",
        **_try_out(setting, shop, dial.dial_of(setting, suggested)),
    )


def _used_tasks(metrics: Mapping[str, Any], shop: Shop) -> set[str]:
    """Return the tasks that the placements which are switched on ask."""
    tasks = metrics.get("tasks") or {}
    return {dial.task_of(one, tasks) for one in shop.placements.values() if one.enabled}


def _pictures(metrics: Mapping[str, Any], shop: Shop) -> list[Picture]:
    tasks = metrics.get("tasks") or {}
    pictures = []
    for task, measured in tasks.items():
        own = [one for one in shop.placements.values() if dial.task_of(one, tasks) == task]
        curve = dial.read_curve(measured)
        if curve is not None:
            pictures.append(_picture(task_title(task), curve, own))
    # What no placement uses is of interest last.
    return sorted(pictures, key=lambda one: not one.is_used)


def _picture(title: str, curve: dial.DialCurve, placements: Sequence[PlacementSetting]) -> Picture:
    suggested = curve.default_dial
    groups = dial.settings_by_dial(placements, suggested)
    marks = {
        at: ", ".join(settings.SHORT_NAMES[one.placement] for one in group)
        for at, group in groups.items()
    }
    sentences = [(_joined(group), dial.describe(curve, at)) for at, group in groups.items()]
    if suggested is not None and suggested not in groups:
        sentences.append(("Suggested", dial.describe(curve, suggested)))
    return Picture(
        title=title,
        is_used=bool(groups),
        sentences=sentences,
        charts={
            "wide": draw_dial(curve, marks, width=960, height=360, with_labels=True),
            "narrow": draw_dial(curve, marks, width=400, height=330, with_labels=False),
        },
        curve=curve,
        rows=dial.table(curve),
    )


def _joined(group: Sequence[PlacementSetting]) -> str:
    return ", ".join(settings.NAMES[one.placement] for one in group)


def _suggested(metrics: Mapping[str, Any], setting: PlacementSetting) -> float | None:
    """Return the dial that training learned for what a placement is asked."""
    tasks = metrics.get("tasks") or {}
    return dial.number((tasks.get(dial.task_of(setting, tasks)) or {}).get("default_dial"))


def _try_out(setting: PlacementSetting, shop: Shop, present: float | None) -> dict[str, Any]:
    """Return what the try-out prints, from the page's address."""
    database = services().database
    asked = request.args.getlist("path")[: preview.MOST_PATH]
    path = preview.titles(shop.shop_id, list(dict.fromkeys(asked)), database=database)
    find = request.args.get("find", "")[:MOST_TYPED]
    higher = round(20 * ((present or 0.0) + OTHER_STEP)) / 20
    away = higher if higher <= 1 else higher - 2 * OTHER_STEP
    read = settings.read_number(request.args.get("dial", ""), 100)
    trial = preview.Trial(
        placement=setting.placement,
        path=tuple(path),
        category=request.args.get("category", "")[:300],
        dial=round(away, 2) if read is None else min(max(read / 100, 0.0), 1.0),
        present=present,
    )
    return {
        "trial": trial,
        "path": path,
        "find": find,
        "found": preview.find_items(shop.shop_id, find, database=database),
        "categories": _categories(setting, shop),
        "columns": preview.compare(shop, trial, services()),
    }


def _categories(setting: PlacementSetting, shop: Shop) -> list[str]:
    if setting.placement is not Placement.CATEGORY:
        return []
    return preview.categories(shop.shop_id, database=services().database)


def newest_training(shop: Shop) -> Mapping[str, Any] | None:
    """Return the newest row of `trainings`, None before the first training."""
    rows = tables.trainings
    newest = sa.select(rows).where(rows.c.shop_id == shop.shop_id)
    with services().database.connect() as connection:
        row = connection.execute(newest.order_by(rows.c.finished_at.desc()).limit(1)).first()
    return None if row is None else row._asdict()


def _setting(placement: str) -> PlacementSetting:
    try:
        known = Placement(placement)
    except ValueError as error:
        raise NotFoundError(f"There is no placement {placement[:40]!r}") from error
    return current_visit().shop.placements.get(known) or PlacementSetting(known)
