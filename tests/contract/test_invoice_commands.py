"""The commands of invoicing, as somebody in the vendor's finance calls them."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from money_world import CONTRACT, START, bill_to, shop_month
from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing import settle as settling
from recommender.billing.archive import read_invoice_pdf
from recommender.bootstrap import Services
from recommender.cli import (
    exclusion_commands,
    ledger_commands,
    party_commands,
    payment_commands,
)
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Shop
from recommender.shops.registry import add_contract
from recommender.uplift.stored import Measurement
from world import Clock

ENTITY = """
entity_id = "example-fr"
name = "Example SAS"
legal_form = "SAS"
capital = "10 000 EUR"
register = "RCS Paris"
address = ["1 rue de l'Exemple"]
postcode = "75001"
city = "Paris"
country = "FR"
siret = "73282932000074"
vat_number = "FR44732829320"
email = "billing@example.com"
iban = "FR76 3000 6000 0112 3456 7890 189"
series_prefix = "F"
late_rate_bps = 828
language = "fr"
"""
BUYER = """
entity_id = "example-fr"
name = "Laden GmbH"
address = ["Testweg 2"]
postcode = "10115"
city = "Berlin"
country = "DE"
"""
Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command on the test's own services."""
    groups = {
        "entity": party_commands.entity,
        "buyer": party_commands.buyer,
        "payments": payment_commands.payments,
        "journal": payment_commands.journal,
        "ledger": ledger_commands.ledger,
        "exclusions": exclusion_commands.exclusions,
    }
    for module in (party_commands, payment_commands, ledger_commands, exclusion_commands):
        monkeypatch.setattr(module, "make_services", lambda **_: services)

    def call(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(groups[name], list(arguments))

    return call


@pytest.fixture
def issued(
    services: Services, shop: Shop, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """Closes January 2027 and returns the invoice's number."""
    monkeypatch.setattr(
        settling, "collect", lambda *_, **__: Measurement(shop_month(START), {}, {}, 0, 0)
    )
    add_contract(replace(CONTRACT, shop_id=shop.shop_id), database=services.database)
    clock.at = dt.datetime(2027, 2, 1, 9, tzinfo=dt.UTC)

    def close() -> str:
        return settling.settle(
            shop,
            "2027-01",
            event_log=services.event_log,
            database=services.database,
            render_invoice=render_invoice,
            now=clock(),
        ).invoice_number

    return close


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_from_parties_to_the_journal(
    run: Run, shop: Shop, clock: Clock, issued: Callable[[], str], tmp_path: Path
) -> None:
    stored = run("entity", "set", write(tmp_path / "entity.toml", ENTITY), "--json")
    assert json.loads(stored.stdout)["siren"] == "732829320"
    entities = json.loads(run("entity", "list", "--json").stdout)["entities"]
    assert [entity["entity_id"] for entity in entities] == ["demo", "example-fr"]

    bare = write(tmp_path / "buyer.toml", BUYER)
    lacking = run("buyer", "set", bare, "--shop", shop.shop_id)
    assert "lacks buyer: email, buyer: vat_number" in lacking.stdout
    with pytest.raises(InvalidInputError, match="vat_number"):
        issued()
    full = f'{BUYER}vat_number = "DE136695976"\nemail = "kasse@laden.example"\n'
    told = run("buyer", "set", write(tmp_path / "full.toml", full), "--shop", shop.shop_id)
    assert "lacks" not in told.stdout
    shown = json.loads(run("buyer", "show", "--shop", shop.shop_id, "--json").stdout)
    assert shown["name"] == "Laden GmbH"

    number = issued()
    assert number == "F2027-000001"
    [row] = json.loads(run("payments", "list", "--json").stdout)["invoices"]
    assert (row["state"], row["number"]) == ("open", number)

    clock.at = dt.datetime(2027, 4, 1, tzinfo=dt.UTC)
    folder = tmp_path / "reminders"
    written = json.loads(run("payments", "remind", "--output", str(folder), "--json").stdout)
    assert written["written"] == [{"number": number, "step": 1, "email": "kasse@laden.example"}]
    assert "payment overdue" in (folder / f"{number}-1.txt").read_text()
    assert (folder / "reminders-2027-04-01.csv").read_text().count("\n") == 2

    euros = f"{row['gross_minor'] // 100}.{row['gross_minor'] % 100:02}"
    lines = f"T1,2027-04-02,{euros},EUR,{number}\nT2,2027-04-02,7,EUR,gift\nT3,20.4.2027,7,EUR,\n"
    bank = write(tmp_path / "bank.csv", f"transaction_id,date,amount,currency,reference\n{lines}")
    imported = run("payments", "import", bank)
    assert imported.exit_code == 1
    assert imported.stdout.splitlines()[0] == "1 booked, 0 were booked before"
    assert "not booked, T2 of 2027-04-02" in imported.stdout
    assert "row 3: date is written like 2026-11-20, not '20.4.2027'" in imported.stdout
    assert f"{number}  Laden GmbH" in run("payments", "list", "--state", "paid").stdout

    export = ["--entity", "example-fr", "--from", "2027-01-01", "--to", "2027-12-31"]
    done = run("journal", "export", *export, "--output", str(tmp_path), "--json")
    assert json.loads(done.stdout)["entries"] == 2
    assert (tmp_path / "732829320FEC20271231.txt").read_text().startswith("JournalCode\t")


def test_what_is_wrong_is_said(run: Run, shop: Shop, tmp_path: Path) -> None:
    for text in ("name = ", 'name = "X"\ncolour = "red"\n'):
        with pytest.raises(InvalidInputError) as caught:
            raise_from(run("entity", "set", write(tmp_path / "bad.toml", text)))
        assert caught.value.code == "bad-party"
    with pytest.raises(NotFoundError):
        raise_from(run("buyer", "show", "--shop", "shop_none"))
    export = ["--entity", "demo", "--from", "2027-01-01", "--to", "2027-12-31"]
    with pytest.raises(InvalidInputError) as caught:
        raise_from(run("journal", "export", *export, "--output", str(tmp_path), "--rate", "GBP=0"))
    assert caught.value.code == "bad-rate"


def raise_from(result: Result) -> None:
    assert result.exception is not None
    raise result.exception


def test_the_books_hold_what_issued_invoices_name(
    run: Run, shop: Shop, services: Services, issued: Callable[[], str], tmp_path: Path
) -> None:
    bill_to(shop.shop_id, services.database)
    pdf = tmp_path / "invoice.pdf"
    pdf.write_bytes(read_invoice_pdf(shop.shop_id, issued(), database=services.database))
    told = run("ledger", "verify", str(pdf), "--json")
    assert json.loads(told.stdout) == {"transactions": 1, "invoices": 1}
    older = Path(__file__).parents[1] / "vectors" / "invoice-2.pdf"
    refused = run("ledger", "verify", str(older)).exception
    assert isinstance(refused, InvalidInputError)
    assert refused.code == "no-ledger-end"


def test_exclusions_are_stated_from_files_and_listed(
    run: Run, shop: Shop, clock: Clock, tmp_path: Path
) -> None:
    staff = write(tmp_path / "staff.txt", "Ann@shop.example\n\n4711\n")
    of = ("--shop", shop.shop_id)
    change = ("exclusions", "change", *of)
    first = run(*change, "--add-staff", staff, "--add-mark", "Tag:Team", "--json")
    assert json.loads(first.stdout)["staff"] == 2
    gone = write(tmp_path / "gone.txt", "ann@SHOP.example")
    run(*change, "--drop-staff", gone, "--drop-mark", "tag:team")
    told = json.loads(run("exclusions", "show", *of, "--json").stdout)
    tomorrow = (clock.at.date() + dt.timedelta(days=1)).isoformat()
    assert (told["staff"], told["marks"]) == (1, [])
    assert [one["governs_from"] for one in told["versions"]] == [None, tomorrow, tomorrow]
    assert "1 people; marks: none" in run("exclusions", "show", *of).stdout
