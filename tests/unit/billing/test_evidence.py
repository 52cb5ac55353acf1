import datetime as dt
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money_world import CONTRACT, STRATUM, contract, evidence, shop_month
from recommender.billing.evidence import (
    Billed,
    Evidence,
    SealedRevision,
    read_evidence,
    write_evidence,
)
from recommender.billing.months import Month
from recommender.errors import InvalidInputError
from recommender.records import Arm, DailySum, Stratum
from recommender.shops.spreadsheet import cell_text, safe_cell

MARCH = dt.date(2027, 3, 31)
BIG = st.integers(-(10**15), 10**15)

sums = st.builds(
    DailySum,
    day=st.dates(dt.date(2027, 1, 1), MARCH),
    stratum=st.integers(1, 9),
    arm=st.sampled_from(Arm),
    visitors=st.integers(0, 10**9),
    orders=st.integers(0, 10**9),
    converted=st.integers(0, 10**9),
    revenue_minor=BIG,
    revenue_squares=st.integers(-(10**35), 10**35),
)
strata = st.builds(
    Stratum,
    shop_id=st.just("shop_1"),
    stratum=st.integers(1, 9),
    salt=st.text(string.hexdigits, min_size=1, max_size=64),
    treatment_share_ppm=st.integers(0, 10**6),
    starts_at=st.datetimes(timezones=st.just(dt.UTC)),
)
evidences = st.builds(
    Evidence,
    shop_id=st.just("shop_1"),
    timezone=st.sampled_from(["Europe/Paris", "America/Argentina/Buenos_Aires"]),
    through=st.just(MARCH),
    contract=st.builds(
        contract,
        version=st.integers(1, 99),
        policy=st.sampled_from(["gated_midpoint", "proven_minimum"]),
        cap_year_minor=st.integers(0, 10**12),
    ),
    strata=st.lists(strata, max_size=3).map(tuple),
    sums=st.lists(sums, max_size=4).map(tuple),
    billed=st.lists(st.builds(Billed, st.just(Month(2027, 1)), BIG), max_size=3).map(tuple),
    last_click_minor=BIG,
)


@given(evidences)
def test_what_was_written_is_read(facts: Evidence) -> None:
    assert read_evidence(write_evidence(facts)) == facts


def test_the_file_reads_well_in_a_spreadsheet() -> None:
    facts = evidence(shop_month(), MARCH, billed=[Billed(Month(2027, 1), 1_234)])
    lines = write_evidence(facts).decode().splitlines()
    assert lines[:3] == ["# recommender evidence 1", "# shop_id,shop_1", "# timezone,Europe/Paris"]
    assert f"# stratum,1,{STRATUM.salt},500000,2026-12-31T23:00:00+00:00" in lines
    assert "# billed,2027-01,1234" in lines
    assert f"# contract.rate_bps,{CONTRACT.rate_bps}" in lines
    header = "day,stratum,arm,visitors,orders,converted,revenue_minor,revenue_squares"
    assert lines[-3:] == [
        header,
        "2027-01-01,1,control,5000,500,500,5000000,50000000000",
        "2027-01-01,1,treatment,5000,600,600,6000000,60000000000",
    ]


def test_the_sealed_days_are_named_and_read_back() -> None:
    sealed = (SealedRevision(dt.date(2027, 1, 1), 2, 11_200, "ab" * 32),)
    facts = replace(evidence(shop_month(), MARCH), sealed=sealed)
    written = write_evidence(facts)
    assert f"# sealed,2027-01-01,2,11200,{'ab' * 32}" in written.decode().splitlines()
    assert read_evidence(written) == facts


GOOD = write_evidence(evidence(shop_month(), MARCH)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "day,arm\n",
        GOOD.replace("evidence 1", "evidence 2"),
        GOOD.replace("# contract.rate_bps,1000\n", ""),
        GOOD.replace("treatment,5000", "treatment,5000.5"),
        GOOD.replace(",control,", ",both,"),
        GOOD.replace(",60000000000", ""),
        GOOD.replace("# through,2027-03-31", "# through,soon"),
        GOOD.replace("# stratum,1,5a17,500000", "# stratum,1"),
        GOOD.replace("converted,", "", 1),
    ],
)
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_evidence(text.encode())
    assert caught.value.code == "bad-evidence"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        read_evidence(b"\xff\xfe\x00")


@given(st.text())
def test_no_text_becomes_a_formula_and_each_comes_back(text: str) -> None:
    cell = safe_cell(text)
    assert isinstance(cell, str)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert cell_text(cell) == text


def test_a_hostile_name_is_no_formula_in_the_file_and_the_facts_stay() -> None:
    facts = replace(
        evidence(shop_month(), MARCH, billed=[Billed(Month(2027, 1), -1_234)]),
        timezone="=HYPERLINK(1)",
    )
    written = write_evidence(facts)
    assert b"# timezone,'=HYPERLINK(1)" in written
    assert b"# billed,2027-01,-1234" in written  # a number stays a number
    assert read_evidence(written) == facts


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_whatever_is_read_as_evidence_is_refused_by_name(data: bytes) -> None:
    for file in (data, b"# recommender evidence 1\n# " + data):
        with pytest.raises(InvalidInputError) as caught:
            read_evidence(file)
        assert caught.value.code == "bad-evidence"
