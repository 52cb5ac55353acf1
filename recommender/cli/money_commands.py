"""`recommender measure`, `settle` and `verify`: proof and price."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from recommender.billing import wording
from recommender.billing.archive import Settlement
from recommender.billing.months import parse_month
from recommender.billing.settle import settle as settle_month
from recommender.billing.statement import estimate_figures
from recommender.billing.verify import DOES_NOT_PROVE, PROVES, Verification, verify_invoice
from recommender.bootstrap import Services
from recommender.cli.common import emit, json_option, make_progress, make_services
from recommender.errors import NotFoundError, RecommenderError
from recommender.records import Shop
from recommender.shops.registry import current_contract
from recommender.uplift.days import local_day
from recommender.uplift.estimate import estimate
from recommender.uplift.measure import measure as measure_shop
from recommender.uplift.stored import read_measurement

_NOT_YET = {"before-contract", "no-contract"}
"""What a shop without a contract answers; no failure while all shops are gone through."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--shop", "shop_id", metavar="ID", help="Only this shop; otherwise all.")
@json_option
def measure(shop_id: str | None, as_json: bool) -> None:
    """Recompute daily sums, behaviour and uplift through today, and store them."""
    services = make_services(service="measure")
    _for_shops(services, shop_id, "measuring", _measure, _measured_text, as_json=as_json)


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="A month that is over.")
@click.option("--shop", "shop_id", metavar="ID", help="Only this shop; otherwise all.")
@json_option
def settle(month: str, shop_id: str | None, as_json: bool) -> None:
    """Close a month: statement, and invoice where something is due; twice changes nothing."""
    parse_month(month)
    services = make_services(service="settle")

    def _settle(services: Services, shop: Shop) -> dict[str, Any]:
        from recommender.adapters.invoice_pdf import render_invoice

        settlement = settle_month(
            shop,
            month,
            event_log=services.event_log,
            database=services.database,
            render_invoice=render_invoice,
            now=services.now(),
        )
        return _settled(settlement)

    _for_shops(services, shop_id, "settling", _settle, _settled_text, as_json=as_json)


def _for_shops(
    services: Services,
    shop_id: str | None,
    doing: str,
    work: Callable[[Services, Shop], dict[str, Any]],
    text: Callable[[Mapping[str, Any]], str],
    *,
    as_json: bool,
) -> None:
    """Do the work for one or all shops; one shop's failure does not stop the others'."""
    shops = [services.shops.by_id(shop_id)] if shop_id else services.shops.all()
    results = []
    with make_progress() as progress:
        task = progress.add_task(doing, total=len(shops))
        for shop in shops:
            results.append(_attempt(services, shop, work, alone=shop_id is not None))
            progress.advance(task)
    emit({"shops": results}, as_json=as_json, text=lambda: _shops_text(results, text))
    if any(result["code"] not in {"", *_NOT_YET} for result in results):
        raise click.exceptions.Exit(1)


def _attempt(
    services: Services, shop: Shop, work: Callable[[Services, Shop], dict[str, Any]], *, alone: bool
) -> dict[str, Any]:
    named = {"shop_id": shop.shop_id, "name": shop.name, "code": "", "detail": ""}
    try:
        return named | work(services, shop)
    except RecommenderError as error:
        if alone:
            raise
        return named | {"code": error.code, "detail": str(error)}


def _shops_text(
    results: Sequence[Mapping[str, Any]], text: Callable[[Mapping[str, Any]], str]
) -> str:
    if not results:
        return "There is no shop yet; make one with `recommender shop create`."
    return "\n".join(
        f"{result['name']} ({result['shop_id']}): {result['detail'] or text(result)}"
        for result in results
    )


def _measure(services: Services, shop: Shop) -> dict[str, Any]:
    now = services.now()
    today = local_day(now, shop.timezone)
    contract = current_contract(shop.shop_id, today, database=services.database)
    sums = measure_shop(
        shop,
        event_log=services.event_log,
        database=services.database,
        contract=contract,
        through=today,
        now=now,
    )
    with services.database.connect() as connection:
        stored = read_measurement(connection, shop.shop_id)
    if stored is None:
        raise NotFoundError(f"{shop.shop_id} was removed meanwhile", code="unknown-shop")
    result = estimate(sums, alpha=Decimal(contract.alpha_ppm) / 1_000_000, n_star=contract.n_star)
    return {
        "through": today.isoformat(),
        "contract_version": contract.version,
        "days": len({row.day for row in sums}),
        "arms": {arm.value: asdict(seen) for arm, seen in stored.behaviour.items()},
        "excluded": {reason: asdict(orders) for reason, orders in stored.excluded.items()},
        "in_both_arms": stored.in_both_arms,
        "in_both_arms_share": stored.in_both_arms_share,
        "estimate": None if result is None else estimate_figures(result),
        "sentence": wording.result_sentence(result, contract, shop.strata),
    }


def _measured_text(result: Mapping[str, Any]) -> str:
    lines = [result["sentence"]]
    for arm, seen in result["arms"].items():
        lines.append(
            f"  {arm}: {seen['visitors']:,} visitors, {seen['orders']:,} orders, "
            f"{seen['converted']:,} buyers"
        )
    lines += [
        f"  not counted, {reason}: {orders['orders']:,} orders"
        for reason, orders in result["excluded"].items()
    ]
    if result["in_both_arms"]:
        lines.append(
            f"  seen in both arms: {result['in_both_arms']:,} "
            f"({result['in_both_arms_share']:.2%}), counted in the first"
        )
    return "\n".join(lines)


def _settled(settlement: Settlement) -> dict[str, Any]:
    return settlement.summary() | {
        "new": settlement.is_new,
        "reason": settlement.statement["bill"]["reason"],
        "explanation": settlement.statement["explanation"],
        "sentence": settlement.statement["sentence"],
    }


def _settled_text(result: Mapping[str, Any]) -> str:
    document = f", invoice {result['invoice']}" if result["invoice"] else ""
    state = "closed" if result["new"] else "was closed before"
    due = wording.amount(result["amount_minor"], result["currency"])
    return f"{result['month']} {state}: {due}{document}. {result['explanation']}"


@click.command()
@click.argument("file", type=_FILE, metavar="INVOICE.pdf")
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Recompute an invoice from the evidence inside it; status 1 when something differs.

    Needs nothing but the file: a PDF, or the HTML that was issued in its place.
    """
    verification = verify_invoice(file.read_bytes())
    result = asdict(verification) | {
        "passed": verification.passed,
        "proves": PROVES,
        "does_not_prove": DOES_NOT_PROVE,
    }
    emit(result, as_json=as_json, text=lambda: _verified_text(verification))
    if not verification.passed:
        raise click.exceptions.Exit(1)


def _verified_text(verification: Verification) -> str:
    lines = [
        f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}"
        for check in verification.checks
    ]
    due = wording.amount(verification.due_minor, verification.currency)
    lines.append(f"{verification.month}: {due} without VAT, recomputed from the evidence.")
    if verification.passed:
        lines += [f"Proves: {PROVES}", f"Does not prove: {DOES_NOT_PROVE}"]
    return "\n".join(lines)
