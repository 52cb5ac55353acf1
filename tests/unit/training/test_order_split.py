import csv
import datetime as dt

import numpy as np
import pytest

from planted import GROUPS
from recommender.errors import InvalidInputError
from recommender.training.interactions import Kind
from recommender.training.order_split import read_orders

PLAIN = ("Basket_ID", "product_id", "transaction_timestamp", "household_id")
IMPORTED = ("Invoice", "StockCode", "InvoiceDate", "Customer ID", "Quantity", "Price")
BEGAN_AT = dt.datetime(2026, 1, 5, 10, 0, tzinfo=dt.UTC)


def order_lines(n=60, seed=4):
    """Order, item, instant, customer: three items an order, of ten customers."""
    rng = np.random.default_rng(seed)
    return [
        (f"{1_000 + number}", item, BEGAN_AT + dt.timedelta(hours=7 * number), f"c{number % 10}")
        for number in range(n)
        for item in sorted(rng.choice(GROUPS["ab"[number % 2]], 3, replace=False).tolist())
    ]


def written(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def plain(path, lines):
    return written(
        path,
        PLAIN,
        [(order, item, f"{at:%Y-%m-%d %H:%M:%S}", who) for order, item, at, who in lines],
    )


def imported(path, lines, more=()):
    rows = [(order, item, f"{at:%Y-%m-%d %H:%M}", who, 1, "2.50") for order, item, at, who in lines]
    return written(path, IMPORTED, [*rows, *more])


def columns(interactions):
    names = interactions.item_ids[interactions.item].tolist()
    parts = (interactions.visitor, interactions.kind, interactions.at_seconds, interactions.step)
    return [names, *(part.tolist() for part in parts), interactions.sequence.tolist()]


def asked(probes):
    return [(one.query.items.tolist(), one.targets.tolist()) for one in probes]


def test_plain_columns_and_the_imports_columns_tell_the_same(tmp_path):
    lines = order_lines()
    # The import leaves out a return, postage, and who cannot be known.
    at = f"{BEGAN_AT:%Y-%m-%d %H:%M}"
    more = [
        ("C9000", "a00", at, "c1", -1, "2.50"),
        ("9001", "POST", at, "c1", 1, "4.00"),
        ("9002", "a01", at, "", 1, "2.50"),
    ]
    left = read_orders([plain(tmp_path / "plain.csv", lines)], seed=3)
    right = read_orders([imported(tmp_path / "imported.csv", lines, more)], seed=3)
    for part in ("training_set", "known"):
        ours, theirs = (getattr(split, part).interactions for split in (left, right))
        assert columns(ours) == columns(theirs)
    assert set(left.training_set.interactions.kind.tolist()) == {Kind.ORDER}
    for task in ("path", "next", "basket"):
        assert asked(left.test[task]) == asked(right.test[task])
        assert asked(left.learning[task]) == asked(right.learning[task])


def test_one_cut_in_time_parts_what_is_known_from_what_is_asked(tmp_path):
    lines = order_lines()
    split = read_orders([plain(tmp_path / "plain.csv", lines)], seed=0)
    whole, known = split.training_set.interactions, split.known.interactions
    assert len(known) < len(whole) < len(lines)
    newest = BEGAN_AT + dt.timedelta(hours=7 * 48)
    assert whole.at_seconds[-1] < newest.timestamp(), "the newest fifth of sixty orders is asked"
    # Twelve orders are newer; each asks what its customer took next, and what else was in it.
    assert (len(split.test["next"]), len(split.test["basket"])) == (12, 12)
    ages = [one.query.ages_days.min() for one in split.test["next"]]
    assert min(ages) >= 70 / 24, "a customer comes every seventy hours"


def test_files_of_one_export_are_read_together_and_a_line_counts_once(tmp_path):
    lines = order_lines()
    whole = read_orders([plain(tmp_path / "whole.csv", [*lines, lines[0]])], seed=0)
    parts = [
        plain(tmp_path / "one.csv", lines[:90]),
        plain(tmp_path / "two.csv", lines[90:]),
    ]
    together = read_orders(parts, seed=0)
    assert columns(together.training_set.interactions) == columns(whole.training_set.interactions)


def test_a_missing_column_is_named(tmp_path):
    path = written(tmp_path / "odd.csv", ("product_id", "when"), [("a", "yesterday")] * 200)
    with pytest.raises(
        InvalidInputError, match=r"odd\.csv .*order_id, placed_at, customer"
    ) as caught:
        read_orders([path], seed=0)
    assert caught.value.code == "missing-columns"


def test_too_few_lines_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="fewer than 100") as caught:
        read_orders([plain(tmp_path / "few.csv", order_lines(30))], seed=0)
    assert caught.value.code == "bad-split"
