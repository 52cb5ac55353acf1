"""Fetching a shop's feed over real TLS: nobody leads the service into its own network."""

import datetime as dt
import http.server
import io
import ipaddress
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recommender.adapters.guarded_fetch import Address, GuardedFetch, is_public
from recommender.errors import InvalidInputError

FEED = b"id,title,link,price\n1,Cup,/cup,3.00\n"
LOOPBACK = ipaddress.ip_address("127.0.0.1")


@dataclass
class FeedServer:
    """An https server on loopback that answers by path, and remembers what was asked."""

    port: int = 0
    answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = field(
        default_factory=dict
    )
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            key,
            "-out",
            cert,
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[FeedServer]:
    known = FeedServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            known.answers[self.path](self)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # clients go away on purpose

    web = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    known.port = web.server_port
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield known
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[1]))


@pytest.fixture
def fetch(trust: ssl.SSLContext, server: FeedServer) -> GuardedFetch:
    """As in service, but that this one server counts as public."""

    def allows(address: Address, port: int) -> bool:
        return (address == LOOPBACK and port == server.port) or is_public(address, port)

    return GuardedFetch(allows=allows, tls=trust, timeout_seconds=20, max_bytes=1 << 20)


def send(body: bytes) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def lead_to(location: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.end_headers()

    return answer


def refusal(fetch: GuardedFetch, url: str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        fetch(url, io.BytesIO())
    return caught.value.code


def test_a_feed_is_fetched_over_redirects_within_the_public(
    fetch: GuardedFetch, server: FeedServer
) -> None:
    server.answers = {"/old": lead_to("/new?a=1"), "/new?a=1": send(FEED)}
    target = io.BytesIO()
    fetch(server.url("/old"), target)
    assert target.getvalue() == FEED
    assert server.asked == ["/old", "/new?a=1"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.0.192", "192.88.99.1",
        "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1", "fc00::1",
        "fec0::1", "ff02::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::7f00:1", "2001:db8::1",
    ],
)  # fmt: skip
def test_no_address_of_our_own_network_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address), 443)


def test_public_addresses_are_reached_on_the_port_of_https_only() -> None:
    for address in ("8.8.8.8", "2606:4700:4700::1111"):
        assert is_public(ipaddress.ip_address(address), 443)
        assert not is_public(ipaddress.ip_address(address), 22)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost.", "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "0"],
)
def test_loopback_is_refused_however_it_is_spelled(host: str, server: FeedServer) -> None:
    # The plain fetch, as in service; the server is there, so only the check keeps it out.
    for port in (f":{server.port}", ""):
        code = refusal(GuardedFetch(timeout_seconds=5), f"https://{host}{port}/")
        # Not every resolver knows the name with the dot.
        assert code == "bad-feed-url" or (host == "localhost." and code == "feed-not-fetched")
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/", "file:///etc/passwd", "gopher://x/", "ftp://x/", "//localhost/", "",
        "https://", "https://user:word@localhost/", "https://user@localhost/", "https://a b/",
        "https://localhost:99999/", "https://localhost:0/", "https://[::1/", "https://ä.example/",
        "https://localhost/\r\nX: y", "HTTPS:localhost",
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_tried(fetch: GuardedFetch, url: str) -> None:
    assert refusal(fetch, url) == "bad-feed-url"


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data/", "https://127.0.0.1/", "https://[::1]/",
        "http://localhost/", "https://10.0.0.1/", "//127.0.0.1/", "file:///etc/passwd",
        "https://user:word@localhost/",
    ],
)  # fmt: skip
def test_a_redirect_is_checked_like_the_first_address(
    fetch: GuardedFetch, server: FeedServer, location: str
) -> None:
    server.answers = {"/": lead_to(location)}
    assert refusal(fetch, server.url("/")) == "bad-feed-url"


def test_redirects_end(fetch: GuardedFetch, server: FeedServer) -> None:
    server.answers = {"/": lead_to("/")}
    assert refusal(fetch, server.url("/")) == "feed-not-fetched"
    assert len(server.asked) == 4


def test_the_connection_goes_to_the_address_that_was_checked(
    fetch: GuardedFetch, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose answer changes between check and use gains nothing: it is asked once."""
    resolve, asked = socket.getaddrinfo, []

    def rebinding(host: str, *arguments: object, **named: object) -> object:
        asked.append(host)
        if host == "localhost" and asked.count("localhost") > 1:
            pytest.fail("the name was resolved again")
        wanted = "127.0.0.1" if host == "localhost" else host
        return resolve(wanted, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    server.answers = {"/": send(FEED)}
    fetch(server.url("/"), io.BytesIO())
    assert asked[0] == "localhost"
    assert set(asked[1:]) <= {"127.0.0.1"}


def test_one_private_address_among_public_ones_spoils_the_name(
    fetch: GuardedFetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert refusal(fetch, "https://shop.example/") == "bad-feed-url"


def test_a_certificate_of_another_name_is_not_believed(
    server: FeedServer, fetch: GuardedFetch
) -> None:
    server.answers = {"/": send(FEED)}
    assert refusal(fetch, f"https://127.0.0.1:{server.port}/") == "feed-not-fetched"
    assert server.asked == []


def test_a_feed_that_is_too_large_is_not_taken(fetch: GuardedFetch, server: FeedServer) -> None:
    server.answers = {"/": send(b"x" * (1 << 20) + b"y")}
    assert refusal(fetch, server.url("/")) == "feed-too-large"


def test_a_status_is_told_but_never_the_body(fetch: GuardedFetch, server: FeedServer) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_error(500, "inner secret", "inner secret")

    server.answers = {"/": answer}
    with pytest.raises(InvalidInputError) as caught:
        fetch(server.url("/"), io.BytesIO())
    assert "500" in str(caught.value)
    assert "inner secret" not in str(caught.value)


def test_an_answer_that_ends_too_early_is_no_feed(fetch: GuardedFetch, server: FeedServer) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(FEED)

    server.answers = {"/": answer}
    assert refusal(fetch, server.url("/")) == "feed-not-fetched"


def test_a_server_that_drips_is_left(server: FeedServer, trust: ssl.SSLContext) -> None:
    """Bytes keep coming, so no single read ever times out: only the whole has an end."""
    over = threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        began = dt.datetime.now(dt.UTC)
        while not over.wait(0.05) and dt.datetime.now(dt.UTC) - began < dt.timedelta(minutes=1):
            request.wfile.write(b"x")

    server.answers = {"/": answer}
    patient = GuardedFetch(
        allows=lambda address, _: address == LOOPBACK, tls=trust, timeout_seconds=1
    )
    assert refusal(patient, server.url("/")) == "feed-not-fetched"
    over.set()
