"""Figures and cuts of the experiment → what the page "Metrics" prints. Pure; texts and places."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from recommender.billing import wording
from recommender.billing.months import parse_month
from recommender.billing.shown import metrics_beside
from recommender.records import Contract, Placement
from recommender.uplift.estimate import Estimate, estimate_strata
from recommender.uplift.metrics import Figure, MetricName
from recommender.uplift.stored import Measurement
from recommender.uplift.views import TRAILING_DAYS, View, ViewKind
from recommender.web.console_funnel import signed
from recommender.web.console_settings import NAMES as PLACEMENTS
from recommender.web.console_terms import certainty_words

_TITLES = {
    MetricName.REVENUE_PER_VISITOR: ("Revenue per visitor", "net of tax, shipping and refunds"),
    MetricName.CONVERSION_RATE: ("Conversion rate", "visitors who ordered"),
    MetricName.AVERAGE_BASKET: ("Average basket", "net revenue of an order"),
    MetricName.PAGES_PER_VISIT: ("Pages per visit", "pages seen in a visit"),
    MetricName.TAIL_REVENUE_SHARE: (
        "Tail share of revenue",
        "from outside the best-selling fifth of items",
    ),
}
_MONEY = {MetricName.REVENUE_PER_VISITOR, MetricName.AVERAGE_BASKET}
_VIEWS = {
    ViewKind.TRAILING: (
        f"Last {TRAILING_DAYS} days",
        "revenue of the last thirteen weeks: whether the effect lasts",
    ),
    ViewKind.INTENTION_TO_TREAT: (
        "Everybody",
        "also visitors who never met a recommendation: the same effect, thinned out",
    ),
    ViewKind.UNTRIGGERED: (
        "Before any recommendation",
        "nothing was shown here, so there must be no difference: a standing test of the method",
    ),
}


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A figure in both groups, and how far they are apart; `verdict` is `up`, `down` or `same`."""

    title: str
    note: str
    with_value: str
    with_interval: str
    without_value: str
    without_interval: str
    change: str
    change_interval: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval in a frame of 100: its ends, its middle, and where no difference stands."""

    low: float
    middle: float
    high: float
    zero: float


@dataclass(frozen=True, slots=True)
class CutRow:
    """The effect in one cut of the experiment; `bar` is None while it has no interval."""

    title: str
    note: str
    visitors: str
    change: str
    interval: str
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The page; a part is empty while it is not measured."""

    certainty: str
    metrics: list[MetricRow]
    views: list[CutRow]
    placements: list[CutRow]
    months: list[CutRow]


def metrics_page(measured: Measurement, contract: Contract, billed: Estimate | None) -> MetricsPage:
    """Return the page.

    Args:
        billed: The estimate that is billed: the revenue per visitor, and beside the other cuts.
    """
    alpha = Decimal(contract.alpha_ppm) / 1_000_000

    def cuts(kind: ViewKind) -> list[tuple[View, Estimate | None]]:
        return [
            (view, estimate_strata(view.strata, alpha=alpha, n_star=contract.n_star))
            for view in measured.views
            if view.kind is kind
        ]

    views = [
        ((title, note), found) for kind, (title, note) in _VIEWS.items() for _, found in cuts(kind)
    ]
    all_so_far = ("All so far", "what is billed: visitors from their first recommendation on")
    placements = [
        ((_place(view.name), "first met a recommendation here"), found)
        for view, found in cuts(ViewKind.PLACEMENT)
    ]
    months = [
        ((f"{parse_month(view.name).first_day:%B %Y}", ""), found)
        for view, found in sorted(cuts(ViewKind.MONTH), key=lambda cut: cut[0].name)
    ]
    return MetricsPage(
        certainty=certainty_words(contract),
        metrics=_metrics(measured, contract, billed),
        views=_rows([(all_so_far, billed), *views]) if views else [],
        placements=_rows(placements),
        months=_rows(months),
    )


def _place(name: str) -> str:
    """Name a placement; the exposures of a history may tell none."""
    return PLACEMENTS[Placement(name)] if name else "Not told"


def _metrics(measured: Measurement, contract: Contract, billed: Estimate | None) -> list[MetricRow]:
    rows = []
    for metric in metrics_beside(measured, contract, billed):
        write = _writer(metric.name, contract.currency)
        title, note = _TITLES[metric.name]
        bounds = metric.relative_sequence
        rows.append(
            MetricRow(
                title,
                note,
                *_figure(metric.treatment, write),
                *_figure(metric.control, write),
                "–" if bounds is None or metric.relative is None else signed(metric.relative),
                "" if bounds is None else f"{signed(bounds[0])} to {signed(bounds[1])}",
                metric.direction,
            )
        )
    return rows


def _writer(name: MetricName, currency: str) -> Callable[[float], str]:
    if name in _MONEY:
        return lambda value: wording.amount(round(value), currency)
    if name is MetricName.PAGES_PER_VISIT:
        return "{:.2f}".format
    return lambda value: wording.percent(value, 2)


def _figure(figure: Figure, write: Callable[[float], str]) -> tuple[str, str]:
    low, high = figure.interval
    return write(figure.value), f"{write(low)} to {write(high)}"


def _rows(cuts: Iterable[tuple[tuple[str, str], Estimate | None]]) -> list[CutRow]:
    found = [(names, estimate, _shares(estimate)) for names, estimate in cuts]
    frame = _frame([shares for _, _, shares in found if shares is not None])
    return [_row(names, estimate, shares, frame) for names, estimate, shares in found]


def _shares(estimate: Estimate | None) -> tuple[float, float, float] | None:
    """Return low, middle and high of the relative uplift."""
    if estimate is None or estimate.relative_uplift is None:
        return None
    bounds = estimate.relative_interval(estimate.sequence)
    if bounds is None:
        return None
    return float(bounds[0]), float(estimate.relative_uplift), float(bounds[1])


def _frame(shares: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the ends of the scale that all rows share; they hold every middle, and 0."""
    middles = [middle for _, middle, _ in shares] + [0.0]
    # The widest intervals run out of the frame, so that the others can be told apart.
    widths = sorted(high - low for low, _, high in shares)
    usual = widths[len(widths) // 2] if widths else 0.1
    return min(middles) - usual * 0.75, max(middles) + usual * 0.75


def _row(
    names: tuple[str, str],
    estimate: Estimate | None,
    shares: tuple[float, float, float] | None,
    frame: tuple[float, float],
) -> CutRow:
    title, note = names
    visitors = "0" if estimate is None else f"{estimate.visitors:,}"
    if shares is None:
        return CutRow(title, note, visitors, "–", "too few buyers", None)

    def place(share: float) -> float:
        return round(100 * min(1.0, max(0.0, (share - frame[0]) / (frame[1] - frame[0]))), 1)

    low, middle, high = shares
    return CutRow(
        title,
        note,
        visitors,
        signed(middle),
        f"{signed(low)} to {signed(high)}",
        Bar(place(low), place(middle), place(high), place(0.0)),
    )
