"""`recommender payments …` and `journal …`: what was paid, what is late, what accountants get."""

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from recommender.billing import wording
from recommender.billing.export_journal import export_journal
from recommender.billing.parties import read_entity
from recommender.billing.payments import Account, PaymentState, read_accounts, record_payments
from recommender.billing.reminders import Reminder, late_interest, write_reminders
from recommender.billing.transfers import read_transfers
from recommender.cli.common import emit, json_option, make_services, read_text
from recommender.errors import InvalidInputError
from recommender.shops.money import format_minor, parse_decimal
from recommender.shops.spreadsheet import safe_cell

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def payments() -> None:
    """Payments of invoices, and reminders; see docs/invoices.md."""


@payments.command("import")
@click.argument("file", type=_FILE, metavar="FILE.csv")
@json_option
def import_payments(file: Path, as_json: bool) -> None:
    """Book a bank statement's transactions, each once; status 1 when some could not be."""
    transfers, faults = read_transfers(read_text(file.read_bytes(), file.name))
    services = make_services(service="payments")
    report = record_payments(transfers, database=services.database, now=services.now())
    result = {
        "booked": len(report.booked),
        "known": report.known,
        "bad_rows": [asdict(fault) for fault in faults],
        "unknown": [
            asdict(transfers[fault.index]) | {"code": fault.code, "detail": fault.detail}
            for fault in report.rejections
        ],
    }
    emit(result, as_json=as_json, text=lambda: _imported_text(result))
    if result["unknown"] or result["bad_rows"]:
        raise click.exceptions.Exit(1)


def _imported_text(result: Mapping[str, Any]) -> str:
    lines = [f"{result['booked']} booked, {result['known']} were booked before"]
    lines += [f"row {fault['index'] + 1}: {fault['detail']}" for fault in result["bad_rows"]]
    lines += [
        f"not booked, {transfer['transaction_id']} of {transfer['paid_on']}: {transfer['detail']}"
        for transfer in result["unknown"]
    ]
    return "\n".join(lines)


@payments.command("list")
@click.option("--shop", "shop_id", help="Only this shop.")
@click.option(
    "--state", type=click.Choice([state.value for state in PaymentState]), help="Only these."
)
@json_option
def list_payments(shop_id: str | None, state: str | None, as_json: bool) -> None:
    """List invoices and credit notes with what was paid and the interest so far."""
    services = make_services(service="payments")
    on = services.now().date()
    accounts = read_accounts(database=services.database, shop_id=shop_id)
    found = [_listed(account, on) for account in accounts]
    chosen = [row for row in found if state in {None, row["state"]}]
    emit({"invoices": chosen}, as_json=as_json, text=lambda: _listed_text(chosen))


def _listed(account: Account, on: dt.date) -> dict[str, Any]:
    return asdict(account) | {
        "paid_minor": account.paid_minor,
        "open_minor": account.open_minor,
        "state": account.state(on).value,
        "interest_minor": late_interest(account, on),
    }


def _listed_text(rows: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"{row['number']}  {row['buyer_name']}  due {row['due_on']}  "
        f"{wording.amount(row['gross_minor'], row['currency'])}, open "
        f"{wording.amount(row['open_minor'], row['currency'])}  {row['state']}"
        for row in rows
    )


@payments.command("remind")
@click.option("--output", required=True, type=_FOLDER, help="Folder for the texts.")
@click.option("--on", "day", type=_DAY, help="As if today were this day.")
@json_option
def remind(output: Path, day: dt.datetime | None, as_json: bool) -> None:
    """Write the reminders that are due, one text each and reminders.csv; sends nothing."""
    services = make_services(service="payments")
    on = services.now().date() if day is None else day.date()

    def _write(reminders: list[Reminder]) -> None:
        output.mkdir(parents=True, exist_ok=True)
        for reminder in reminders:
            (output / _file_name(reminder)).write_text(f"{reminder.subject}\n\n{reminder.body}")
        if reminders:
            (output / f"reminders-{on}.csv").write_text(_reminders_csv(reminders))

    written = write_reminders(database=services.database, on=on, write=_write)
    result = {
        "written": [
            {"number": reminder.account.number, "step": reminder.step, "email": reminder.email}
            for reminder in written
        ]
    }
    emit(result, as_json=as_json, text=lambda: f"{len(written)} reminders in {output}")


def _file_name(reminder: Reminder) -> str:
    return f"{reminder.account.number}-{reminder.step}.txt"


def _reminders_csv(reminders: Sequence[Reminder]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "step", "email", "buyer", "open", "interest", "currency", "file"])
    for reminder in reminders:
        account = reminder.account
        cells = [
            account.number,
            reminder.step,
            reminder.email,
            account.buyer_name,
            format_minor(account.open_minor, account.currency),
            format_minor(reminder.interest_minor, account.currency),
            account.currency,
            _file_name(reminder),
        ]
        writer.writerow([safe_cell(cell) for cell in cells])
    return text.getvalue()


@click.group()
def journal() -> None:
    """The books for accountants; see docs/invoices.md."""


@journal.command("export")
@click.option("--entity", "entity_id", required=True, help="Legal entity whose books they are.")
@click.option("--from", "first", required=True, type=_DAY, help="First day, YYYY-MM-DD.")
@click.option("--to", "last", required=True, type=_DAY, help="Last day, YYYY-MM-DD.")
@click.option("--output", required=True, type=_FOLDER, help="Folder for the file.")
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="CURRENCY=RATE",
    help="What one unit of another currency is worth in that of the books.",
)
@json_option
def export(
    entity_id: str,
    first: dt.datetime,
    last: dt.datetime,
    output: Path,
    rates: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write invoices, credit notes and payments of a period as a French FEC."""
    services = make_services(service="journal")
    written = export_journal(
        read_entity(entity_id, database=services.database),
        first.date(),
        last.date(),
        database=services.database,
        rates=dict(map(_rate, rates)),
    )
    output.mkdir(parents=True, exist_ok=True)
    path = output / written.name
    path.write_text(written.text, encoding="utf-8")
    result = {"file": str(path), "entries": written.entries, "debit_minor": written.debit_minor}
    emit(result, as_json=as_json, text=lambda: f"{written.entries} entries in {path}")


def _rate(text: str) -> tuple[str, Decimal]:
    currency, _, rate = text.partition("=")
    value = parse_decimal(rate)
    if value <= 0:
        raise InvalidInputError(f"--rate is CURRENCY=RATE, not {text!r}", code="bad-rate")
    return currency, value
