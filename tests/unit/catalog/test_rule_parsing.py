import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.rule_parsing import parse_rule, read_rule, rule_document
from recommender.records import Placement, Rejection, Rule, RuleAction, RuleMatch
from world import SHOP

BOOST = {"rule_id": "r-1", "action": "boost", "factor": 1.5, "match": {"brands": ["Clay"]}}
PIN = {"rule_id": "p", "action": "pin", "position": 1, "match": {"item_ids": ["mug"]}}


def parse(base: dict[str, Any] = BOOST, /, **changes: Any) -> Rule | Rejection:
    raw = {name: value for name, value in (base | changes).items() if value is not ...}
    return parse_rule(raw, SHOP, 3)


def test_a_rule_is_read() -> None:
    rule = parse(
        name="Clay  weeks",
        placements=["cart", "home"],
        starts_at="2026-12-01T00:00:00+01:00",
        ends_at="2026-12-24T00:00:00Z",
        active=False,
        match={
            "item_ids": ["a", "a", "b"],
            "categories": ["Shoes>Running"],
            "brands": ["Clay"],
            "price_min_minor": 100,
            "price_max_minor": 900,
            "margin_min": 0.25,
            "margin_max": 1,
            "stock_min": 0,
            "stock_max": 9,
        },
    )
    assert rule == Rule(
        shop_id=SHOP.shop_id,
        rule_id="r-1",
        name="Clay weeks",
        action=RuleAction.BOOST,
        match=RuleMatch(
            item_ids=("a", "b"),
            categories=("Shoes > Running",),
            brands=("Clay",),
            price_min_minor=100,
            price_max_minor=900,
            margin_min_ppm=250_000,
            margin_max_ppm=1_000_000,
            stock_min=0,
            stock_max=9,
        ),
        placements=(Placement.HOME, Placement.CART),
        factor_ppm=1_500_000,
        starts_at=dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC),
        ends_at=dt.datetime(2026, 12, 24, tzinfo=dt.UTC),
        active=False,
    )


