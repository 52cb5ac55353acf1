"""Load over keep-alive connections, from a process of its own; every answer is checked.

In comes a `Load`; out goes an `Outcome`. `drive` starts this module as a child, so that measuring
costs the measured process nothing but its share of the machine. Must not know what is asked for.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import orjson

from recommender.errors import UnavailableError

ANSWER_SECONDS = 10.0
"""How long an answer may take before it counts as lost."""

_RAMP_SECONDS = 0.003
"""Between two connections' opening: of several opened at once, one worker takes nearly all."""
_ANSWERS_EACH = 100
"""After so many answers a connection is opened anew, so that workers share them evenly."""
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Load:
    """What one round sends.

    Attributes:
        requests: Whole HTTP requests, sent in turn; from the start again when they run out.
        expected_status: Status of a right answer.
        expected_texts: Text → how often it stands in a right answer's body.
        noted_text: Right answers with this text in them are counted.
        connections: Kept open side by side.
        seconds: How long requests are sent; 0 means until each was sent once.
        per_second: Requests begun a second, however slow the answers are; 0 means that each
            connection sends as soon as it has its answer.
    """

    host: str
    port: int
    requests: Sequence[str]
    expected_status: int = 200
    expected_texts: dict[str, int] = field(default_factory=dict)
    noted_text: str = ""
    connections: int = 32
    seconds: float = 0.0
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.

    Attributes:
        answered: Right answers.
        noted: Those among them with the load's `noted_text`.
        failures: What was wrong → how often.
        seconds: From the first request to the last answer.
        latencies_us: Of right answers, microseconds; at a fixed rate counted from the moment when
            the request was due, so that a stall is seen by all who would have met it.
    """

    answered: int
    noted: int
    failures: dict[str, int]
    seconds: float
    latencies_us: list[int]

    @property
    def per_second(self) -> float:
        """Return the right answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies, 0 without any."""
        return percentile_ms(self.latencies_us, percent)


def percentile_ms(latencies_us: Sequence[int], percent: float) -> float:
    """Return a percentile of latencies in milliseconds, 0 without any."""
    return float(np.percentile(latencies_us, percent)) / 1000 if len(latencies_us) else 0.0


def drive(load: Load) -> Outcome:
    """Run a load in a process of its own.

    Raises:
        UnavailableError: The server takes no connections, or the process failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=orjson.dumps(asdict(load)),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise UnavailableError(f"The load could not be sent: {last}", code="load-failed")
    return Outcome(**orjson.loads(done.stdout))


def run(load: Load) -> Outcome:
    """Run a load in this process."""
    return _Run(load).outcome()


class _Connection:
    """One keep-alive connection with at most one request on its way."""

    __slots__ = ("_address", "answers", "due_at", "is_waiting", "left", "received", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.answers = 0
        self.due_at = 0.0
        self.is_waiting = False
        self.left = -1
        self.received = bytearray()
        self.socket = self._open()

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self._address, timeout=ANSWER_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def reopen(self) -> None:
        self.answers = 0
        self.socket.close()
        self.socket = self._open()

    def send(self, request: bytes, due_at: float) -> None:
        self.due_at = due_at
        self.is_waiting = True
        self.left = -1
        self.received.clear()
        self.socket.sendall(request)

    def read(self) -> bool:
        """Take what came; tell whether the answer is whole.

        Raises:
            ConnectionError: The server hung up.
        """
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError
        self.received += data
        if self.left < 0:
            head_end = self.received.find(_HEAD_END)
            if head_end < 0:
                return False
            self.left = head_end + len(_HEAD_END) + _body_length(self.received[:head_end])
        return len(self.received) >= self.left


def _body_length(head: bytearray) -> int:
    _, found, rest = bytes(head).lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0]) if found else 0


