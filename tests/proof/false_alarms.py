"""A/A shops: nobody is shown anything that helps. How often is an effect seen, or billed?"""

import numpy as np

from proof.markets import MONTHS, Market, known_customers, markets
from proof.section import Scale, Section
from proof.trials import Looks, Plan, simulate
from proof.twin import CREDITED, Z, bills, estimates

SEQUENCE_LIMIT, BILL_LIMIT = 0.05, 0.01
_TRIALS = {10_000: 2_000, 50_000: 2_000, 250_000: 500}
_HEAD = (
    *("order values", "visitors a month", "shops", "fixed interval, 24 looks"),
    *("fixed, last look", "sequence, textbook", "sequence, ours"),
    *("billed: midpoint", "fair value", "minimum"),
)


def run(scale: Scale) -> Section:
    section = Section("A/A shops: false alarms over 24 monthly looks")
    section.say(
        "No effect anywhere. Each visitor becomes a customer with probability 2 % (4 % among "
        f"known customers) and then spends what a real customer spent, for up to {MONTHS} months; "
        "three months at 50 %, then a holdout of 10 %; n* is a year's visitors. No order cap. "
        "Shares of shops in which 0 lay outside the interval at least once, or anything was ever "
        "billed. *Textbook* takes each arm's own variance (gbstats); *ours*, as on statements, "
        "takes at least that of both arms together: a small control that happened to miss the few "
        "very large baskets looks poor and sure of it (`docs/decisions/0026`)."
    )
    rows, worst_sequence, worst_bill, shops = [], 0.0, 0.0, 0
    for number, market in enumerate(_markets(scale)):
        for visitors in list(_TRIALS)[: scale.pick(3, 1)]:
            trials = scale.pick(_TRIALS[visitors], 120)
            random = scale.random(1, number, visitors)
            figures = _figures(simulate(market, Plan(visitors), trials, random))
            worst_sequence = max(worst_sequence, figures["ours"])
            worst_bill = max(worst_bill, figures["gated_midpoint"])
            shops += trials
            rows.append(
                [market.name, f"{visitors:,}", f"{trials:,}"]
                + [f"{share:.2%}" for share in figures.values()]
            )
    section.table(_HEAD, rows)
    section.at_most("A/A: sequence wrong at least once, worst cell", worst_sequence, SEQUENCE_LIMIT)
    section.at_most("A/A: default policy bills anything, worst cell", worst_bill, BILL_LIMIT)
    section.check(
        "A/A shops simulated", f"{shops:,}", "at least 2,000", shops >= 2_000 or scale.quick
    )
    return section


def _markets(scale: Scale) -> list[Market]:
    return [*markets(scale.data, quick=scale.quick), known_customers(scale.data)]


def _figures(looks: Looks) -> dict[str, float]:
    textbook = estimates(looks, cautious=False)
    ours = estimates(looks)
    return {
        "fixed": _ever(textbook.leaves_out(0, Z)),
        "last": float(textbook.leaves_out(0, Z)[:, -1].mean()),
        "textbook": _ever(textbook.leaves_out(0, textbook.sequence)),
        "ours": _ever(ours.leaves_out(0, ours.sequence)),
    } | {policy: _ever(bills(looks, ours, policy) > 0) for policy in CREDITED}


def _ever(happened: np.ndarray) -> float:
    return float(happened.any(axis=1).mean())