@pytest.mark.parametrize(
    ("base", "changes", "code"),
    [
        (BOOST, {"rule_id": ...}, "bad-rule-id"),
        (BOOST, {"rule_id": "a b"}, "bad-rule-id"),
        (BOOST, {"rule_id": "x" * 61}, "bad-rule-id"),
        (BOOST, {"action": ...}, "bad-action"),
        (BOOST, {"action": "promote"}, "bad-action"),
        (BOOST, {"action": ["boost"]}, "bad-action"),
        (BOOST, {"brand": "Clay"}, "unknown-field"),
        (BOOST, {"match": {"brand": "Clay"}}, "unknown-field"),
        (BOOST, {"match": ["Clay"]}, "wrong-type"),
        (BOOST, {"match": {}}, "empty-match"),
        (BOOST, {"match": {"brands": []}}, "empty-match"),
        (BOOST, {"match": {"brands": "Clay"}}, "wrong-type"),
        (BOOST, {"match": {"brands": [1]}}, "wrong-type"),
        (BOOST, {"match": {"brands": ["a\x00"]}}, "bad-text"),
        (BOOST, {"match": {"brands": ["x" * 201]}}, "too-long"),
        (BOOST, {"match": {"item_ids": [str(n) for n in range(1_001)]}}, "too-long"),
        (BOOST, {"match": {"price_min_minor": 1.5}}, "bad-price"),
        (BOOST, {"match": {"price_min_minor": -1}}, "bad-price"),
        (BOOST, {"match": {"price_min_minor": 2, "price_max_minor": 1}}, "bad-range"),
        (BOOST, {"match": {"margin_min": 2}}, "bad-margin"),
        (BOOST, {"match": {"margin_min": True}}, "bad-margin"),
        (BOOST, {"match": {"stock_max": "3"}}, "bad-stock"),
        (BOOST, {"factor": ...}, "bad-factor"),
        (BOOST, {"factor": 0.5}, "bad-factor"),
        (BOOST, {"factor": 101}, "bad-factor"),
        (BOOST, {"factor": math.nan}, "bad-factor"),
        (BOOST, {"factor": 10**400}, "bad-factor"),
        (BOOST, {"action": "bury", "factor": 1.5}, "bad-factor"),
        (BOOST, {"action": "exclude"}, "bad-factor"),
        (BOOST, {"position": 1}, "bad-position"),
        (BOOST, {"placements": "home"}, "wrong-type"),
        (BOOST, {"placements": ["footer"]}, "unknown-placement"),
        (BOOST, {"starts_at": "2026-12-01T00:00:00"}, "bad-time"),
        (BOOST, {"starts_at": "soon"}, "bad-time"),
        (BOOST, {"starts_at": 1}, "bad-time"),
        (BOOST, {"starts_at": "9999-12-31T23:59:59-12:00"}, "bad-time"),
        (
            BOOST,
            {"starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"},
            "bad-window",
        ),
        (BOOST, {"active": "yes"}, "wrong-type"),
        (PIN, {"position": ...}, "bad-position"),
        (PIN, {"position": 0}, "bad-position"),
        (PIN, {"match": {"item_ids": ["a", "b"]}}, "bad-pin"),
        (PIN, {"match": {"item_ids": ["a"], "brands": ["Clay"]}}, "bad-pin"),
        (PIN, {"match": ...}, "bad-pin"),
    ],
)
def test_a_faulty_rule_is_refused_with_its_reason(
    base: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    rejection = parse(base, **changes)
    assert isinstance(rejection, Rejection)
    assert (rejection.index, rejection.code) == (3, code)
    assert rejection.detail


def test_every_faulty_field_is_named() -> None:
    faults = read_rule(BOOST | {"rule_id": "?", "active": 1, "match": {"stock_min": -1}}, SHOP)
    assert isinstance(faults, list)
    assert {fault.field for fault in faults} == {"rule_id", "active", "stock_min"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = sorted(rule_document(Rule("s", "r", "", RuleAction.PIN)))


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_nothing_that_is_sent_raises(raw: Any) -> None:
    outcome = parse_rule(raw, SHOP, 0)
    assert isinstance(outcome, Rule | Rejection)


NAMES = st.text("abc é", min_size=1, max_size=5).map(str.strip).filter(bool)
BOUNDS = st.tuples(st.integers(0, 50), st.integers(50, 10**6))


@st.composite
def any_rule(draw: st.DrawFn) -> Rule:
    action = draw(st.sampled_from([*RuleAction]))
    instants = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1))
    start, end = sorted(draw(st.lists(instants, min_size=2, max_size=2, unique=True)))
    least, most = draw(BOUNDS)
    match = RuleMatch(
        categories=tuple(draw(st.lists(st.sampled_from(["A", "A > B"]), unique=True))),
        brands=("Clay",),
        price_min_minor=draw(st.none() | st.just(least)),
        price_max_minor=draw(st.none() | st.just(most)),
        margin_min_ppm=draw(st.none() | st.integers(-(10**6), 10**6)),
        stock_max=draw(st.none() | st.just(most)),
    )
    factors = {RuleAction.BOOST: st.integers(1_000_001, 10**8)}
    factors[RuleAction.BURY] = st.integers(10_000, 999_999)
    is_pin = action is RuleAction.PIN
    return Rule(
        shop_id=SHOP.shop_id,
        rule_id="r",
        name=" ".join(draw(NAMES).split()),
        action=action,
        match=RuleMatch(item_ids=("a",)) if is_pin else match,
        placements=(Placement.CART,),
        factor_ppm=draw(factors.get(action, st.just(1_000_000))),
        position=draw(st.integers(1, 50)) if is_pin else 0,
        starts_at=draw(st.none() | st.just(start.replace(tzinfo=dt.UTC))),
        ends_at=end.replace(tzinfo=dt.UTC),
        active=draw(st.booleans()),
    )


@given(any_rule())
def test_what_is_written_is_read_back(rule: Rule) -> None:
    assert read_rule(rule_document(rule), SHOP) == rule