class _Run:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._requests = [request.encode("latin-1") for request in load.requests]
        self._status = f" {load.expected_status} ".encode()
        self._texts = [(text.encode(), times) for text, times in load.expected_texts.items()]
        self._noted_text = load.noted_text.encode()
        self._noted = 0
        self._failures: Counter[str] = Counter()
        self._latencies_us: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._sent = 0
        self._busy = 0
        self._to_open = min(load.connections, len(self._requests))
        self._opens_at = 0.0
        self._free: deque[_Connection] = deque()

    def _open_due(self) -> None:
        now = time.perf_counter()
        if self._to_open and now >= self._opens_at:
            self._to_open -= 1
            self._opens_at = now + _RAMP_SECONDS
            connection = self._register(_Connection((self._load.host, self._load.port)))
            # So that later they are not opened anew all at once either.
            connection.answers = self._to_open * _ANSWERS_EACH // self._load.connections
            self._free.append(connection)

    def _register(self, connection: _Connection) -> _Connection:
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def outcome(self) -> Outcome:
        started = time.perf_counter()
        last_answer = started
        while self._send_due(started) or self._busy:
            events = self._selector.select(self._pause(started))
            for key, _ in events:
                self._receive(key.data)
            now = time.perf_counter()
            if events:
                last_answer = now
            elif self._busy and now - last_answer > ANSWER_SECONDS:
                self._failures["no-answer"] += self._busy
                break
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        return Outcome(
            answered=len(self._latencies_us),
            noted=self._noted,
            failures=dict(self._failures),
            seconds=last_answer - started,
            latencies_us=self._latencies_us,
        )

    def _send_due(self, started: float) -> bool:
        """Send what is due; tell whether more will be."""
        self._open_due()
        while not self._is_over(time.perf_counter() - started):
            now = time.perf_counter()
            due_at = self._due_at(started, now)
            if not self._free or due_at > now:
                return True
            self._send(self._free.popleft(), due_at)
        return False

    def _is_over(self, elapsed_seconds: float) -> bool:
        if self._load.seconds:
            return elapsed_seconds >= self._load.seconds
        return self._sent >= len(self._requests)

    def _due_at(self, started: float, now: float) -> float:
        rate = self._load.per_second
        return started + self._sent / rate if rate else now

    def _pause(self, started: float) -> float:
        if self._to_open:
            return _RAMP_SECONDS
        if self._load.per_second and self._free:
            due_at = self._due_at(started, 0.0)
            return max(0.0, min(due_at - time.perf_counter(), ANSWER_SECONDS))
        return ANSWER_SECONDS

    def _send(self, connection: _Connection, due_at: float) -> None:
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        self._busy += 1
        try:
            connection.send(request, due_at)
        except OSError:
            self._fail(connection, "not-sent")

    def _receive(self, connection: _Connection) -> None:
        try:
            whole = connection.read()
        except OSError:
            if connection.is_waiting:
                self._fail(connection, "hung-up")
            else:
                # The server may close a connection that was idle for long.
                self._reopen(connection)
            return
        if whole and connection.is_waiting:
            self._judge(connection)
            self._release(connection)

    def _judge(self, connection: _Connection) -> None:
        elapsed = time.perf_counter() - connection.due_at
        received = connection.received
        line_end = received.find(b"\r\n")
        if self._status not in received[:line_end]:
            self._failures[f"status-{received[9:12].decode('latin-1')}"] += 1
        elif any(received.count(text) != times for text, times in self._texts):
            self._failures["wrong-body"] += 1
        else:
            self._latencies_us.append(round(elapsed * 1_000_000))
            self._noted += bool(self._noted_text) and self._noted_text in received

    def _fail(self, connection: _Connection, reason: str) -> None:
        self._failures[reason] += 1
        self._reopen(connection)
        self._release(connection)

    def _release(self, connection: _Connection) -> None:
        connection.answers += 1
        if connection.answers >= _ANSWERS_EACH:
            self._reopen(connection)
        connection.is_waiting = False
        self._busy -= 1
        self._free.append(connection)

    def _reopen(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.reopen()
        self._register(connection)


def _main() -> None:
    load = Load(**orjson.loads(sys.stdin.buffer.read()))
    try:
        outcome = run(load)
    except OSError as error:
        sys.exit(f"{load.host} port {load.port}: {os.strerror(error.errno or 0)}")
    sys.stdout.buffer.write(orjson.dumps(asdict(outcome)))


if __name__ == "__main__":
    _main()
