"""`recommender bench`: figures of this machine, side by side with their limit in one run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from recommender.cli.common import Number, emit, json_option, make_progress
from recommender.cli.run_commands import compile_kernels
from recommender.telemetry import configure_logging

Figures = Mapping[str, Any]

rounds_option = click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Rounds, of which the medians are told.",
)


@click.group()
def bench() -> None:
    """Measure this machine in a temporary home; the service's own data is not touched.

    Answers that are wrong or missing are told, and the exit status is then 1.
    """
    configure_logging(service="bench", level="WARNING")


@bench.command()
@rounds_option
@click.option(
    "--seconds",
    type=Number(0.1, 600),
    default=5.0,
    show_default=True,
    help="Length of a round, for each side.",
)
@click.option("--items", type=click.IntRange(200, 1_000_000), default=100_000, show_default=True)
@click.option(
    "--events",
    type=click.IntRange(1_000, 10_000_000),
    default=300_000,
    show_default=True,
    help="Events that the model learns from.",
)
@click.option(
    "--first-time-share",
    type=Number(0, 1),
    default=0.02,
    show_default=True,
    help="Share of requests by visitors who have seen no slate today; each writes an exposure.",
)
@json_option
def serve(
    rounds: int, seconds: float, items: int, events: int, first_time_share: float, as_json: bool
) -> None:
    """Slates a second, beside a Flask application that does nothing.

    Both are served under the same gunicorn settings and asked for the same, in turns. `ratio` is
    ours by the limit's; at least 0.7 is required.
    """
    from recommender.bench.serve import ServePlan, bench_serve

    plan = ServePlan(
        rounds=rounds,
        seconds=seconds,
        n_items=items,
        n_events=events,
        first_time_share=first_time_share,
    )
    with _progress(rounds + 4) as tell:
        figures = bench_serve(plan, tell=tell)
    _finish(figures, as_json, _serve_text)


@bench.command()
@rounds_option
@click.option(
    "--requests",
    type=click.IntRange(1, 100_000),
    default=4_000,
    show_default=True,
    help="Requests a round.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Events of a request.",
)
@click.option(
    "--beside-seconds",
    type=Number(0, 600),
    default=15.0,
    show_default=True,
    help="How long web and ingester work side by side, at 5,000 events a second; 0 leaves it out.",
)
@json_option
def ingest(rounds: int, requests: int, batch: int, beside_seconds: float, as_json: bool) -> None:
    """Durable acknowledgements a second, beside a Flask application that throws events away.

    Afterwards every acknowledged event is looked for in the stream and in the event log. Then web
    and ingester work side by side, and the age of what still waits is looked at.
    """
    from recommender.bench.ingest import IngestPlan, bench_ingest

    plan = IngestPlan(
        rounds=rounds, n_requests=requests, batch=batch, beside_seconds=beside_seconds
    )
    with _progress(rounds + 4) as tell:
        figures = bench_ingest(plan, tell=tell)
    _finish(figures, as_json, _ingest_text)


def _sizes(_context: object, _parameter: object, value: str) -> tuple[int, ...]:
    words = [word.strip().replace("_", "") for word in value.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) >= 1_000 for word in words):
        raise click.BadParameter("give whole numbers from 1000, separated by commas")
    return tuple(int(word) for word in words)


@bench.command()
@click.option(
    "--sizes",
    callback=_sizes,
    default="100000,300000,1000000",
    show_default=True,
    help="Numbers of interactions, separated by commas.",
)
@click.option(
    "--quiet-seconds",
    type=Number(0, 600),
    default=10.0,
    show_default=True,
    help="How long slates are asked for without a training, before and after; 0 leaves it out.",
)
@json_option
def train(sizes: tuple[int, ...], quiet_seconds: float, as_json: bool) -> None:
    """Time and memory of `recommender train`, and what shoppers notice of it.

    `ours` is the time from event log to published artifact at 1,000,000 interactions.
    """
    from recommender.bench.train import TrainPlan, bench_train

    plan = TrainPlan(sizes=sizes, quiet_seconds=quiet_seconds)
    with _progress(2 * len(sizes) + 3) as tell:
        figures = bench_train(plan, tell=tell)
    _finish(figures, as_json, _train_text)


@bench.command()
@rounds_option
@click.option(
    "--sizes",
    callback=_sizes,
    default="1000000,3000000,10000000",
    show_default=True,
    help="Numbers of exposure and order rows, separated by commas.",
)
@json_option
def uplift(rounds: int, sizes: tuple[int, ...], as_json: bool) -> None:
    """Time of a statement from event log and orders, beside reading the same rows once.

    `ours` is the time at 10,000,000 rows; at most ten seconds on two cores is required.
    """
    from recommender.bench.uplift import UpliftPlan, bench_uplift

    plan = UpliftPlan(sizes=sizes, rounds=rounds)
    with _progress(len(sizes) * (rounds + 1)) as tell:
        figures = bench_uplift(plan, tell=tell)
    _finish(figures, as_json, _uplift_text)


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], None]]:
    with make_progress() as bar:
        task = bar.add_task("Compiling the kernels", total=steps)
        compile_kernels()

        def tell(step: str) -> None:
            bar.update(task, description=step, advance=1)

        yield tell


def _finish(figures: Figures, as_json: bool, text: Callable[[Figures], Iterator[str]]) -> None:
    emit(figures, as_json=as_json, text=lambda: "\n".join(text(figures)))
    if figures["failures"]:
        click.echo(f"Error: {figures['failures']} answers were wrong or missing", err=True)
        raise click.exceptions.Exit(1)


def _serve_text(figures: Figures) -> Iterator[str]:
    yield from _sides(figures)
    yield f"required ratio       {figures['required_ratio']:.2f}"
    yield f"first slate of a day {figures['first_time_share']:.1%} of the answers"
    yield f"fallbacks            {figures['fallback_share']:.1%} of the answers"
    held = ", ".join(f"{size:.0f}" for size in figures["worker_private_mb"])
    yield f"memory of a worker   {held} MB (limit {figures['worker_private_mb_limit']:.0f} MB)"


def _ingest_text(figures: Figures) -> Iterator[str]:
    yield from _sides(figures)
    yield (
        f"acknowledged {figures['acknowledged']:,}, in the stream {figures['in_stream']:,}, "
        f"in the event log {figures['in_event_log']:,}"
    )
    yield f"required ratio       {figures['required_ratio']:.2f}"
    yield f"ingester alone       {figures['ingested_per_second']:,.0f} events/s"
    if beside := figures["beside"]:
        yield (
            f"side by side         {beside['events_per_second']:,.0f} events/s, lag "
            f"{beside['lag_seconds_median']:.2f} s, at most {beside['lag_seconds_max']:.2f} s "
            f"(limit {beside['lag_seconds_limit']:.0f} s)"
        )


def _sides(figures: Figures) -> Iterator[str]:
    yield f"{'':14}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}"
    for side, name in (("ours", "ours"), ("limit", "Flask no-op")):
        yield (
            f"{name:14}{figures[side]:>12,.0f}{figures[f'{side}_p50_ms']:>10.2f}"
            f"{figures[f'{side}_p99_ms']:>10.2f}"
        )
    yield f"ratio                {figures['ratio']:.2f}, median of {len(figures['rounds'])} rounds"


def _train_text(figures: Figures) -> Iterator[str]:
    yield f"{'interactions':>14}{'items':>10}{'seconds':>10}{'peak MB':>10}"
    for point in figures["sizes"]:
        yield (
            f"{point['interactions']:>14,}{point['items']:>10,}"
            f"{point['seconds']:>10.1f}{point['peak_mb']:>10.0f}"
        )
    yield (
        f"limit at {figures['limit_interactions']:,}: {figures['limit']:.0f} s, "
        f"{figures['peak_mb_limit']:.0f} MB"
    )
    if figures["exponent"] is not None:
        yield f"seconds grow as interactions^{figures['exponent']:.2f}"
    if serving := figures["serving"]:
        yield (
            f"p99 of slates at {serving['requests_per_second']:.0f} a second: "
            f"{serving['p99_ms']:.1f} ms, beside a training "
            f"{serving['p99_ms_during_training']:.1f} ms (limit {serving['limit']:.0f} times)"
        )


def _uplift_text(figures: Figures) -> Iterator[str]:
    yield f"{'rows':>14}{'statement s':>13}{'scan s':>9}{'ratio':>8}"
    for point in figures["sizes"]:
        yield (
            f"{point['rows']:>14,}{point['ours']:>13.2f}{point['limit']:>9.2f}"
            f"{point['ratio']:>8.1f}"
        )
    yield f"limit at {figures['limit_rows']:,} rows: {figures['limit_seconds']:.0f} s"
    if figures["exponent"] is not None:
        yield f"seconds grow as rows^{figures['exponent']:.2f}"
