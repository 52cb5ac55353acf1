"""The page "Contract": terms in plain words, and what each way of pricing would have cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint

from recommender.billing import wording
from recommender.billing.bill_lines import fee
from recommender.billing.preview import Preview, preview
from recommender.billing.pricing import billable_sums, cumulative_target
from recommender.records import Contract, Shop
from recommender.shops.registry import read_contracts
from recommender.uplift.days import local_day
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.console_statement import Price, priced
from recommender.web.console_terms import (
    POLICY_NAMES,
    POLICY_NOTES,
    licence_words,
    money,
    rate_words,
    terms,
    year_cap_words,
)
from recommender.web.context import services

blueprint = Blueprint("contract", __name__, url_prefix="/contract")


@dataclass(frozen=True, slots=True)
class FeeRow:
    """What the fee of a round additional revenue is; `share` is fee ÷ revenue."""

    value: str
    fee: str
    share: str


@dataclass(frozen=True, slots=True)
class ContractView:
    """The contract in force."""

    version: int
    terms: list[tuple[str, str]]
    policies: list[Price]
    fees: list[FeeRow]
    licence: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A line of the table of versions."""

    version: int
    starts_on: str
    rate: str
    policy: str
    cap_month: str
    cap_year: str
    licence: str
    is_current: bool


@blueprint.get("")
@signed_in
def show() -> str:
    """Show the contract in force, and all its versions."""
    shop = current_visit().shop
    contracts = read_contracts(shop.shop_id, database=services().database)
    today = local_day(services().now(), shop.timezone)
    current = next((c for c in reversed(contracts) if c.starts_on <= today), None)
    return render_page(
        "contract",
        section="statements",
        tab="contract",
        view=None if current is None else _view(shop, current),
        versions=_versions(contracts, current),
    )


def _view(shop: Shop, contract: Contract) -> ContractView:
    seen = preview(shop, database=services().database, now=services().now())
    return ContractView(
        version=contract.version,
        terms=terms(contract),
        policies=compare_policies(seen) if seen is not None and seen.evidence.sums else [],
        fees=list(fee_rows(contract, seen)),
        licence=licence_words(contract),
    )


def compare_policies(seen: Preview) -> list[Price]:
    """Return what each policy comes to on the same sums, the contract's own first."""
    evidence, own = seen.evidence, seen.evidence.contract
    sums = billable_sums(evidence)
    rows = [
        (
            POLICY_NAMES[policy],
            POLICY_NOTES[policy],
            cumulative_target(
                replace(own, policy=policy), sums, through=evidence.through
            ).target_minor,
        )
        for policy in sorted(POLICY_NAMES, key=lambda name: name != own.policy)
    ]
    rows.append(("Last click", "what click attribution charges", seen.bill.last_click_minor))
    return priced(rows, own.currency)


def fee_rows(contract: Contract, seen: Preview | None) -> Iterator[FeeRow]:
    """Yield the fee of round amounts around what was measured, and at the ends of tiers."""
    estimate = seen.bill.target.estimate if seen is not None else None
    total_minor = round(estimate.incremental_minor) if estimate is not None else 0
    around = _round_up(max(total_minor, 1_000_000))
    ends = [tier.from_minor for tier in contract.tiers]
    for value_minor in sorted({around // 4, around // 2, around, 2 * around, *ends}):
        fee_minor = fee(contract, value_minor)
        share = fee_minor / value_minor if value_minor else 0
        yield FeeRow(
            money(value_minor, contract.currency),
            money(fee_minor, contract.currency),
            wording.percent(share, 2),
        )


def _round_up(minor: int) -> int:
    """Return the next 1, 2 or 5 times a power of ten."""
    power: int = 10 ** (len(str(minor)) - 1)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= minor)


def _versions(contracts: Sequence[Contract], current: Contract | None) -> list[VersionRow]:
    return [
        VersionRow(
            version=contract.version,
            starts_on=wording.day(contract.starts_on),
            rate=rate_words(contract),
            policy=POLICY_NAMES[contract.policy],
            cap_month=wording.rate(contract.cap_month_bps),
            cap_year=year_cap_words(contract),
            licence=money(contract.licence_month_minor, contract.currency)
            if contract.licence_month_minor
            else "none",
            is_current=contract == current,
        )
        for contract in reversed(contracts)
    ]
