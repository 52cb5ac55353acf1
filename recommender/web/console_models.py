"""The newest training in words: what is in use, and what each model is worth alone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender.billing import wording
from recommender.records import Shop
from recommender.web.console_dial import number
from recommender.web.console_figures import moment, task_title

_WORDS = {
    "follows": ("Seen next", "what shoppers looked at right after these items"),
    "walk": ("Two steps on", "what follows on what follows these items"),
    "sessions": ("Similar visits", "what was looked at in visits that resemble this one"),
    "similar": ("Same shoppers", "what the same shoppers chose besides these items"),
    "bought_together": ("Bought together", "what lay in the same baskets"),
    "repeats": ("Seen before", "what this shopper has looked at before"),
    "history": ("Taste", "what shoppers of a similar taste chose"),
    "content": ("Alike by description", "items of like title, category, brand and price"),
    "popular": ("Popular lately", "the floor: best-sellers, the same for everyone"),
    "total": ("Popular of all time", "the floor: best-sellers, the same for everyone"),
}
_ORIGINS = {
    "viewed": "what shoppers look at next",
    "bought_together": "what is bought together",
    "similar": "what is alike",
    "history": "the shopper’s taste",
    "repeat": "what was seen before",
    "category": "best-sellers of the category",
    "popular": "best-sellers",
}
"""What the largest part of a score stands for, by the reason's code."""

_FLOORS = {"popular", "recent", "total", "popularity", "recent_popularity", "popular_all"}
_HELPS_FROM = 0.002
"""Below this share of the mix a model only fills places that would stay empty."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model beside the mix.

    Attributes:
        kind: `blend`, `source` or `floor`.
        hits: Of 100 choices, how many were among 20 recommended.
        bar: `hits` beside the best, 0–100.
        weight: Its part of the mix, in words.
    """

    name: str
    about: str
    kind: str
    hits: str
    bar: float
    tail_share: str
    coverage: str
    weight: str


@dataclass(frozen=True, slots=True)
class TaskModels:
    """All models of one task, and what their mix is worth in one sentence."""

    task: str
    title: str
    sentence: str
    rows: list[ModelRow]


@dataclass(frozen=True, slots=True)
class Learned:
    """The newest training, and whether it is in use."""

    published: bool
    headline: str
    reason: str
    facts: list[tuple[str, str]]


def learned(row: Mapping[str, Any], shop: Shop) -> Learned:
    """Return the newest training in words; `row` is one of the table `trainings`."""
    metrics = row["metrics"]
    facts = [("Trained", moment(row["finished_at"], shop)), ("Model", row["artifact"])]
    for name, key in (("Learned from", "n_interactions"), ("Items known", "n_items")):
        count = number(metrics.get(key))
        if count is not None:
            unit = " views, carts and purchases" if key == "n_interactions" else ""
            facts.append((name, f"{count:,.0f}{unit}"))
    reason = row["reason"][:1].upper() + row["reason"][1:]
    if row["published"]:
        headline = "The newest model is in use"
    else:
        headline = "The newest model is not in use; the one before it serves on"
    return Learned(row["published"], headline, reason, facts)


def models_by_task(metrics: Mapping[str, Any]) -> list[TaskModels]:
    """Return the table of models of each task that was measured."""
    tasks = metrics.get("tasks") or {}
    blends = metrics.get("blends") or {}
    found = []
    for task, measured in tasks.items():
        weights = (blends.get(task) or {}).get("weights") or {}
        rows = _rows(measured, weights)
        if rows:
            found.append(TaskModels(task, task_title(task), _sentence(measured), rows))
    return found


def _rows(measured: Mapping[str, Any], weights: Mapping[str, float]) -> list[ModelRow]:
    sources = dict(measured.get("sources") or {})
    hits = {name: number(metrics.get("hit_rate@20")) for name, metrics in sources.items()}
    blend = measured.get("blend") or {}
    own = number(blend.get("hit_rate@20"))
    if own is None:
        return []
    most = max([own, *(value for value in hits.values() if value is not None)]) or 1.0
    total = sum(weights.values()) or 1.0
    ranked = sorted(
        (name for name, value in hits.items() if value is not None),
        key=lambda name: (name in _FLOORS, -(hits[name] or 0.0)),
    )
    rows = [_row("All together", "what your shop shows", "blend", blend, most, "")]
    for name in ranked:
        title, about = _WORDS.get(name, (_humanised(name), ""))
        weight = _weight(name, weights, total)
        kind = "floor" if name in _FLOORS else "source"
        rows.append(_row(title, about, kind, sources[name], most, weight))
    return rows


def _row(
    name: str, about: str, kind: str, metrics: Mapping[str, Any], most: float, weight: str
) -> ModelRow:
    hits = number(metrics.get("hit_rate@20")) or 0.0
    tail, coverage = number(metrics.get("tail_share@20")), number(metrics.get("coverage@20"))
    return ModelRow(
        name=name,
        about=about,
        kind=kind,
        hits=f"{hits * 100:.1f}",
        bar=round(100 * hits / most, 1),
        tail_share="–" if tail is None else wording.percent(tail, 0),
        coverage="–" if coverage is None else wording.percent(coverage, 0),
        weight=weight,
    )


def _weight(name: str, weights: Mapping[str, float], total: float) -> str:
    if name not in weights:
        return "for comparison only"
    share = weights[name] / total
    if not share:
        return "does not help this shop"
    return wording.percent(share, 0) if share >= _HELPS_FROM else "fills empty places only"


def _sentence(measured: Mapping[str, Any]) -> str:
    """Compare the mix with its best part and with the better of the floors."""
    sources = measured.get("sources") or {}
    hits = {name: number(own.get("hit_rate@20")) or 0.0 for name, own in sources.items()}
    own = number(measured["blend"].get("hit_rate@20")) or 0.0
    probes = int(number(measured.get("n_probes")) or 0)
    text = (
        f"Of {probes:,} choices that the models had not seen, {wording.percent(own)} were among "
        "the 20 items recommended just before"
    )
    floor = max((value for name, value in hits.items() if name in _FLOORS), default=0.0)
    return f"{text}; best-sellers for everyone: {wording.percent(floor)}." if floor else f"{text}."


def origin_of(reason: str) -> str:
    """Say where the largest part of a score comes from, by the reason's code."""
    return _ORIGINS.get(reason, _humanised(reason).lower())


def _humanised(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()
