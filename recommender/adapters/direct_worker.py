"""gunicorn's threaded worker, with a short way for the addresses that every page asks.

Its loop reads whole plain requests for these itself and puts them into *lanes*: one thread for
each address, which answers all that wait together. So a request wakes no thread of a pool, and
events that come side by side are stored by one write. Everything else, and whatever is not plain,
goes gunicorn's own way, with the bytes that were read. Must not know what is asked.

Connections are touched by the loop alone; lanes see requests and give answers back to it.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from gunicorn.workers import gthread

from recommender.adapters.direct_http import Address, Answered, read_request, response_bytes
from recommender.telemetry import get_logger

EXTENSION = "direct"
"""Name under which a Flask application offers its lanes: address → `AnswerEach`."""
MOST_TOGETHER = 16
"""What comes behind the sixteenth waits for the next turn, so that the first do not wait long."""
READ_BYTES = 64 * 1024

_FAULT: Answered = ("500 Internal Server Error", (("Content-Length", "0"),), b"")

AnswerEach = Callable[[Sequence[dict[str, Any]]], Sequence[Answered]]
"""Answers requests, told as WSGI does, in their order; raises never."""


class Lane:
    """Answers the requests for one address, as many together as wait.

    Args:
        answer_each: Makes the answers.
        deliver: Takes connections and what to send on them; called from the lane's thread.
    """

    def __init__(
        self, answer_each: AnswerEach, deliver: Callable[[list[tuple[Any, bytes]]], None]
    ) -> None:
        self._answer_each = answer_each
        self._deliver = deliver
        self._waiting: SimpleQueue[tuple[Any, dict[str, Any]]] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def put(self, connection: Any, environ: dict[str, Any]) -> None:
        """Have a request answered."""
        self._waiting.put((connection, environ))

    def _run(self) -> None:
        while True:
            taken = self._take()
            try:
                answers = self._answer_each([environ for _, environ in taken])
            except Exception:
                # Were this thread to end, nobody would answer any more.
                get_logger().exception("lane-failed")
                answers = [_FAULT] * len(taken)
            now = int(time.time())
            self._deliver(
                [
                    (connection, response_bytes(answer, unix_seconds=now))
                    for (connection, _), answer in zip(taken, answers, strict=True)
                ]
            )

    def _take(self) -> list[tuple[Any, dict[str, Any]]]:
        taken = [self._waiting.get()]
        while len(taken) < MOST_TOGETHER:
            try:
                taken.append(self._waiting.get_nowait())
            except Empty:
                break
        return taken


class DirectWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """See the module; an application without lanes is served as by gunicorn's own worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lanes: dict[Address, Lane] = {}
        self._asked: set[Any] = set()
        self._ahead: set[Any] = set()
        # gunicorn looks a setting up at a microsecond each time.
        self._keepalive_seconds = self.cfg.keepalive
        self._max_line_bytes = self.cfg.limit_request_line

    def load_wsgi(self) -> None:
        """Load the application, and open its lanes."""
        super().load_wsgi()
        if _reads_as_it_stands(self.cfg):
            deliver = partial(self.method_queue.defer, self._deliver)
            offered: dict[Address, AnswerEach] = getattr(self.wsgi, "extensions", {}).get(
                EXTENSION, {}
            )
            self._lanes = {address: Lane(each, deliver) for address, each in offered.items()}

    def enqueue_req(self, conn: Any) -> None:
        """Have the loop wait for a new connection's first request, and a thread do the others."""
        if not self._lanes or conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + gthread.DEFAULT_WORKER_DATA_TIMEOUT
        self.pending_conns.append(conn)
        ready = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, ready)

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Take a connection's first request into a lane, or have a thread do it."""
        if not self._takes(conn, client):
            super().on_pending_socket_readable(conn, client)
            return
        self.pending_conns.remove(conn)
        self.poller.modify(client, selectors.EVENT_READ, self._when_readable(conn))

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Take a connection's next request into a lane, or have a thread do it."""
        if conn in self._asked:
            # Ahead of the answer before: until then it waits in the system's buffer.
            self.poller.unregister(client)
            self._ahead.add(conn)
        elif self._takes(conn, client):
            self.keepalived_conns.remove(conn)
        else:
            super().on_client_socket_readable(conn, client)

    def _when_readable(self, conn: Any) -> Callable[[socket.socket], None]:
        return partial(self.on_client_socket_readable, conn)

    def _takes(self, conn: Any, client: socket.socket) -> bool:
        """Read what came; tell whether a lane took it, else leave it to a thread."""
        if not (self._lanes and self.alive) or len(self.keepalived_conns) >= self.max_keepalived:
            return False
        try:
            data = client.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            return False
        environ = read_request(
            data, self._lanes, client=conn.client, max_line_bytes=self._max_line_bytes
        )
        if environ is None:
            conn.init()
            conn.parser.unreader.unread(data)
            return False
        self._asked.add(conn)
        self._lanes[environ["REQUEST_METHOD"], environ["PATH_INFO"]].put(conn, environ)
        return True

    def _deliver(self, answers: list[tuple[Any, bytes]]) -> None:
        for conn, data in answers:
            self._asked.discard(conn)
            try:
                sent = conn.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._drop(conn)
                continue
            if sent < len(data):
                self._send_rest(conn, data[sent:])
            else:
                self._keep(conn)

    def _keep(self, conn: Any) -> None:
        linger_seconds = self._keepalive_seconds
        if not self.alive:
            linger_seconds = min(linger_seconds, gthread.STOP_KEEPALIVE_LINGER)
        conn.timeout = time.monotonic() + linger_seconds
        self.keepalived_conns.append(conn)
        if conn in self._ahead:
            self._ahead.discard(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, self._when_readable(conn))

    def _send_rest(self, conn: Any, rest: bytes) -> None:
        """Have a thread send to a client that is slow to read."""
        self._leave_loop(conn)
        done = self.tpool.submit(_send_all, conn, rest)
        done.add_done_callback(
            lambda sent: self.method_queue.defer(self.finish_request, conn, sent)
        )

    def _drop(self, conn: Any) -> None:
        self._leave_loop(conn)
        self.nr_conns -= 1
        conn.close()

    def _leave_loop(self, conn: Any) -> None:
        if conn in self._ahead:
            self._ahead.discard(conn)
        else:
            self.poller.unregister(conn.sock)


def _send_all(conn: Any, rest: bytes) -> bool:
    conn.init()
    conn.sock.setblocking(True)
    conn.sock.sendall(rest)
    return True


def _reads_as_it_stands(cfg: Any) -> bool:
    """Tell whether a socket's bytes are HTTP/1 requests, and nobody wants a line of each."""
    return not (
        cfg.is_ssl or cfg.accesslog or cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off"
    )
