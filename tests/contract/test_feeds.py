"""A merchant's feed from request to catalogue: what is taken, what is refused, and why."""

import datetime as dt
import gzip
import io
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from recommender import tables
from recommender.bootstrap import Services
from recommender.catalog.feeds import ABANDONED_AFTER, take_feed
from recommender.cli.jobs import take_feeds
from recommender.errors import InvalidInputError
from recommender.shops.registry import NewShop
from recommender.web.app import create_app
from world import Clock

CSV = b"id,title,link,price,availability\n1,Cup,/cup,3.00 EUR,in stock\n2,Tea,/tea,4,out of stock\n"
RSS = b"""<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>The shop</title>
<link>https://shop.example</link>
<item><g:id>1</g:id><g:title>Cup &amp; saucer</g:title><g:link>https://shop.example/cup</g:link>
<g:price>3.00 EUR</g:price><g:availability>in_stock</g:availability>
<g:shipping><g:price>9.00 EUR</g:price></g:shipping></item>
<item><g:id>2</g:id><title>Tea</title><link>/tea</link><g:price>4.00 EUR</g:price></item>
</channel></rss>"""
CUP_AND_TEA = ["Cup & saucer", "Tea"]
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<title>The shop</title>
<entry><g:id>1</g:id><title>Cup</title><link href="/cup"/><g:price>3.00 EUR</g:price></entry>
</feed>"""
JSON_LINES = b'{"id": 1, "title": "Cup", "link": "/cup", "price": "3.00"}\n'


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


@pytest.fixture
def bearer(new_shop: NewShop) -> dict[str, str]:
    return {"Authorization": f"Bearer {new_shop.secret_key}"}


@pytest.fixture
def report(
    client: FlaskClient, services: Services, bearer: dict[str, str]
) -> Callable[[bytes], dict[str, Any]]:
    """Send a feed, let the scheduler's job read it, and ask what became of it."""

    def send(body: bytes, fetch: Callable[[str, BinaryIO], None] = no_fetch) -> dict[str, Any]:
        answer = client.post("/v1/feeds", data=body, headers=bearer)
        assert answer.status_code == 202, answer.text
        assert client.get(answer.headers["Location"], headers=bearer).json["state"] == "waiting"
        take_feeds(services, fetch)
        told: dict[str, Any] = client.get(answer.headers["Location"], headers=bearer).json
        return told

    return send


def no_fetch(_url: str, _target: BinaryIO) -> None:
    pytest.fail("nothing was to be fetched")


def titles(services: Services) -> list[str]:
    with services.database.connect() as connection:
        query = sa.select(tables.items.c.title).order_by(tables.items.c.item_id)
        return list(connection.scalars(query))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (CSV, ["Cup", "Tea"]),
        (CSV.replace(b",", b"\t"), ["Cup", "Tea"]),
        (RSS, CUP_AND_TEA),
        (RSS.replace(b"?>", b' encoding="UTF-16"?>').decode().encode("utf-16"), CUP_AND_TEA),
        (ATOM, ["Cup"]),
        (JSON_LINES, ["Cup"]),
    ],
    ids=["csv", "tsv", "rss", "rss-utf16", "atom", "json-lines"],
)  # fmt: skip
def test_every_kind_of_feed_becomes_items(
    report: Callable[[bytes], dict[str, Any]],
    services: Services,
    feed: bytes,
    expected: list[str],
    pack: Callable[[bytes], bytes],
) -> None:
    told = report(pack(feed))
    assert told["state"] == "done", told
    assert told["report"]["accepted"] == len(expected)
    assert titles(services) == expected


def test_each_bad_row_has_its_reason(report: Callable[[bytes], dict[str, Any]]) -> None:
    rows = b"".join(b"%d,Cup,javascript:x,3.00,\n" % number for number in range(30))
    told = report(CSV + rows + b"99,,/x,1,\n")["report"]
    assert told["ignored"] == []
    assert told["rows_read"] == 33
    assert told["accepted"] == 2
    assert told["rejected"] == {"bad-url": 30, "missing-title": 1}
    assert len(told["examples"]) == 20
    assert told["examples"][0]["row"] == 3
    assert told["examples"][0]["code"] == "bad-url"


def test_a_broken_line_of_json_costs_no_other(
    report: Callable[[bytes], dict[str, Any]], services: Services
) -> None:
    tea = JSON_LINES.replace(b"1", b"2").replace(b"Cup", b"Tea")
    told = report(JSON_LINES + b'\n{bad\n["list"]\n' + tea)["report"]
    assert titles(services) == ["Cup", "Tea"]
    assert (told["rows_read"], told["accepted"]) == (4, 2)
    assert [(one["row"], one["code"]) for one in told["examples"]] == [
        (2, "malformed-json"),
        (3, "wrong-type"),
    ]
    assert told["examples"][0]["detail"].startswith("line 3, column 2: ")


def test_an_empty_line_is_no_row(report: Callable[[bytes], dict[str, Any]]) -> None:
    told = report(CSV + b"\n\n")["report"]
    assert (told["rows_read"], told["rejected"]) == (2, {})


def test_a_feed_by_address_is_fetched_by_the_job(
    report: Callable[..., dict[str, Any]], services: Services
) -> None:
    asked: list[str] = []

    def fetch(url: str, target: BinaryIO) -> None:
        asked.append(url)
        target.write(gzip.compress(RSS))

    told = report(b'{"url": "https://shop.example/feed.xml.gz"}', fetch)
    assert told["state"] == "done"
    assert asked == ["https://shop.example/feed.xml.gz"]
    assert titles(services) == ["Cup & saucer", "Tea"]


def test_what_cannot_be_fetched_is_told(report: Callable[..., dict[str, Any]]) -> None:
    def fetch(_url: str, _target: BinaryIO) -> None:
        raise InvalidInputError("The feed could not be fetched", code="feed-not-fetched")

    told = report(b'{"url": "https://shop.example/"}', fetch)
    assert told["state"] == "failed"
    assert told["report"]["code"] == "feed-not-fetched"


LAUGHS = b"<!DOCTYPE lolz [<!ENTITY a 'ha'>%s]><rss>&z;</rss>" % b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(25)
)


@pytest.mark.parametrize(
    ("feed", "code"),
    [
        (LAUGHS, "unsafe-xml"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "unsafe-xml"),
        (b'<!DOCTYPE rss SYSTEM "https://evil.example/x.dtd"><rss/>', "unsafe-xml"),
        (b"<!DOCTYPE rss><rss/>", "unsafe-xml"),
        (b"<a>" * 100_000, "unsafe-xml"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "unreadable-file"),
        (b"<rss><item>", "unreadable-file"),
        (b"<rss/>", "no-items"),
        (b"[{}]", "unreadable-file"),
        (b"{]", "no-items"),
        (b"no,items,here\n1,2,3\n", "no-items"),
        (b"a,a\n1,2\n", "unreadable-file"),
        (b"\x1f\x8bbroken", "unreadable-file"),
        (gzip.compress(CSV, mtime=0)[:-9], "unreadable-file"),
        (gzip.compress(gzip.compress(b"0" * 99, mtime=0), mtime=0), None),
        (b"\x00\x01\x02", None),
    ],
)
def test_a_hostile_or_broken_feed_fails_with_its_reason(
    report: Callable[[bytes], dict[str, Any]], services: Services, feed: bytes, code: str | None
) -> None:
    told = report(feed)
    assert told["state"] == "failed"
    assert code is None or told["report"]["code"] == code, told
    assert "/tmp" not in told["report"]["detail"]
    assert titles(services) == []


def test_a_gzip_bomb_is_left_while_it_is_small(report: Callable[[bytes], dict[str, Any]]) -> None:
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as file:
        for _ in range(64):
            file.write(b"0" * (1 << 20))
    assert len(bomb.getvalue()) < 100_000
    told = report(bomb.getvalue())
    assert told["report"]["code"] == "feed-too-large"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "no-items"),
        (b'{"url": "http://shop.example/feed"}', 422, "bad-feed-url"),
        (b'{"url": "file:///etc/passwd"}', 422, "bad-feed-url"),
        (b'{"url": 7}', 422, "bad-feed-url"),
        (b'{"url": "https://shop.example/\\u0000"}', 422, "bad-feed-url"),
        (b"x" * ((16 << 20) + 1), 413, "body-too-large"),
    ],
)
def test_what_can_be_told_at_once_is(
    client: FlaskClient, bearer: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = client.post("/v1/feeds", data=body, headers=bearer)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_feeds_do_not_pile_up(client: FlaskClient, bearer: dict[str, str]) -> None:
    answers = [client.post("/v1/feeds", data=CSV, headers=bearer) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert answers[3].json["code"] == "too-many-feeds"


def test_a_feed_whose_reader_died_is_read_again_but_not_for_ever(
    client: FlaskClient, services: Services, clock: Clock, bearer: dict[str, str]
) -> None:
    class ReaderDiedError(Exception):
        pass

    def die(_url: str, _target: BinaryIO) -> None:
        raise ReaderDiedError

    def take() -> str | None:
        return take_feed(
            database=services.database,
            hot_state=services.state,
            shop_by_id=services.shops.by_id,
            fetch=die,
            now=clock,
        )

    sent = client.post("/v1/feeds", data=b'{"url": "https://shop.example/"}', headers=bearer)
    for _ in range(3):
        with pytest.raises(ReaderDiedError):
            take()
        assert take() is None  # somebody may still be at it
        clock.advance(seconds=ABANDONED_AFTER / dt.timedelta(seconds=1) + 1)
    assert take() is None
    told = client.get(sent.headers["Location"], headers=bearer).json
    assert (told["state"], told["report"]["code"]) == ("failed", "feed-unreadable")
