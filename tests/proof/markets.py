"""Real customers' spending, to draw simulated visitors from.

Each customer is one row: what had been spent after 1, 2, … 24 months since the first order. So a
simulated buyer brings the real sizes of baskets, their heavy tail, and the real habit of coming
back, all of which a gamma distribution lacks.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.demo.sample import SAMPLE

Floats = NDArray[np.float64]

MONTHS = 24
_MONTH_DAYS = 30.4375
_SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Market:
    """Customers to draw from.

    Attributes:
        spent: Minor units spent by the end of each month since the first order, shape
            (customers, MONTHS).
        before: Minor units spent in the year before; 0 where nothing is known.
        share: Of visitors, those who are such a customer.
    """

    name: str
    spent: Floats
    before: Floats
    share: float = 0.02

    @property
    def cv(self) -> float:
        """Return the coefficient of variation of what a customer spends in the end."""
        last = self.spent[:, -1]
        return float(last.std() / last.mean())


@dataclass(frozen=True, slots=True)
class Orders:
    """Whole-number customers, days since the first day, minor units; one entry an order."""

    customer: NDArray[np.int64]
    day: Floats
    minor: Floats


def markets(data: Path | None, *, quick: bool = False) -> list[Market]:
    """Return the markets whose data is there; the package's own sample always is.

    Args:
        data: Folder with the public data sets; None looks beside the checkout.
    """
    folder = data or _SHARED
    retail = _online_retail(folder / "online-retail-ii")
    found = [
        _coming_back("Online Retail II, customers who come back", retail),
        _one_basket("Online Retail II, one basket each", retail),
    ]
    journey = folder / "dunnhumby-complete-journey" / "transactions.parquet"
    if journey.exists() and not quick:
        found.append(_coming_back("Complete Journey, households", _complete_journey(journey)))
    return found


def known_customers(data: Path | None) -> Market:
    """Return customers with what they spent in the first and in the second half of the record."""
    orders = _online_retail((data or _SHARED) / "online-retail-ii")
    middle = (orders.day.min() + orders.day.max()) / 2
    is_late = orders.day >= middle
    n = int(orders.customer.max()) + 1
    month = np.clip(((orders.day - middle) / _MONTH_DAYS).astype(int), 0, MONTHS - 1)
    spent = np.zeros((n, MONTHS))
    np.add.at(spent, (orders.customer[is_late], month[is_late]), orders.minor[is_late])
    before = np.bincount(orders.customer[~is_late], orders.minor[~is_late], n)
    return Market("Online Retail II, known customers", spent.cumsum(1), before, share=0.04)


def _coming_back(name: str, orders: Orders) -> Market:
    n = int(orders.customer.max()) + 1
    first = np.full(n, np.inf)
    np.minimum.at(first, orders.customer, orders.day)
    month = ((orders.day - first[orders.customer]) / _MONTH_DAYS).astype(int)
    spent = np.zeros((n, MONTHS))
    inside = month < MONTHS
    np.add.at(spent, (orders.customer[inside], month[inside]), orders.minor[inside])
    return Market(name, spent.cumsum(1), np.zeros(n))


def _one_basket(name: str, orders: Orders) -> Market:
    spent = np.repeat(orders.minor[:, None], MONTHS, axis=1)
    return Market(name, spent, np.zeros(len(orders.minor)))


def _online_retail(folder: Path) -> Orders:
    """Return both years where they are there, else the second, which the package ships."""
    tables = [_retail_lines(pq.read_table(SAMPLE))]
    first_year = folder / "online_retail_2009_2010.parquet"
    if first_year.exists():
        lines = pq.read_table(first_year)
        at = pc.strptime(lines["InvoiceDate"].cast(pa.string()), "%Y-%m-%d %H:%M:%S", "s")
        lines = lines.set_column(lines.schema.get_field_index("InvoiceDate"), "InvoiceDate", at)
        # Nine days stand in both files.
        lines = lines.filter(pc.less(at, pc.min(tables[0]["at"])))
        tables.append(_retail_lines(lines))
    return _orders(pa.concat_tables(tables))


def _retail_lines(lines: pa.Table) -> pa.Table:
    kept = pc.and_(
        pc.and_(pc.greater(lines["Quantity"], 0), pc.greater(lines["Price"], 0)),
        pc.is_valid(lines["Customer ID"]),
    )
    lines = lines.filter(kept)
    value = pc.multiply(lines["Quantity"].cast(pa.float64()), lines["Price"].cast(pa.float64()))
    return pa.table(
        {
            "customer": lines["Customer ID"].cast(pa.int64()),
            "order": lines["Invoice"].cast(pa.string()),
            "at": lines["InvoiceDate"].cast(pa.timestamp("s")),
            "value": value,
        }
    )


def _complete_journey(path: Path) -> Orders:
    names = ["household_id", "basket_id", "sales_value", "transaction_timestamp"]
    lines = pq.read_table(path, columns=names)
    return _orders(
        pa.table(
            {
                "customer": lines["household_id"].cast(pa.int64()),
                "order": lines["basket_id"].cast(pa.string()),
                "at": lines["transaction_timestamp"].cast(pa.timestamp("s"), safe=False),
                "value": lines["sales_value"].cast(pa.float64()),
            }
        )
    )


def _orders(lines: pa.Table) -> Orders:
    totals = lines.group_by(["customer", "order"], use_threads=False).aggregate(
        [("at", "min"), ("value", "sum")]
    )
    totals = totals.filter(pc.greater(totals["value_sum"], 0))
    _, customer = np.unique(totals["customer"].to_numpy(), return_inverse=True)
    seconds = totals["at_min"].cast(pa.int64()).to_numpy()
    day = (seconds - seconds.min()) / 86_400
    return Orders(customer, day, np.round(totals["value_sum"].to_numpy() * 100))
