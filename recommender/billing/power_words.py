"""What can be expected, in sentences for whoever is to sign. Pure."""

from recommender.billing import wording
from recommender.billing.power import Expected, Plan, Power
from recommender.experiments.design import CALIBRATION_HOLDOUT


def power_sentences(offer: Plan, found: Power, wanted: Expected, currency: str) -> list[str]:
    """Say how sure the effect can get after some months, and whether a fee will ever be due."""
    visitors = round(offer.traffic.visitors_a_month)
    interval = (
        f"With {visitors:,} visitors a month and a true uplift of {wording.percent(offer.uplift)} "
        f"the expected {wanted.months}-month interval is ±{wording.percent(wanted.sequence)} "
        f"(±{wording.percent(wanted.fixed)} for a single look); chance that any fee is due in "
        f"year 1: {wording.percent(found.fee_chance, 0)}."
    )
    fee = (
        f"Expected fee of year 1: {wording.amount(found.fee_minor, currency)}, where the full "
        f"share would be {wording.amount(found.fair_minor, currency)}."
    )
    sentences = [interval, fee, _holdout(offer, found)]
    if not found.suffices:
        sentences.append(
            "Not even that makes a year's interval narrower than the effect: a longer time with "
            "half the visitors held out would help, a laxer rule would not."
        )
    return sentences


def _holdout(offer: Plan, found: Power) -> str:
    held = f"{wording.percent(found.holdout, 0)} of visitors held out"
    if offer.calibration_months:
        half = wording.percent(CALIBRATION_HOLDOUT, 0)
        held = f"{half} of visitors held out for {offer.calibration_months} months, then {held}"
    return f"Planned with {held}; recommended: {wording.percent(found.recommended_holdout, 0)}."
