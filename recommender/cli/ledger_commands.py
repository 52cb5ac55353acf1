"""`recommender ledger …`: whether the vendor's books are whole."""

import click

from recommender.billing.book import verify_ledger
from recommender.cli.common import emit, json_option, make_services


@click.group()
def ledger() -> None:
    """Check the vendor's books."""


@ledger.command("verify")
@json_option
def verify(as_json: bool) -> None:
    """Recompute the chain of transactions and each balance; status 1 at the first bad one."""
    services = make_services(service="ledger")
    count = verify_ledger(database=services.database)
    emit(
        {"transactions": count},
        as_json=as_json,
        text=lambda: f"All {count:,} transactions are whole and balanced",
    )
