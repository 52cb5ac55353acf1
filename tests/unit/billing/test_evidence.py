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
    LedgerEnd,
    SealedRevision,
    read_evidence,
    write_evidence,
)
from recommender.billing.months import Month
from recommender.errors import InvalidInputError
from recommender.records import Arm, DailySum, Phase, RateTier, Stratum
from recommender.shops.exclusions import RulesVersion
from recommender.shops.spreadsheet import cell_text, safe_cell
from recommender.uplift.facts import Removal
from recommender.uplift.freezing import FrozenDay
from recommender.uplift.removed import Removed

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
    covariate_minor=BIG,
    covariate_squares=st.integers(0, 10**35),
    covariate_products=st.integers(-(10**35), 10**35),
)
strata = st.builds(
    Stratum,
    shop_id=st.just("shop_1"),
    stratum=st.integers(1, 9),
    salt=st.text(string.hexdigits, min_size=1, max_size=64),
    treatment_share_ppm=st.integers(0, 10**6),
    starts_at=st.datetimes(timezones=st.just(dt.UTC)),
    phase=st.sampled_from(Phase),
)
printed = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
evidences = st.builds(
    Evidence,
    shop_id=st.just("shop_1"),
    timezone=st.sampled_from(["Europe/Paris", "America/Argentina/Buenos_Aires"]),
    through=st.just(MARCH),
    contract=st.builds(
        contract,
        version=st.integers(1, 99),
        policy=st.sampled_from(["gated_midpoint", "proven_minimum", "fair_value"]),
        cap_year_minor=st.integers(0, 10**12),
        tiers=st.lists(
            st.builds(RateTier, st.integers(1, 10**12), st.integers(0, 10**4)), max_size=3
        ).map(tuple),
        licence_month_minor=st.integers(0, 10**9),
        visitor_month_cap_minor=st.integers(0, 10**9),
        vat_case=st.sampled_from(["by_country", "reverse_charge"]),
    ),
    strata=st.lists(strata, max_size=3).map(tuple),
    sums=st.lists(sums, max_size=4).map(tuple),
    billed=st.lists(st.builds(Billed, st.just(Month(2027, 1)), BIG), max_size=3).map(tuple),
    last_click_minor=BIG,
    frozen=st.lists(st.builds(FrozenDay, st.just(MARCH), st.just("no-orders"), printed)).map(tuple),
    ends_on=st.none() | st.just(MARCH),
    carried_minor=BIG,
    rules=st.lists(
        st.builds(
            RulesVersion,
            st.integers(0, 99),
            st.none() | st.dates(),
            st.none() | st.datetimes(timezones=st.just(dt.UTC)),
            st.just("ab" * 32),
        ),
        max_size=3,
    ).map(tuple),
    removed=st.lists(
        st.builds(
            Removed,
            st.sampled_from(list(Removal)).map(str),
            st.integers(0, 9),
            st.sampled_from(["", *map(str, Arm)]),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.integers(0, 10**15),
        ),
        max_size=3,
    ).map(tuple),
    ledger=st.none() | st.builds(LedgerEnd, st.integers(0, 10**9), st.just("cd" * 32)),
)


@given(evidences)
def test_what_was_written_is_read(facts: Evidence) -> None:
    assert read_evidence(write_evidence(facts)) == facts


def test_the_file_reads_well_in_a_spreadsheet() -> None:
    facts = evidence(shop_month(), MARCH, billed=[Billed(Month(2027, 1), 1_234)])
    lines = write_evidence(facts).decode().splitlines()
    assert lines[:3] == ["# recommender evidence 2", "# shop_id,shop_1", "# timezone,Europe/Paris"]
    assert f"# stratum,1,{STRATUM.salt},500000,2026-12-31T23:00:00+00:00," in lines
    assert "# billed,2027-01,1234" in lines
    assert f"# contract.rate_bps,{CONTRACT.rate_bps}" in lines
    header = (
        "day,stratum,arm,visitors,orders,converted,revenue_minor,revenue_squares,"
        "covariate_minor,covariate_squares,covariate_products"
    )
    assert lines[-3:] == [
        header,
        "2027-01-01,1,control,5000,500,500,5000000,50000000000,0,0,0",
        "2027-01-01,1,treatment,5000,600,600,6000000,60000000000,0,0,0",
    ]


def test_terms_and_frozen_days_are_named() -> None:
    facts = replace(
        evidence(shop_month(), MARCH, terms=contract(tiers=(RateTier(50_000_00, 800),))),
        frozen=(FrozenDay(dt.date(2027, 1, 5), "no-orders", "No order, 900 visitors"),),
        ends_on=MARCH,
        carried_minor=-70,
    )
    lines = write_evidence(facts).decode().splitlines()
    assert "# tier,5000000,800" in lines
    assert '# frozen,2027-01-05,no-orders,"No order, 900 visitors"' in lines
    assert "# ends_on,2027-03-31" in lines
    assert "# carried_minor,-70" in lines


FIRST = """\
# recommender evidence 1
# shop_id,shop_1
# timezone,Europe/Paris
# through,2027-03-31
# last_click_minor,7
# contract.shop_id,shop_1
# contract.version,1
# contract.starts_on,2027-01-01
# contract.rate_bps,1000
# contract.policy,gated_midpoint
# contract.cap_month_bps,10000
# contract.cap_year_minor,0
# contract.order_cap_minor,0
# contract.alpha_ppm,50000
# contract.n_star,10000
# contract.currency,EUR
# stratum,1,5a17,500000,2026-12-31T23:00:00+00:00
# billed,2027-01,1234
day,stratum,arm,visitors,orders,converted,revenue_minor,revenue_squares
2027-01-01,1,control,5000,500,500,5000000,50000000000
2027-01-01,1,treatment,5000,600,600,6000000,60000000000
"""


def test_the_first_releases_file_is_read_and_written_as_it_was() -> None:
    facts = read_evidence(FIRST.encode())
    billed = [Billed(Month(2027, 1), 1_234)]
    wanted = evidence(shop_month(), MARCH, billed=billed, last_click_minor=7)
    assert facts == replace(wanted, schema=1)
    assert write_evidence(facts).decode() == FIRST


def test_the_sealed_days_are_named_and_read_back() -> None:
    sealed = (SealedRevision(dt.date(2027, 1, 1), 2, 11_200, "ab" * 32),)
    facts = replace(evidence(shop_month(), MARCH), sealed=sealed)
    written = write_evidence(facts)
    assert f"# sealed,2027-01-01,2,11200,{'ab' * 32}" in written.decode().splitlines()
    assert read_evidence(written) == facts


def test_a_term_that_is_not_agreed_is_not_written() -> None:
    """So that statements of before there was such a term keep their bytes."""
    name = "contract.visitor_month_cap_minor"
    assert name not in write_evidence(evidence(shop_month(), MARCH)).decode()
    terms = contract(visitor_month_cap_minor=90_000)
    lines = write_evidence(evidence(shop_month(), MARCH, terms=terms)).decode().splitlines()
    assert f"# {name},90000" in lines


GOOD = write_evidence(evidence(shop_month(), MARCH)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "day,arm\n",
        GOOD.replace("evidence 2", "evidence 3"),
        GOOD.replace("evidence 2", "evidence 1"),
        GOOD.replace("# carried_minor,0\n", ""),
        GOOD.replace("# contract.licence_month_minor,0\n", ""),
        GOOD.replace("# contract.rate_bps,1000\n", ""),
        GOOD.replace("treatment,5000", "treatment,5000.5"),
        GOOD.replace(",control,", ",both,"),
        GOOD.replace(",60000000000,0", ""),
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
