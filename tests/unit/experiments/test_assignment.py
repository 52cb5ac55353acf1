"""The arm of a visitor: recomputable by anybody, stable, and split as the design says."""

import datetime as dt
import hashlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.assignment import assign
from recommender.records import Arm, Stratum

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "assignment.json"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
shares_ppm = st.integers(0, 1_000_000)


def stratum(salt: str, treatment_share_ppm: int) -> Stratum:
    return Stratum("shop", 1, salt, treatment_share_ppm, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


def test_agrees_with_the_vectors_that_the_widget_is_tested_with() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert len(vectors) > 100
    for vector in vectors:
        design = stratum(vector["salt"], vector["treatment_share_ppm"])
        assert assign(vector["visitor_id"], design) == vector["arm"], vector


def test_published_recipe_by_hand() -> None:
    # printf 'abc' | sha256sum → ba7816bf…; 0xba7816bf / 2³² = 0.72839…
    assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
    assert assign("bc", stratum("a", 728_000)) is Arm.CONTROL
    assert assign("bc", stratum("a", 729_000)) is Arm.TREATMENT


@given(salt=texts, visitor_id=texts, low=shares_ppm, high=shares_ppm)
def test_raising_the_share_moves_nobody_out_of_treatment(
    salt: str, visitor_id: str, low: int, high: int
) -> None:
    low, high = sorted((low, high))
    if assign(visitor_id, stratum(salt, low)) is Arm.TREATMENT:
        assert assign(visitor_id, stratum(salt, high)) is Arm.TREATMENT


@given(salt=texts, visitor_id=texts)
def test_nobody_and_everybody(salt: str, visitor_id: str) -> None:
    assert assign(visitor_id, stratum(salt, 0)) is Arm.CONTROL
    assert assign(visitor_id, stratum(salt, 1_000_000)) is Arm.TREATMENT


@pytest.mark.parametrize("share_ppm", [100_000, 500_000, 850_000])
def test_share_of_treated_visitors(share_ppm: int) -> None:
    n = 20_000
    design = stratum("share", share_ppm)
    treated = sum(assign(f"visitor-{i}", design) is Arm.TREATMENT for i in range(n))
    share = share_ppm / 1e6
    # Five standard errors of a binomial share; the hash is fixed, so this never flickers.
    assert abs(treated / n - share) < 5 * math.sqrt(share * (1 - share) / n)


def test_another_salt_draws_anew() -> None:
    n = 20_000
    first, second = stratum("first", 500_000), stratum("second", 500_000)
    both = sum(assign(f"visitor-{i}", first) is assign(f"visitor-{i}", second) for i in range(n))
    # Independent halves agree on half of the visitors: 10,000, standard deviation 70.7.
    assert abs(both - n / 2) < 5 * math.sqrt(n / 4)
