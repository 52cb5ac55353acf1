"""`recommender evaluate`: offline accuracy and tail on public splits and order histories."""

import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from recommender.cli.common import Number, emit, json_option, make_progress
from recommender.errors import InvalidInputError
from recommender.telemetry import configure_logging
from recommender.training.evaluation import Probe, judge, tail_items
from recommender.training.fitting import Bench, fit, learn_recipe, report
from recommender.training.order_split import read_orders
from recommender.training.popularity import popularity
from recommender.training.ranker import Ranker
from recommender.training.splits import Split, read_sequences, read_sessions

TABLE_PROBES = 5_000
"""Probes, taken evenly, of the table of single models and of the curve."""

TIMED_PROBES = 5_000
STEPS = ("read", "learn settings and blend", "fit", "rank", "compare single models")


@click.command()
@click.option(
    "--split", "folder", type=click.Path(path_type=Path), metavar="DIR", help="A session split."
)
@click.option(
    "--sequences", type=click.Path(path_type=Path), metavar="FILE", help="One user a line."
)
@click.option(
    "--orders",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="Order lines; repeat the option for several files of one export.",
)
@click.option("--repeat-free", is_flag=True, help="Hide what was met, and ask for nothing of it.")
@click.option(
    "--tail",
    "dial",
    type=Number(0, 1),
    metavar="β",
    help="The tail dial; learned when not given.",
)
@click.option("--quick", is_flag=True, help="Only the blend: no table of single models, no curve.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
def evaluate(
    folder: Path | None,
    sequences: Path | None,
    orders: tuple[Path, ...],
    repeat_free: bool,
    dial: float | None,
    quick: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the engine on data it has not seen, ranking all items.

    Settings and blend are learned from the training part alone.
    """
    configure_logging(service="evaluate")
    if sum(map(bool, (folder, sequences, orders))) != 1:
        raise InvalidInputError(
            "Give one of --split, --sequences and --orders", code="missing-argument"
        )
    with make_progress() as bar:
        task = bar.add_task("evaluate", total=len(STEPS))

        def tell(step: int) -> None:
            bar.update(task, description=STEPS[step], completed=step)

        tell(0)
        if folder:
            split, cutoff = read_sessions(folder), 20
        elif sequences:
            split, cutoff, repeat_free = read_sequences(sequences), 10, True
        else:
            split, cutoff = read_orders(orders, seed=seed), 20
        result = _evaluate(
            split, "path" if repeat_free else "next", cutoff, dial, tell, quick=quick, seed=seed
        )
    emit(result, as_json=as_json, text=lambda: _text(result, cutoff))


def _evaluate(
    split: Split,
    task: str,
    cutoff: int,
    dial: float | None,
    tell: Any,
    *,
    quick: bool,
    seed: int,
) -> dict[str, Any]:
    tell(1)
    started = time.monotonic()
    recipe = learn_recipe(split.known, split.learning, seed=seed)
    learned = time.monotonic()
    tell(2)
    model = fit(split.training_set, recipe)
    fitted = time.monotonic()
    tell(3)
    known, probes, blend = split.training_set.interactions, split.test[task], recipe.blends[task]
    ranker = Ranker(model, blend, known.n_items, dial=dial)
    tail, n_known = tail_items(known), int(np.count_nonzero(popularity(known)))
    metrics = judge(ranker.lists(probes), probes, tail, n_known, cutoff=cutoff).metrics
    query_ms = ranker.timed(_evenly(probes, TIMED_PROBES), time.perf_counter)
    result: dict[str, Any] = {
        **metrics,
        "task": task,
        "n_probes": len(probes),
        "n_items": known.n_items,
        "dial": blend.dial if dial is None else dial,
        "learn_seconds": round(learned - started, 2),
        "fit_seconds": round(fitted - learned, 2),
        "query_ms_p50": float(np.percentile(query_ms, 50)),
        "query_ms_p99": float(np.percentile(query_ms, 99)),
        "blend": dict(blend.weights),
        "settings": {name: dict(own) for name, own in recipe.settings.items()},
    }
    if not quick:
        tell(4)
        bench = Bench(known, model, _evenly(probes, TABLE_PROBES), blend, cutoff=cutoff)
        result["comparison"] = report(bench)
    result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def _evenly(probes: Sequence[Probe], limit: int) -> list[Probe]:
    rows = np.unique(np.linspace(0, len(probes) - 1, min(len(probes), limit)).astype(int))
    return [probes[row] for row in rows]


def _text(result: Mapping[str, Any], cutoff: int) -> str:
    names = [
        f"{name}@{cutoff}"
        for name in ("hit_rate", "recall", "mrr", "ndcg", "tail_share", "coverage", "gini")
    ]
    lines = [_row(f"{result['task']}, {result['n_probes']:,} probes", names)]
    lines.append(_row("blend", _figures(result, names)))
    if "comparison" in result:
        comparison = result["comparison"]
        lines += ["", _row(f"the same {comparison['n_probes']:,} probes for all", names)]
        lines.append(_row("blend", _figures(comparison["blend"], names)))
        lines += [
            _row(name, _figures(metrics, names)) for name, metrics in comparison["sources"].items()
        ]
        lines += ["", _row("blend at tail dial", names)]
        lines += [
            _row(f"{step['dial']:.2f}", _figures(step, names)) for step in comparison["tail_dial"]
        ]
    lines += [
        "",
        f"tail share of what was taken: {result['target_tail_share']:.4f}",
        f"tail dial: {result['dial']:.3f}",
        f"learned in {result['learn_seconds']:.1f} s, fitted in {result['fit_seconds']:.1f} s",
        f"peak memory: {result['peak_rss_mb']:.0f} MB",
        "one query: median {query_ms_p50:.3f} ms, 99 % within {query_ms_p99:.3f} ms".format(
            **result
        ),
    ]
    return "\n".join(lines)


def _figures(metrics: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{metrics[name]:.4f}" for name in names]


def _row(head: str, cells: Sequence[str]) -> str:
    return f"{head:30}" + "".join(f"{cell:>15}" for cell in cells)
