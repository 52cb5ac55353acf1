"""`recommender ledger …`: whether the vendor's books are whole."""

from pathlib import Path

import click

from recommender.billing.book import verify_ledger
from recommender.billing.verify import read_ledger_end
from recommender.cli.common import emit, json_option, make_services


@click.group()
def ledger() -> None:
    """Check the vendor's books."""


@ledger.command("verify")
@click.argument("invoices", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def verify(invoices: tuple[Path, ...], as_json: bool) -> None:
    """Recompute the chain of transactions and each balance; status 1 at the first bad one.

    With issued INVOICES also that the books still hold what each of them names: whoever rewrote
    the chain as a whole could not rewrite what has left the house.
    """
    ends = [read_ledger_end(path.read_bytes()) for path in invoices]
    services = make_services(service="ledger")
    count = verify_ledger(database=services.database, ends=ends)
    words = f"All {count:,} transactions are whole and balanced"
    if ends:
        words += f", and the {len(ends)} invoices name transactions of these books"
    emit(
        {"transactions": count, "invoices": len(ends)},
        as_json=as_json,
        text=lambda: words,
    )
