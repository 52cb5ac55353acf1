"""The load generator against servers that do right and wrong."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

import pytest

from processes import free_port
from recommender.bench.load import Load, drive, run
from recommender.errors import UnavailableError


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the first word of the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wish = self.path.split("/")[1]
        if wish == "hang-up":
            self.close_connection = True
            return
        body = b'{"title":1,"title":2}' if wish != "short" else b'{"title":1}'
        self.send_response(503 if wish == "broken" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        # In two parts, as a network may bring them.
        self.wfile.write(body[:5])
        self.wfile.flush()
        self.wfile.write(body[5:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


def load(port: int, *wishes: str, **options: object) -> Load:
    sent = [f"GET /{wish} HTTP/1.1\r\nHost: x\r\n\r\n" for wish in wishes]
    texts = {'"title":': 2}
    return Load("127.0.0.1", port, sent, expected_texts=texts, **options)  # type: ignore[arg-type]


def test_right_answers_are_counted_and_timed(port: int) -> None:
    outcome = drive(load(port, *["right"] * 25, connections=4))
    assert (outcome.answered, outcome.failures) == (25, {})
    assert len(outcome.latencies_us) == 25
    assert 0 < min(outcome.latencies_us) <= max(outcome.latencies_us) < outcome.seconds * 1e6 + 1
    assert outcome.per_second == 25 / outcome.seconds


def test_every_kind_of_wrong_answer_is_told(port: int) -> None:
    wishes = ["right", "broken", "short", "hang-up", "right"] * 3
    outcome = run(load(port, *wishes, connections=2))
    assert outcome.answered == 6
    assert outcome.failures == {"status-503": 3, "wrong-body": 3, "hung-up": 3}


def test_noted_answers_are_right_ones(port: int) -> None:
    outcome = run(load(port, "right", "broken", "right", noted_text='"title":2', connections=1))
    assert (outcome.answered, outcome.noted) == (2, 2)
    assert run(load(port, "right", noted_text="elsewhere")).noted == 0


def test_requests_start_again_until_the_time_is_over(port: int) -> None:
    outcome = run(load(port, "right", "short", seconds=0.3, connections=2))
    assert outcome.answered > 1
    assert set(outcome.failures) == {"wrong-body"}


def test_a_fixed_rate_is_kept(port: int) -> None:
    outcome = run(load(port, "right", seconds=0.5, per_second=40, connections=2))
    # Due at 0, 25, 50 … 475 ms; a machine that stops for a while leaves some out at the end.
    assert 1 <= outcome.answered <= 20
    assert outcome.failures == {}


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnavailableError) as caught:
        drive(load(free_port(), "right"))
    assert caught.value.code == "load-failed"


def test_a_server_that_goes_away_is_an_error_and_no_hang() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endless = load(server.server_address[1], "hang-up", seconds=30.0, connections=1)
        faults: list[Exception] = []

        def _drive() -> None:
            try:
                drive(endless)
            except UnavailableError as error:
                faults.append(error)

        driver = threading.Thread(target=_drive)
        driver.start()
        with contextlib.suppress(OSError):
            server.shutdown()
            server.server_close()
        driver.join()
    thread.join()
    assert [fault.code for fault in faults] == ["load-failed"]
