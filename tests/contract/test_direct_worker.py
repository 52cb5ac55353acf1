"""gunicorn with lanes, over real sockets: which way a request goes, and that no answer is lost."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from processes import free_port, wait_until

PLAIN = "GET /lane?{query} HTTP/1.1\r\nHost: shop\r\n\r\n"
SECONDS = 60


@dataclass
class Server:
    """A worker of `direct_app`."""

    port: int
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = orjson.loads(connection.getresponse().read())
        connection.close()
        return dict(answer)

    def is_up(self) -> bool:
        try:
            return self.ask("/other")["by"] == "framework"
        except OSError:
            return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--threads", "2"]
    argv += ["--worker-class", "recommender.adapters.direct_worker.DirectWorker"]
    argv += ["--bind", f"127.0.0.1:{port}", "direct_app:app"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, env=environ, stdout=log, stderr=log)
    server = Server(port, process)
    try:
        wait_until(lambda: process.poll() is not None or server.is_up())
        yield server
    finally:
        process.kill()
        process.wait()


def answer_from(connection: socket.socket) -> dict[str, Any]:
    """Return the next answer's JSON; leaves what stands behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, "hung up"
        head += byte
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = bytearray()
    while len(body) < length:
        more = connection.recv(min(length - len(body), 65_536))
        assert more, "hung up"
        body += more
    return dict(orjson.loads(body))


def test_plain_requests_of_a_connection_are_answered_by_the_lane(server: Server) -> None:
    with server.connect() as connection:
        for number in range(3):
            connection.sendall(PLAIN.format(query=f"name={number}").encode())
            answer = answer_from(connection)
            assert (answer["by"], answer["name"]) == ("lane", str(number))
            connection.sendall(b"GET /other HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert answer_from(connection)["by"] == "framework"
    # Head and body in one packet, as browsers and proxies send them.
    head = b"POST /lane HTTP/1.1\r\nHost: shop\r\nContent-Length: 3000\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head + b"x" * 3_000)
        assert answer_from(connection)["by"] == "lane"


def test_the_rest_goes_gunicorn_s_own_way_with_all_its_bytes(server: Server) -> None:
    assert server.ask("/lane", b"x" * 200_000) == {
        "by": "framework",
        "together": 1,
        "body": 200_000,
        "name": "",
    }
    assert server.ask("/lane", Expect="100-continue")["by"] == "framework"
    with server.connect() as connection:
        head = b"POST /lane HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"5\r\nhello\r\n0\r\n\r\n")
        assert answer_from(connection) == {
            "by": "framework",
            "together": 1,
            "body": 5,
            "name": "",
        }
    with server.connect() as connection:
        connection.sendall(b"GET /lane HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        assert answer_from(connection)["by"] == "framework"
        assert connection.recv(1) == b"", "closed, as was asked"


@pytest.mark.parametrize("at", [3, 30, 60])
def test_a_request_in_two_pieces_is_one_request(server: Server, at: int) -> None:
    request = b"POST /lane HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello"
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:at])
        # Another one's whole request in between: the first piece was surely read.
        assert server.ask("/lane")["by"] == "lane"
        connection.sendall(request[at:])
        assert answer_from(connection)["body"] == 5


def test_answers_keep_the_order_of_requests_sent_ahead(server: Server, tmp_path: Path) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    with server.connect() as connection:
        connection.sendall(PLAIN.format(query=f"name=1&until={go}&begun={begun}").encode())
        wait_until(begun.exists)
        connection.sendall(PLAIN.format(query="name=2").encode())
        connection.sendall(b"GET /other?name=3 HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert server.ask("/other")["by"] == "framework", "a busy lane holds nobody else up"
        go.touch()
        assert [answer_from(connection)["name"] for _ in range(3)] == ["1", "2", "3"]


def test_two_requests_in_one_packet_are_both_answered(server: Server) -> None:
    both = PLAIN.format(query="name=1") + PLAIN.format(query="name=2")
    with server.connect() as connection:
        connection.sendall(both.encode())
        assert [answer_from(connection)["name"] for _ in range(2)] == ["1", "2"]


def test_requests_that_wait_are_answered_together(server: Server, tmp_path: Path) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    with server.connect() as first, contextlib.ExitStack() as stack:
        first.sendall(PLAIN.format(query=f"until={go}&begun={begun}").encode())
        wait_until(begun.exists)
        waiting = []
        for number in range(8):
            connection = stack.enter_context(server.connect())
            connection.sendall(PLAIN.format(query=f"name={number}").encode())
            waiting.append(connection)
        # The loop has read them before it reads a request that came later.
        assert server.ask("/other")["by"] == "framework"
        go.touch()
        answers = [answer_from(connection) for connection in waiting]
        assert answer_from(first)["together"] == 1
    assert [answer["name"] for answer in answers] == [str(number) for number in range(8)]
    assert {answer["together"] for answer in answers} == {8}


def test_a_client_that_reads_slowly_gets_all_of_it(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(PLAIN.format(query="more=20000000").encode())
        assert server.ask("/lane")["by"] == "lane", "it holds nobody else up"
        assert answer_from(connection)["by"] == "lane"
        connection.sendall(PLAIN.format(query="name=next").encode())
        assert answer_from(connection)["name"] == "next"


def test_a_client_that_leaves_harms_nobody(server: Server, tmp_path: Path) -> None:
    go = tmp_path / "go"
    gone = server.connect()
    gone.sendall(PLAIN.format(query=f"until={go}&more=20000000").encode())
    assert server.ask("/other")["by"] == "framework"
    # So that it is told at once, and not by the next read.
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    go.touch()
    assert server.ask("/lane")["by"] == "lane"


def test_a_fault_in_a_lane_is_an_error_and_the_next_is_answered(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(PLAIN.format(query="fault=1").encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 500 ")
        connection.sendall(PLAIN.format(query="name=next").encode())
        assert answer_from(connection)["name"] == "next"


def test_a_server_that_stops_answers_what_it_took(server: Server, tmp_path: Path) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    with server.connect() as connection, server.connect() as watching:
        connection.sendall(PLAIN.format(query=f"name=last&until={go}&begun={begun}").encode())
        wait_until(begun.exists)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: tells_to_close(watching))
        go.touch()
        assert answer_from(connection)["name"] == "last"
        connection.sendall(PLAIN.format(query="").encode())
        assert answer_from(connection)["by"] == "framework", "told to close, as gunicorn does"
        assert connection.recv(1) == b""
    assert server.process.wait(SECONDS) == 0


def tells_to_close(connection: socket.socket) -> bool:
    connection.sendall(b"GET /other HTTP/1.1\r\nHost: shop\r\n\r\n")
    return b"Connection: close" in connection.recv(1_000)
