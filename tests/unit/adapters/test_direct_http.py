"""What is read directly is what gunicorn would have read."""

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.wsgi import create
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.adapters.direct_http import read_request, response_bytes

ADDRESSES = {("GET", "/v1/slates"), ("POST", "/v1/events")}
CLIENT = ("192.0.2.7", 4711)
BROWSER = (
    b"GET /v1/slates?key=pk_1&item=%C3%A9 HTTP/1.1\r\nHost: shop.example\r\n"
    b"Origin: https://shop.example\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nReferer: https://shop.example/\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
BATCH = b"POST /v1/events?key=pk_1 HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\n\r\n{}"

NAMES = st.sampled_from(
    [
        *(b"Host", b"Origin", b"User-Agent", b"Sec-Purpose", b"Purpose", b"X-Forwarded-For"),
        *(b"Content-Length", b"content-length", b"Content-Encoding", b"Transfer-Encoding"),
        *(b"Connection", b"Expect", b"Upgrade", b"X_Forwarded_For", b"Sec_Purpose", b"TE"),
        *(b"Content-Type", b" Host", b"Hos t", b"", b"Trailer"),
    ]
)
VALUES = st.sampled_from(
    [
        *(b"", b"0", b"2", b"5", b"+5", b"5, 5", b"chunked", b"close", b"Keep-Alive", b"gzip"),
        *(b"100-continue", b"h2c", b" padded\t", b"\xc3\xa9", b"a\x00b", b"identity", b"v1, v2"),
    ]
)
LINES = st.tuples(NAMES, VALUES).map(lambda pair: pair[0] + b": " + pair[1])
TARGETS = st.sampled_from(
    [
        *(b"/v1/slates", b"/v1/slates?a=1&b=%20", b"/v1/events", b"/v1/events?key=pk"),
        *(b"/v1/slates?a#b", b"/v1/%73lates", b"//v1/slates", b"http://s/v1/slates", b"*"),
        *(b"/v1/slates?\xc3\xa9", b"/v1/slates??", b"/v1/slates?a=b?c", b"/other"),
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"GET", b"POST", b"get", b"HEAD", b"OPTIONS"]))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0"]))
    lines = [method + b" " + draw(TARGETS) + b" " + version, *draw(st.lists(LINES, max_size=5))]
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
    body = draw(st.sampled_from([b"", b"{}", b"hello", b"5\r\nhello\r\n0\r\n\r\n"]))
    return end.join(lines) + end + end + body


def read(data: bytes) -> dict[str, object] | None:
    return read_request(data, ADDRESSES, client=CLIENT, max_line_bytes=4_094)


@given(requests())
@example(BROWSER)
@example(BATCH)
@example(BATCH + BROWSER)
def test_what_is_read_is_what_gunicorn_reads(data: bytes) -> None:
    ours = read(data)
    if ours is None:
        return
    cfg = Config()
    parser = get_parser(cfg, iter([data]), CLIENT)
    request = next(parser)
    _, theirs = create(request, None, CLIENT, ("127.0.0.1", 80), cfg)
    body = theirs.pop("wsgi.input").read()
    assert not request.should_close(), "the connection stays open"
    assert ours.pop("wsgi.input").read() == body
    assert data.endswith(b"\r\n\r\n" + body), "nothing stands behind it"
    assert ours.items() <= theirs.items()
    # Of what our endpoints look at, nothing was left out.
    looked_at = {"HTTP_ORIGIN", "HTTP_USER_AGENT", "HTTP_PURPOSE", "HTTP_SEC_PURPOSE"}
    looked_at |= {"HTTP_X_FORWARDED_FOR", "HTTP_CONTENT_ENCODING", "CONTENT_LENGTH"}
    assert looked_at & theirs.keys() <= ours.keys()


@pytest.mark.parametrize("data", [BROWSER, BATCH])
def test_what_browsers_send_is_read(data: bytes) -> None:
    assert read(data) is not None
    for missing in (1, 10, 60):
        assert read(data[:-missing]) is None, "not whole"
    assert read(data + b"G") is None, "more than one"


def test_a_line_too_long_is_left_to_gunicorn() -> None:
    assert read(BROWSER.replace(b"pk_1", b"x" * 3_000)) is not None
    assert read(BROWSER.replace(b"pk_1", b"x" * 5_000)) is None


def test_an_answer_is_one_that_clients_understand() -> None:
    answer = "202 Accepted", [("Content-Length", "2"), ("Vary", "Origin")], b"{}"
    assert response_bytes(answer, unix_seconds=1_700_000_000) == (
        b"HTTP/1.1 202 Accepted\r\nServer: gunicorn\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Connection: keep-alive\r\nContent-Length: 2\r\nVary: Origin\r\n\r\n{}"
    )
