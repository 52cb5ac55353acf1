import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from money_world import STRATUM, buyers, contract, evidence, shop_month
from recommender.billing.evidence import (
    FIRST_TERMS,
    Billed,
    SealedRevision,
    read_evidence,
    write_evidence,
)
from recommender.billing.months import Month
from recommender.billing.pricing import price
from recommender.billing.statement import (
    build_statement,
    canonical_json,
    evidence_of,
    figures,
    sha256,
)
from recommender.billing.wording import NO_COMPARISON, amount, day, percent, period, result_sentence
from recommender.records import Arm, DailySum, Shop, Stratum
from recommender.uplift.estimate import estimate
from recommender.uplift.freezing import FrozenDay
from recommender.uplift.revenue import Excluded

JANUARY = dt.date(2027, 1, 31)
CLOSED_AT = dt.datetime(2027, 2, 2, 8, tzinfo=dt.UTC)
SHOP = Shop(
    "shop_1", "Été & Fils", "EUR", "FR", "Europe/Paris", "pk_1", b"k" * 32, (), {}, (STRATUM,)
)


def statement(**more: Any) -> dict[str, Any]:
    facts = evidence(shop_month(), JANUARY, last_click_minor=700_000)
    arguments: dict[str, Any] = {"excluded": {}, "closed_at": CLOSED_AT} | more
    return build_statement(SHOP, facts, price(facts), **arguments)


def test_a_statement_shows_four_prices_of_the_same_months() -> None:
    fees = statement()["fees"]
    assert fees["best_estimate_minor"] == 100_000
    assert fees["last_click_minor"] == 70_000
    assert fees["proven_minimum_minor"] < fees["ours_minor"] < fees["best_estimate_minor"]
    # midway, each number rounded down once
    middle = (fees["proven_minimum_minor"] + fees["best_estimate_minor"]) / 2
    assert fees["ours_minor"] == pytest.approx(middle, abs=1)


def test_a_statement_holds_no_float_and_survives_json() -> None:
    def no_float(value: object) -> None:
        assert not isinstance(value, float)
        for inner in value.values() if isinstance(value, dict) else ():
            no_float(inner)
        for inner in value if isinstance(value, list | tuple) else ():
            no_float(inner)

    body = statement(excluded={"no-visitor": Excluded(2, 300)})
    no_float(body)
    data = canonical_json(body)
    assert json.loads(data) == body
    assert canonical_json(json.loads(data)) == data
    assert body["excluded_orders"] == [{"reason": "no-visitor", "orders": 2, "revenue_minor": 300}]


def test_the_order_of_keys_does_not_change_the_hash() -> None:
    body = statement()
    backwards = dict(reversed(body.items()))
    assert sha256(canonical_json(body)) == sha256(canonical_json(backwards))


def test_figures_follow_from_the_evidence_alone() -> None:
    facts = evidence(shop_month(), JANUARY, billed=[Billed(Month(2027, 1), 5)])
    facts = replace(facts, sealed=(SealedRevision(dt.date(2027, 1, 1), 2, 11_200, "ab" * 32),))
    again = read_evidence(write_evidence(facts))
    body = build_statement(SHOP, facts, price(facts), excluded={}, closed_at=CLOSED_AT)
    recomputed = figures(again, price(again))
    assert {name: body[name] for name in recomputed} == recomputed
    assert evidence_of(json.loads(canonical_json(body))) == facts
    assert body["evidence_sha256"] == sha256(write_evidence(again))


FIRST_BILL = {
    "gate_open",
    "target_minor",
    "billed_before_minor",
    "cap_minor",
    "due_minor",
    "left_minor",
    "reason",
}


def test_a_statement_of_the_first_release_is_recomputed_in_its_own_shape() -> None:
    facts = replace(evidence(shop_month(), JANUARY), schema=1)
    told = figures(facts, price(facts))
    assert set(told["bill"]) == FIRST_BILL
    assert set(told["contract"]) == set(FIRST_TERMS)
    assert "phase" not in told["strata"][0]
    assert "covariate_minor" not in told["daily"][0]
    assert not {"frozen_days", "carried_minor"} & told.keys()
    body = build_statement(SHOP, facts, price(facts), excluded={}, closed_at=CLOSED_AT)
    assert evidence_of(json.loads(canonical_json(body))) == facts


