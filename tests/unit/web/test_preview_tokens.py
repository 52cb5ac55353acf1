"""A preview link opens one shop, for two hours, and cannot be made up."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.web.preview_tokens import LIFETIME, is_preview, preview_token
from world import STARTED_AT

SECRET = b"s" * 32


def holds(token: str, shop_id: str = "shop_1", at: dt.datetime = STARTED_AT) -> bool:
    return is_preview(token, shop_id, service_secret=SECRET, now=at)


@pytest.fixture
def token() -> str:
    return preview_token("shop_1", service_secret=SECRET, now=STARTED_AT)


def test_it_holds_for_its_shop_until_it_ends(token: str) -> None:
    second = dt.timedelta(seconds=1)
    assert holds(token)
    assert holds(token, at=STARTED_AT + LIFETIME - second)
    assert not holds(token, at=STARTED_AT + LIFETIME)
    assert not holds(token, shop_id="shop_2")


def test_another_service_cannot_make_it() -> None:
    assert not holds(preview_token("shop_1", service_secret=b"t" * 32, now=STARTED_AT))


def test_it_may_stand_in_an_address(token: str) -> None:
    assert not set(token) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(st.text(max_size=400))
def test_nothing_else_is_one(text: str) -> None:
    assert not holds(text)


@given(st.integers(0, 60), st.sampled_from("abcXYZ019-_."))
def test_a_changed_one_is_none(place: int, letter: str) -> None:
    token = preview_token("shop_1", service_secret=SECRET, now=STARTED_AT)
    place %= len(token) - 1
    changed = token[:place] + letter + token[place + 1 :]
    assert holds(changed) == (changed == token)
