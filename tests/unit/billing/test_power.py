"""Against the reference's table of half widths, and against a simulation of whole visitors."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from money_world import contract
from recommender.billing.power import Plan, expect, power
from recommender.billing.power_words import power_sentences
from recommender.billing.pricing import cumulative_target
from recommender.experiments.design import Traffic
from recommender.records import Arm, DailySum

OFFER = Plan(
    traffic=Traffic(250_000, 99),
    revenue_a_visitor_minor=160,  # 2 % buy a basket of 80.00
    conversion=0.02,
    uplift=0.05,
    rate_bps=1_000,
    calibration_months=0,
)
# Visitors a month → half widths in %: fixed after 1, 12, 24 months, sequence after 12, 24;
# 2 % conversion, baskets of variation 1, 10 % held out. Published with the method's description.
PLAIN = {
    10_000: (65.0, 18.8, 13.3, 29.1, 20.7),
    50_000: (29.1, 8.4, 5.9, 13.0, 9.3),
    250_000: (13.0, 3.8, 2.7, 5.8, 4.1),
    1_500_000: (5.3, 1.5, 1.1, 2.4, 1.7),
}
TRIGGERED = {
    10_000: (48.6, 14.0, 9.9, 21.7, 15.5),
    1_500_000: (4.0, 1.1, 0.8, 1.8, 1.3),
}


def widths(offer: Plan) -> tuple[float, ...]:
    looks = [expect(offer, 0.1, months) for months in (1, 12, 24)]
    fixed = [look.fixed for look in looks]
    return tuple(round(100 * width, 1) for width in (*fixed, looks[1].sequence, looks[2].sequence))


@pytest.mark.parametrize("visitors", PLAIN)
def test_the_half_widths_are_the_published_ones(visitors: int) -> None:
    assert widths(replace(OFFER, traffic=Traffic(visitors, 99))) == PLAIN[visitors]


@pytest.mark.parametrize("visitors", TRIGGERED)
def test_covariates_and_triggering_narrow_them(visitors: int) -> None:
    assert widths(replace(OFFER, traffic=Traffic(visitors, 99, 0.7, 0.8))) == TRIGGERED[visitors]


def test_the_chance_of_a_fee_grows_with_the_effect() -> None:
    chances = [
        power(replace(OFFER, holdout=0.1, uplift=uplift)).fee_chance
        for uplift in (0.0, 0.03, 0.05, 0.1)
    ]
    assert chances == sorted(chances)
    assert chances[0] <= 0.025  # one side of what the sequence may miss
    assert chances[-1] > 0.95


def test_one_seed_gives_one_answer() -> None:
    assert power(OFFER, seed=3) == power(OFFER, seed=3)
    assert power(OFFER, seed=3) != power(OFFER, seed=4)


def test_fair_value_pays_more_than_the_midpoint_and_that_more_than_the_bound() -> None:
    fees = [
        power(replace(OFFER, holdout=0.5, policy=policy)).fee_minor
        for policy in ("fair_value", "gated_midpoint", "proven_minimum")
    ]
    assert fees == sorted(fees, reverse=True)
    found = power(replace(OFFER, holdout=0.5))
    # 12 · 125,000 treated visitors · 1.60 · 5 % · 10 %
    assert found.fair_minor == 12 * 125_000 * 160 // 200
    assert 0 < found.fee_minor < found.fair_minor


def test_few_buyers_prove_nothing() -> None:
    """29 buyers a year in the smaller arm, however large the effect."""
    tiny = replace(OFFER, traffic=Traffic(29 / 12 / 0.02 / 0.1, 0.001), holdout=0.1, uplift=9.0)
    assert power(tiny).fee_chance == 0
    enough = replace(tiny, traffic=Traffic(31 / 12 / 0.02 / 0.1, 0.001))
    assert power(enough).fee_chance == 1


def test_the_chance_agrees_with_the_real_rule_on_simulated_shops() -> None:
    """400 shops whose visitors are drawn one month at a time, priced by the contract itself."""
    generator = np.random.default_rng(11)
    offer = replace(OFFER, traffic=Traffic(40_000, 49), conversion=0.04, uplift=0.06, holdout=0.5)
    terms = contract(n_star=offer.optimum)
    opened = sum(_opens(generator, terms) for _ in range(400))
    chance = power(offer).fee_chance
    # Four standard errors of 400 draws.
    assert opened / 400 == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 400))
    assert 0.2 < chance < 0.98


def _opens(generator: np.random.Generator, terms: object) -> bool:
    """Simulate a year of 20,000 visitors a month in either arm, 4 % of whom buy for about 40."""
    sums = []
    for month in range(1, 13):
        for arm, factor in ((Arm.TREATMENT, 1.06), (Arm.CONTROL, 1.0)):
            count = int(generator.binomial(20_000, 0.04 * factor))
            # Exponential baskets: variation 1, so (1 + 1)/0.04 − 1 = 49.
            baskets = np.rint(generator.exponential(4_000, count)).astype(np.int64)
            sums.append(
                DailySum(
                    dt.date(2027, month, 1),
                    1,
                    arm,
                    20_000,
                    count,
                    count,
                    int(baskets.sum()),
                    int((baskets**2).sum()),
                )
            )
    return cumulative_target(terms, sums, through=dt.date(2027, 12, 31)).gate_open  # type: ignore[arg-type]


def test_the_statement_before_signature_says_interval_and_chance() -> None:
    small = replace(OFFER, traffic=Traffic(50_000, 99), uplift=0.03, holdout=0.1)
    found = power(small)
    sentences = power_sentences(small, found, expect(small, 0.1, 12), "EUR")
    text = " ".join(sentences).replace("\u00a0", " ")
    assert "With 50,000 visitors a month and a true uplift of 3.0 % the expected 12-month" in text
    assert "±13.0 % (±8.4 % for a single look)" in text
    assert "a laxer rule would not" in text
    assert not found.suffices
