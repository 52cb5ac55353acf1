"""Cases 13, 16, 83-85, 88-90, and the crash points away from the collector: identity I5."""

import dataclasses
import datetime as dt
import json
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from drill.case import Drill, Outcome, case
from drill.service import Service
from drill.shops import DrillShop
from money_world import CONTRACT, bill_to
from recommender.crash_points import CRASH_POINTS
from recommender.shops.keys import signing_secret
from recommender.shops.registry import ShopOrder, add_contract, create_shop
from shoppers import Shoppers, live_through

BEGAN_ON = dt.date(2026, 3, 2)
BEGAN_AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
MONTH = "2026-03"
SETTLE_POINTS = [name for name in CRASH_POINTS if name.startswith("settle-")]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
COMPACT = (
    "from recommender.bootstrap import bootstrap; from recommender.config import Settings; "
    "bootstrap(Settings.from_environ()).event_log.compact()"
)


def add_proven_shop(service: Service, number: int) -> DrillShop:
    """Make a shop whose March proves a large effect, with its contract."""
    with service.inside() as services:
        order = ShopOrder(
            f"Proven {number}", "EUR", "FR", "Europe/Paris", [f"https://p{number}.example"]
        )
        new = create_shop(order, database=services.database, now=BEGAN_AT)
        bill_to(new.shop_id, services.database)
        shop = services.shops.by_id(new.shop_id)
        shoppers = Shoppers(shop)
        days = [BEGAN_ON + dt.timedelta(days=step) for step in range(2)]
        live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
        shoppers.tell(services.event_log, services.database)
        terms = dataclasses.replace(CONTRACT, shop_id=new.shop_id, starts_on=BEGAN_ON, n_star=2_000)
        add_contract(terms, database=services.database)
        made = DrillShop(
            new.shop_id,
            new.public_key,
            new.secret_key,
            signing_secret(services.secret, new.shop_id),
            order.origins[0],
        )
    service.shops.append(made)
    return made


def check_books_of_money(outcome: Outcome, service: Service, shop: DrillShop) -> None:
    """Check I5: one statement, one invoice, postings that sum to zero and to the invoice."""
    named = {"shop": shop.shop_id}
    statements = service.rows("SELECT 1 FROM statements WHERE shop_id = :shop", **named)
    invoices = service.rows("SELECT number FROM invoices WHERE shop_id = :shop", **named)
    postings = service.rows(
        "SELECT account, amount_minor FROM postings WHERE shop_id = :shop", **named
    )
    outcome.check(len(statements) == 1, f"I5: {len(statements)} statements of {shop.shop_id}")
    outcome.check(len(invoices) == 1, f"I5: {len(invoices)} invoices of {shop.shop_id}")
    total = sum(int(row[1]) for row in postings)
    outcome.check(postings and total == 0, f"I5: postings sum to {total}")


def check_numbers(outcome: Outcome, service: Service, wanted: int) -> None:
    numbers = sorted(str(row[0]) for row in service.rows("SELECT number FROM invoices"))
    expected = (
        [f"{numbers[0][:-6]}{place:06d}" for place in range(1, wanted + 1)] if numbers else []
    )
    outcome.check(numbers == expected, f"I5: numbers {numbers}")


def settle(service: Service, shop: DrillShop, **environ: str) -> "subprocess.CompletedProcess[str]":
    done: subprocess.CompletedProcess[str] = service.command(
        "settle", "--month", MONTH, "--shop", shop.shop_id, "--json", **environ
    )
    return done


