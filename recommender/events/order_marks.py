"""What a shop's exclusions may name an order by: keyed hashes of its marks and its customer. Pure.

Neither a tag, a discount code nor a customer's id is stored with an order, only its hash under the
shop's key. Only the first telling of an order counts: whoever marks it later may know what it did
to the comparison.
"""

from collections.abc import Iterable

from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.events.link_keys import EMAIL, email_sha256, link_key
from recommender.shops.exclusions import plain_mark

TEST = "test"
"""Stands in clear among an order's marks: it means the same for every shop."""
MAX_MARKS = 20


def mark_key(visitor_key: bytes, mark: str) -> str:
    """Return the stored form of a mark such as `tag:wholesale`."""
    return pseudonym(visitor_key, f"mark:{mark}")


def order_marks(
    visitor_key: bytes, marks: Iterable[str], *, customer_id: str = "", is_test: bool = False
) -> str:
    """Return what is stored of an order's marks; those beyond the first `MAX_MARKS` are not kept.

    Args:
        visitor_key: The shop's key.
        marks: `kind:value` each; whatever is no such mark is left out.
        customer_id: The shop's id of the customer; empty or `0` for a guest.
        is_test: Whether the shop says that the order only tries out the checkout.
    """
    customer = "" if customer_id == "0" else customer_pseudonym(visitor_key, customer_id)
    plain = dict.fromkeys(filter(None, map(plain_mark, marks)))
    keys = [mark_key(visitor_key, mark) for mark in plain]
    first = [TEST] if is_test else []
    return " ".join([*first, *filter(None, [customer]), *keys][:MAX_MARKS])


def person_key(visitor_key: bytes, told: str) -> str:
    """Return the stored form of an e-mail address, or of the shop's id of a customer."""
    told = told.strip()
    if "@" in told:
        return link_key(visitor_key, EMAIL, email_sha256(told))
    return customer_pseudonym(visitor_key, told)


def is_test(marks: str) -> bool:
    """Tell whether an order with these marks tries out the checkout."""
    return TEST in marks.split()
