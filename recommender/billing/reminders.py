"""Three reminders of what is overdue, with interest (verb): texts to send; nothing is sent here.

Source: directive 2011/7/EU, articles 3 and 6; France: code de commerce, L441-10 and D441-5:
interest runs from the day after the due date without any reminder, and a fixed charge is due.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.billing import wording
from recommender.billing.parties import read_parties
from recommender.billing.payments import Account, PaymentState, read_accounts
from recommender.billing.phrases import REMINDERS
from recommender.shops.audit import record_audit

STEP_DAYS = (3, 15, 30)
"""Days after the due date from which each reminder may be written."""
_DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class Reminder:
    """A text to send.

    Attributes:
        step: 1, 2 or 3.
        interest_minor: Due by now, in the invoice's currency.
    """

    account: Account
    step: int
    email: str
    interest_minor: int
    subject: str
    body: str


def late_interest(account: Account, on: dt.date) -> int:
    """Return the interest on a day, in minor units, rounded down.

    Simple interest by the day on what was open that day, from the day after the due date on: Σ open
    × rate / 365.
    """
    bounds = [account.due_on, *sorted({day for day, _ in account.payments}), on]
    days = [day for day in bounds if account.due_on <= day <= on]
    total = 0
    for start, end in itertools.pairwise(days):
        paid = sum(minor for day, minor in account.payments if day <= start)
        total += max(0, account.gross_minor - paid) * (end - start).days
    return total * account.late_rate_bps // (_DAYS_A_YEAR * 10_000)


def due_step(account: Account, written: int, on: dt.date) -> int:
    """Return the step that is due, 0 when none is; steps are never skipped.

    Args:
        written: Steps written before.
    """
    if account.state(on) is not PaymentState.OVERDUE or written >= len(STEP_DAYS):
        return 0
    late_days = (on - account.due_on).days
    return written + 1 if late_days >= STEP_DAYS[written] else 0


def write_reminders(
    *,
    database: sa.Engine,
    on: dt.date,
    write: Callable[[list[Reminder]], None],
) -> list[Reminder]:
    """Write the reminders that are due on a day, and remember that they were.

    Args:
        write: Takes the texts to where somebody sends them from; when it fails, nothing is
            remembered.
    """
    reminders = list(_due(database, on))
    with database.begin() as connection:
        for reminder in reminders:
            account = reminder.account
            connection.execute(
                tables.reminders.insert().values(
                    shop_id=account.shop_id,
                    number=account.number,
                    step=reminder.step,
                    written_on=on,
                    open_minor=account.open_minor,
                    interest_minor=reminder.interest_minor,
                )
            )
            record_audit(
                connection,
                "reminder.written",
                shop_id=account.shop_id,
                subject=account.number,
                step=reminder.step,
            )
        write(reminders)
    return reminders


def _due(database: sa.Engine, on: dt.date) -> Iterator[Reminder]:
    rows = tables.reminders.c
    query = sa.select(rows.number, sa.func.max(rows.step)).group_by(rows.number)
    with database.connect() as connection:
        written = {number: int(step) for number, step in connection.execute(query)}
        for account in read_accounts(database=database):
            step = due_step(account, written.get(account.number, 0), on)
            if step:
                buyer = read_parties(connection, account.shop_id).buyer
                yield compose(account, step, on, "" if buyer is None else buyer.email)


def compose(account: Account, step: int, on: dt.date, email: str) -> Reminder:
    """Write the text of a reminder in the buyer's language."""
    language, currency = account.language, account.currency
    texts = REMINDERS[language]
    interest_minor = late_interest(account, on)
    filled = {
        "number": account.number,
        "name": account.buyer_name,
        "issued": wording.day(account.issued_on, language),
        "due": wording.day(account.due_on, language),
        "on": wording.day(on, language),
        "total": wording.amount(account.gross_minor, currency, language),
        "open": wording.amount(account.open_minor, currency, language),
        "interest": wording.amount(interest_minor, currency, language),
        "rate": wording.rate(account.late_rate_bps, language),
        "recovery": wording.amount(account.recovery_minor, account.recovery_currency, language),
        "days": str((on - account.due_on).days),
    }
    return Reminder(
        account=account,
        step=step,
        email=email,
        interest_minor=interest_minor,
        subject=texts[f"subject-{step}"].format(**filled),
        body=texts["body"].format(**filled, request=texts[f"request-{step}"].format(**filled)),
    )