@case("13")
def settle_twice_at_once(drill: Drill) -> Outcome:
    outcome = Outcome("the same month closed by two processes at once, then once more")
    with drill.service("", n_shops=0) as service:
        for number in range(drill.choose(1, 4)):
            shop = add_proven_shop(service, number)
            words = ["settle", "--month", MONTH, "--shop", shop.shop_id, "--json"]
            runs = [
                subprocess.Popen(
                    [sys.executable, "-m", "recommender", *words],
                    env=service.environ(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                for _ in range(2)
            ]
            told = [run.communicate(timeout=180)[0] for run in runs]
            outcome.check(any(run.returncode == 0 for run in runs), "neither run closed the month")
            new = [json.loads(text)["shops"][0].get("new") for text in told if text.strip()]
            outcome.check(new.count(True) <= 1, "both runs believe to have closed it")
            outcome.check(settle(service, shop).returncode == 0, "a third run failed")
            check_books_of_money(outcome, service, shop)
            outcome.rounds += 1
        check_numbers(outcome, service, outcome.rounds)
    return outcome


@case("88")
def settle_killed(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 at each crash point of closing a month, then closed again, twice")
    with drill.service("", n_shops=0) as service:
        for number, point in enumerate(SETTLE_POINTS):
            shop = add_proven_shop(service, number)
            killed = settle(service, shop, RECOMMENDER_CRASH_AT=point)
            outcome.check(killed.returncode == -9, f"{point} was not reached")
            again = [settle(service, shop) for _ in range(2)]
            outcome.check(not any(one.returncode for one in again), f"{point}: a later run failed")
            outcome.check(again[0].stdout and _same(again), f"{point}: two runs tell two stories")
            check_books_of_money(outcome, service, shop)
            outcome.rounds += 1
        check_numbers(outcome, service, outcome.rounds)
        outcome.notes.append(f"reached: {', '.join(SETTLE_POINTS)}")
    return outcome


def _same(runs: list["subprocess.CompletedProcess[str]"]) -> bool:
    first, second = (json.loads(run.stdout)["shops"][0] for run in runs)
    return bool(first | {"new": 0} == second | {"new": 0})


@case("90")
def rebuilt(drill: Drill) -> Outcome:
    outcome = Outcome("the home copied before a month is closed, closed in both copies, verified")
    with drill.service("", n_shops=0) as service:
        shop = add_proven_shop(service, 0)
        other_home = drill.folder / "home-90"
        shutil.copytree(service.home, other_home, ignore=shutil.ignore_patterns("compiled"))
        copy = Service(other_home)
        copy.shops = [shop]
        documents = []
        # An invoice tells when it was made: both are made at one moment.
        moment = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME": "2026-04-02 06:00:00",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        for one in (service, copy):
            done = settle(one, shop, **(moment if FAKETIME.exists() else {}))
            outcome.check(done.returncode == 0, f"the month was not closed: {done.stderr[-200:]}")
            check_books_of_money(outcome, one, shop)
            ((number,),) = one.rows("SELECT number FROM invoices")
            with one.inside() as services:
                from recommender.billing.archive import read_invoice_pdf

                documents.append(read_invoice_pdf(shop.shop_id, number, database=services.database))
            outcome.rounds += 1
        if not FAKETIME.exists():
            outcome.notes.append("without libfaketime only the amounts are compared")
        else:
            outcome.check(documents[0] == documents[1], "the two invoices differ")
        file = service.home / "invoice.pdf"
        file.write_bytes(bytes(documents[0]))
        verified = service.command("verify", str(file))
        outcome.check(verified.returncode == 0, f"verify: {verified.stderr[-200:]}")
    return outcome


@case("16")
def out_of_memory(drill: Drill) -> Outcome:
    outcome = Outcome("an import that may take 1.5 GB of address space, while the service runs")
    service = drill.visit()
    journal = drill.journal(service)
    (shop, *_) = service.shops
    file = drill.folder / "huge.csv"
    with file.open("w") as text:
        text.write("order_id,visitor_id,item_id,quantity,price,placed_at\n")
        line = f"o{{0}},v{{0}},item-{'x' * 60},1,9.99,2026-03-02T10:00:00Z\n"
        text.writelines(line.format(number) for number in range(2_000_000))
    with drill.load(service, journal, clients=2) as load:
        load.wait_for(50)
        command = [sys.executable, "-m", "recommender", "import", str(file), "--shop", shop.shop_id]
        done = subprocess.run(
            command,
            env=service.environ(),
            capture_output=True,
            timeout=300,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20)),
        )
        load.wait_for(50)
    outcome.notes.append(f"the import ended with status {done.returncode}")
    outcome.check(service.is_ready(), "the service is not ready any more")
    outcome.rounds += 1
    journal_only = [one for one in service.shops if one is not shop]
    service.shops = [shop, *journal_only]
    drill.close_books(outcome, service, journal, seconds=120)
    # What the import stored before its end is the import's: nothing of it was acknowledged.
    outcome.books.faults = [one for one in outcome.books.faults if "never sent" not in one]
    return outcome


@case("92")
def retention_killed(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 at each crash point of compaction, sealing and dropping days; again")
    with drill.service("", n_shops=0) as service:
        points = {
            "compact-merged": ["-c", COMPACT],
            "compact-noted": ["-c", COMPACT],
            "seal-rewritten": ["-m", "recommender", "days", "seal", "--shop"],
            "seal-counted": ["-m", "recommender", "days", "seal", "--shop"],
            "retention-noted": ["-m", "recommender", "days", "drop", "--shop"],
            "retention-dropped": ["-m", "recommender", "days", "drop", "--shop"],
        }
        for number, (point, words) in enumerate(points.items()):
            shop = add_shop_of_days(service, number)
            before = service.stored(shop.shop_id)
            of_shop = [shop.shop_id] if words[0] == "-m" else []
            is_drop = "drop" in words
            if is_drop:
                of_shop += ["--keep-days", "1"]
                outcome.check(_run(service, [*words, *of_shop], "") == 0, "the plan failed")
                outcome.check(service.stored(shop.shop_id) == before, "a plan dropped days")
                of_shop += ["--yes"]
            argv = [*words, *of_shop]
            outcome.check(_run(service, argv, point) == -9, f"{point} was not reached")
            outcome.check(_run(service, argv, "") == 0, f"{point}: the next run failed")
            after = service.stored(shop.shop_id)
            wanted = Counter() if is_drop else before
            outcome.check(after == wanted, f"{point}: {len(after)} events of {len(wanted)}")
            outcome.books.sent += sum(before.values())
            outcome.books.acknowledged += sum(wanted.values())
            outcome.books.lost += len(wanted - after)
            outcome.books.doubled += sum(count > 1 for count in after.values())
            outcome.rounds += 1
        outcome.notes.append(f"reached: {', '.join(points)}")
    return outcome


def add_shop_of_days(service: Service, number: int) -> DrillShop:
    """Make a shop without a contract that has two days of events."""
    with service.inside() as services:
        order = ShopOrder(f"Days {number}", "EUR", "FR", "Europe/Paris", ["https://d.example"])
        new = create_shop(order, database=services.database, now=BEGAN_AT)
        shoppers = Shoppers(services.shops.by_id(new.shop_id))
        days = [BEGAN_ON + dt.timedelta(days=step) for step in range(2)]
        live_through(shoppers, days, visitors_a_day=30, uplift=1.0, conversion=0.3)
        events = list(shoppers.events)
        shoppers.tell(services.event_log, services.database)
        # Told again, so that there is something to merge and to leave out.
        services.event_log.append(events, "again", number + 1)
    return DrillShop(new.shop_id, new.public_key, new.secret_key, "", "https://d.example")


def _run(service: Service, words: list[str], point: str) -> int:
    marker = Path(service.home) / "run" / f"crashed-at-{point}"
    marker.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *words],
        env=service.environ(RECOMMENDER_CRASH_AT=point),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode
