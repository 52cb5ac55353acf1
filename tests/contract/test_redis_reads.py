"""Reads that go together, on a real server."""

import pytest
import redis

from recommender.adapters.redis_reads import read_together


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url, protocol=2)
    client.rpush("list", "a", "ü", "")
    client.set("text", "7")
    return client


def test_replies_come_in_the_order_of_the_commands(client: redis.Redis) -> None:
    commands = [("GET", "text"), ("LRANGE", "list", "0", "-1"), ("MGET", "text", "no such")]
    assert read_together(client, commands) == [b"7", [b"a", "ü".encode(), b""], [b"7", None]]


def test_a_refused_command_leaves_no_reply_behind(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        read_together(client, [("GET", "list"), ("GET", "text")])
    assert read_together(client, [("LRANGE", "list", "0", "0")]) == [[b"a"]]


def test_a_connection_that_the_server_closed_is_opened_again(client: redis.Redis) -> None:
    read_together(client, [("GET", "text")])
    client.client_kill_filter(_type="normal", skipme=True)
    assert read_together(client, [("GET", "text")]) == [b"7"]


def test_a_lost_server_is_an_error_and_no_hang(client: redis.Redis) -> None:
    gone = redis.Redis.from_url("unix:///no/such/socket")
    with pytest.raises(redis.ConnectionError):
        read_together(gone, [("GET", "text")])
