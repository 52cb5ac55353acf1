"""Commands that go together, on a real server."""

import threading
from collections import Counter

import pytest
import redis

from processes import wait_until
from recommender.adapters.redis_exchange import GroupedExchange, exchange, look_up, raise_refusal


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url, protocol=2)
    client.rpush("list", "a", "ü", "")
    client.set("text", "7")
    return client


def test_replies_come_in_the_order_of_the_commands(client: redis.Redis) -> None:
    commands = [("GET", "text"), ("LRANGE", "list", "0", "-1"), ("MGET", "text", "no such")]
    assert exchange(client, commands) == [b"7", [b"a", "ü".encode(), b""], [b"7", None]]


def test_a_refused_command_leaves_no_reply_behind(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        exchange(client, [("GET", "list"), ("GET", "text")])
    assert exchange(client, [("LRANGE", "list", "0", "0")]) == [[b"a"]]


@pytest.mark.parametrize("ask", [exchange, look_up])
def test_a_connection_that_the_server_closed_is_opened_again(client: redis.Redis, ask) -> None:
    ask(client, [("GET", "text")])
    client.client_kill_filter(_type="normal", skipme=True)
    assert ask(client, [("GET", "text")]) == [b"7"]


def test_a_group_s_connection_is_opened_again_before_anything_is_sent(client: redis.Redis) -> None:
    grouped = GroupedExchange(lambda: client)
    assert grouped.exchange([("INCR", "text")]) == [8]
    client.client_kill_filter(_type="normal", skipme=True)
    # Were it noticed only by sending, nobody could tell whether this was counted.
    assert grouped.exchange([("INCR", "text")]) == [9]
    assert len(client.client_list()) == 2


def test_a_look_up_that_was_refused_leaves_no_reply_behind(client: redis.Redis) -> None:
    refusal, text = look_up(client, [("GET", "list"), ("GET", "text")])
    assert text == b"7"
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        raise_refusal([text, refusal])
    assert look_up(client, [("LRANGE", "list", "0", "0")]) == [[b"a"]]
    gone = redis.Redis.from_url("unix:///no/such/socket")
    with pytest.raises(redis.ConnectionError):
        look_up(gone, [("GET", "text")])


def test_threads_that_come_and_go_may_look_up_for_ever(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, protocol=2, max_connections=2)
    open_before = len(client.client_list())
    found: list[object] = []
    for _ in range(4):
        thread = threading.Thread(target=lambda: found.append(look_up(client, [("PING",)])))
        thread.start()
        thread.join()
    assert found == [[b"PONG"]] * 4
    # What they opened is closed with them.
    wait_until(lambda: len(client.client_list()) <= open_before)


def test_exchanges_of_threads_get_their_own_replies(client: redis.Redis) -> None:
    grouped = GroupedExchange(lambda: client)
    found: dict[str, list[object]] = {}

    def ask(name: str) -> None:
        for number in range(200):
            replies = grouped.exchange([("SET", name, str(number)), ("GET", name)])
            found.setdefault(name, []).append(replies)

    threads = [threading.Thread(target=ask, args=(f"thread-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    expected = [[b"OK", b"%d" % number] for number in range(200)]
    assert all(replies == expected for replies in found.values())


def test_a_refusal_is_told_to_the_one_it_is_for(client: redis.Redis) -> None:
    grouped = GroupedExchange(lambda: client)
    outcomes: list[str] = []

    def ask(key: str) -> None:
        for _ in range(100):
            try:
                grouped.exchange([("GET", key)])
                outcomes.append(f"{key} read")
            except redis.ResponseError:
                outcomes.append(f"{key} refused")

    threads = [threading.Thread(target=ask, args=(key,)) for key in ("text", "list", "text")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"text read": 200, "list refused": 100}


def test_everybody_is_told_that_the_server_is_lost() -> None:
    gone = GroupedExchange(lambda: redis.Redis.from_url("unix:///no/such/socket"))
    outcomes: list[bool] = []

    def ask() -> None:
        with pytest.raises(redis.ConnectionError):
            gone.exchange([("GET", "text")])
        outcomes.append(True)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 8


def test_a_lost_server_is_an_error_and_no_hang(client: redis.Redis) -> None:
    gone = redis.Redis.from_url("unix:///no/such/socket")
    with pytest.raises(redis.ConnectionError):
        exchange(gone, [("GET", "text")])
