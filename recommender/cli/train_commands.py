"""`recommender train`: learn from the event log and publish."""

import functools
from collections.abc import Mapping
from typing import Any

import click

from recommender.bootstrap import Services
from recommender.cli.background import in_background, spare_memory
from recommender.cli.common import emit, json_option, make_progress, make_services
from recommender.errors import RecommenderError
from recommender.records import Shop
from recommender.training.train import STEPS, TrainingReport
from recommender.training.train import train as train_shop

_COLUMNS = ("recall@20", "ndcg@20", "mrr@20", "hit_rate@20", "tail_share@20", "coverage@20")


@click.command()
@click.option("--shop", "shop_id", metavar="ID", help="Only this shop; otherwise all.")
@click.option("--background", is_flag=True, help="Give way to everything else on the machine.")
@json_option
def train(shop_id: str | None, background: bool, as_json: bool) -> None:
    """Train models: read, fit, evaluate, gate, publish.

    What is not good enough is kept, but not published; the reason is told.
    """
    services = make_services(service="train")
    spare_memory()
    work = functools.partial(_train_all, services, shop_id)
    results = in_background(work) if background else work()
    emit({"shops": results}, as_json=as_json, text=lambda: _text(results))
    # A shop without events is no failure of a command that was asked to train all.
    if any(result["code"] not in ("", "nothing-to-learn") for result in results):
        raise click.exceptions.Exit(1)


def _train_all(services: Services, shop_id: str | None) -> list[dict[str, Any]]:
    if shop_id:
        return [_train_one(services, services.shops.by_id(shop_id))]
    return [_attempt(services, shop) for shop in services.shops.all()]


def _attempt(services: Services, shop: Shop) -> dict[str, Any]:
    """Train one shop of several; a failure is a result, so that the others are still trained."""
    try:
        return _train_one(services, shop)
    except RecommenderError as error:
        failed = {"published": False, "reason": str(error), "code": error.code}
        return {"shop_id": shop.shop_id, "name": shop.name, **failed}


def _train_one(services: Services, shop: Shop) -> dict[str, Any]:
    with make_progress() as bar:
        task = bar.add_task(shop.name, total=len(STEPS))
        report = train_shop(
            shop,
            event_log=services.event_log,
            catalogue=services.catalogues.get(shop.shop_id).items(),
            database=services.database,
            artifacts=services.artifacts,
            now=services.now(),
            progress=lambda step: bar.update(
                task, description=f"{shop.name}: {step}", completed=STEPS.index(step)
            ),
        )
        bar.update(task, description=shop.name, completed=len(STEPS))
    return _result(shop, report)


def _result(shop: Shop, report: TrainingReport) -> dict[str, Any]:
    return {
        "shop_id": shop.shop_id,
        "name": shop.name,
        "published": report.published,
        "reason": report.reason,
        "code": "",
        "artifact": report.artifact_id,
        "n_interactions": report.n_interactions,
        "n_items": report.n_items,
        "blends": report.blends,
        "metrics": report.metrics,
    }


def _text(results: list[dict[str, Any]]) -> str:
    if not results:
        return "There is no shop yet; make one with `recommender shop create`."
    return "\n\n".join(_shop_text(result) for result in results)


def _shop_text(result: Mapping[str, Any]) -> str:
    lines = [f"{result['name']} ({result['shop_id']}): {result['reason']}"]
    for task, measured in result.get("metrics", {}).items():
        lines += ["", _row(f"{task}, {measured['n_probes']} probes", _COLUMNS)]
        named = {**measured["sources"], "blend": measured["blend"]}
        lines += [_row(name, _figures(metrics)) for name, metrics in named.items()]
        lines.append(f"  target tail share {measured['blend']['target_tail_share']:.3f}")
    return "\n".join(lines)


def _figures(metrics: Mapping[str, float]) -> list[str]:
    return [f"{metrics[column]:.4f}" for column in _COLUMNS]


def _row(head: str, cells: Any) -> str:
    return f"  {head:26}" + "".join(f"{cell:>14}" for cell in cells)