def test_lines_frozen_days_and_what_covariates_explain_are_told() -> None:
    frozen = FrozenDay(dt.date(2027, 1, 5), "no-orders", "No order")
    facts = replace(evidence(shop_month(), JANUARY), frozen=(frozen,), carried_minor=7)
    body = build_statement(SHOP, facts, price(facts), excluded={}, closed_at=CLOSED_AT)
    assert body["schema"] == 2
    assert body["frozen_days"] == [
        {"day": "2027-01-05", "reason": "no-orders", "detail": "No order"}
    ]
    lines = body["bill"]["lines"]
    assert [line["kind"] for line in lines] == ["success_tier", "carried_in"]
    assert sum(line["amount_minor"] for line in lines) == body["bill"]["due_minor"]
    assert (body["estimate"]["theta_ppm"], body["estimate"]["variance_kept_ppm"]) == (0, 10**6)
    assert evidence_of(json.loads(canonical_json(body))) == facts


def test_the_estimate_is_told_in_whole_units() -> None:
    told = statement()["estimate"]
    # T = 10,000.00 on a baseline of 50,000.00
    assert (told["incremental_minor"], told["uplift_ppm"]) == (1_000_000, 200_000)
    low, high = told["incremental_fixed_minor"]
    assert low + high == 2_000_000
    assert told["incremental_sequence_minor"][0] < low
    assert told["uplift_sequence_ppm"][0] < told["uplift_fixed_ppm"][0] < 200_000


def test_a_month_without_data_is_a_statement_too() -> None:
    facts = evidence([], JANUARY)
    body = build_statement(SHOP, facts, price(facts), excluded={}, closed_at=CLOSED_AT)
    assert body["estimate"] is None
    assert body["sentence"] == NO_COMPARISON
    assert body["bill"]["reason"] == "not-proven"


# -- words --------------------------------------------------------------------------------------


def test_amounts_and_dates_read_well() -> None:
    assert amount(6_120_050, "EUR") == "61,200.50 EUR"
    assert amount(-5, "EUR") == "-0.05 EUR"
    assert amount(1_234_567, "JPY") == "1,234,567 JPY"
    assert amount(1_234_567, "KWD") == "1,234.567 KWD"
    assert percent(Fraction(234, 10_000)) == "2.3\u00a0%"
    assert percent(Decimal("0.1")) == "10.0\u00a0%"
    assert day(dt.date(2027, 3, 1)) == "1 March 2027"
    assert period(dt.date(2027, 3, 1), dt.date(2027, 3, 31)) == "1–31 March 2027"


def sentence(sums: list[DailySum], share_ppm: int = 500_000) -> str:
    stratum = Stratum("shop_1", 1, "5a17", share_ppm, CLOSED_AT)
    result = estimate(sums, alpha=Decimal("0.05"), n_star=10_000)
    return result_sentence(result, contract(), [stratum]).replace("\u00a0", " ")


def test_the_sentence_says_more_less_or_not_proven() -> None:
    more = sentence(shop_month(treated=700))
    assert more.startswith("Since 1 January 2027 your visitors with recommendations spent between ")
    assert more.endswith(" % more than the 50 % without (best estimate +40.0 %).")
    assert "less than the 50 % without (best estimate -40.0 %)." in sentence(
        shop_month(treated=300)
    )
    unsure = sentence(shop_month(treated=510))
    assert " % less and " in unsure
    assert unsure.endswith("(best estimate +2.0 %): no difference is proven yet.")


@pytest.mark.parametrize(("share_ppm", "held"), [(900_000, "10 %"), (875_000, "12.5 %")])
def test_the_sentence_names_the_holdout(share_ppm: int, held: str) -> None:
    assert f"than the {held} without" in sentence(shop_month(treated=700), share_ppm)


@pytest.mark.parametrize(
    "sums",
    [
        [],
        [buyers(Arm.TREATMENT, 100, 10, 100)],
        [buyers(Arm.TREATMENT, 100, 0, 100), buyers(Arm.CONTROL, 100, 0, 100)],
        [buyers(Arm.TREATMENT, 100, 5, 100), buyers(Arm.CONTROL, 100, 1, 100)],
    ],
)
def test_too_few_buyers_give_no_percentages(sums: list[DailySum]) -> None:
    assert sentence(sums) == NO_COMPARISON
