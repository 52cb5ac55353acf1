"""The daily table as a file for a spreadsheet: amounts in the currency's unit. Pure.

The evidence (`billing.evidence`) is what a statement is recomputed from; this is the same table for
people who want to add it up.
"""

import csv
import io

from recommender.billing.evidence import Evidence
from recommender.shops.money import format_minor
from recommender.shops.spreadsheet import safe_cell

_COLUMNS = ("day", "phase", "group", "visitors", "orders", "buyers", "revenue", "currency")


def write_daily(evidence: Evidence) -> bytes:
    """Write a row per day, phase and group; no text in it can become a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in evidence.sums:
        # A negative amount is a number, not a text that a formula could hide in.
        revenue = format_minor(row.revenue_minor, evidence.contract.currency)
        counts = (row.visitors, row.orders, row.converted, revenue)
        named = (row.day.isoformat(), row.stratum, row.arm.value)
        currency = safe_cell(evidence.contract.currency)
        writer.writerow((*named, *counts, currency))
    return text.getvalue().encode()
