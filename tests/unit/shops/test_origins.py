"""What is an origin, as browsers write it."""

import pytest

from recommender.shops.origins import plain_origin


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("http://127.0.0.1:8795/", "http://127.0.0.1:8795"),
        (" HTTPS://Shop.Example:443/ ", "https://shop.example"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://shop.example:443", "http://shop.example:443"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(told: str, origin: str) -> None:
    assert plain_origin(told) == origin
    assert plain_origin(origin) == origin


@pytest.mark.parametrize(
    "told",
    [
        "",
        "null",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://shop.example/fr",
        "https://shop.example/?a=b",
        "https://shop.example#top",
        "https://me@shop.example",
        "https://shop.example:70000",
        "http://[::1",
    ],
)
def test_more_less_or_something_else_is_no_origin(told: str) -> None:
    assert plain_origin(told) is None
