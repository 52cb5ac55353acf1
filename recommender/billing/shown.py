"""What a statement shows beside the bill and never bills. Pure.

Other cuts of the same experiment and what else was counted of it. The evidence holds daily sums by
arm only, so these figures cannot be recomputed from it; the statement's hash covers them.
"""

from decimal import Decimal
from typing import Any

from recommender.billing.statement import estimate_figures
from recommender.records import Contract
from recommender.uplift.estimate import Estimate, estimate, estimate_strata
from recommender.uplift.freezing import RULES_VERSION
from recommender.uplift.metrics import Metric, compare_metrics
from recommender.uplift.stored import Measurement


def shown_beside(measured: Measurement, contract: Contract) -> dict[str, Any]:
    """Return contamination, the estimate without covariates, and every other view.

    Views are named in `uplift.views`: the last quarter, each month, each placement, everybody
    whose arm is known (intention to treat), and visitors before any exposure (a standing A/A).
    """
    terms = Decimal(contract.alpha_ppm) / 1_000_000, contract.n_star
    plain = estimate(measured.sums, alpha=terms[0], n_star=terms[1], adjust=False)
    looks = [
        (view, estimate_strata(view.strata, alpha=terms[0], n_star=terms[1]))
        for view in measured.views
    ]
    return {
        "in_both_arms": measured.in_both_arms,
        "in_both_arms_ppm": round(measured.in_both_arms_share * 1_000_000),
        "on_several_browsers": measured.on_several_browsers,
        "freezing_rules": RULES_VERSION,
        "estimate_without_covariates": None if plain is None else estimate_figures(plain),
        "views": [
            {
                "kind": view.kind.value,
                "name": view.name,
                "estimate": None if look is None else estimate_figures(look),
            }
            for view, look in looks
        ],
    }


def metrics_beside(
    measured: Measurement, contract: Contract, billed: Estimate | None
) -> list[Metric]:
    """Return every figure of both arms; the revenue per visitor is the billed estimate."""
    return compare_metrics(
        measured.moments,
        billed=billed,
        alpha=Decimal(contract.alpha_ppm) / 1_000_000,
        n_star=contract.n_star,
    )
