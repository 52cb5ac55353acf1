import datetime as dt
from dataclasses import replace

from money_world import contract, evidence, shop_month
from recommender.records import DailySum
from recommender.web.console_daily import write_daily

DAY = dt.date(2027, 1, 5)


def returned(row: DailySum) -> DailySum:
    return replace(row, visitors=0, orders=0, converted=0, revenue_minor=-1_500)


def test_a_spreadsheet_adds_the_table_up() -> None:
    sums = [*shop_month(DAY), returned(shop_month(dt.date(2027, 1, 6))[0])]
    text = write_daily(evidence(sums, dt.date(2027, 1, 31))).decode()
    assert text == (
        "day,phase,group,visitors,orders,buyers,revenue,currency\n"
        "2027-01-05,1,control,5000,500,500,50000.00,EUR\n"
        "2027-01-05,1,treatment,5000,600,600,60000.00,EUR\n"
        "2027-01-06,1,control,0,0,0,-15.00,EUR\n"
    )


def test_amounts_have_their_currency_s_decimals() -> None:
    for currency, amount in (("JPY", "5000000"), ("KWD", "5000.000")):
        facts = evidence(shop_month(DAY), dt.date(2027, 1, 31), terms=contract(currency=currency))
        line = write_daily(facts).decode().splitlines()[1]
        assert line.endswith(f",{amount},{currency}")
