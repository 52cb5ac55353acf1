"""The operator hears of a proxy that is missing, or not believed, once."""

from typing import Any

import pytest

from recommender.web.proxy_check import ProxyCheck

FORWARDED = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}


def told(capfd: pytest.CaptureFixture[str], hops: int, *requests: dict[str, Any]) -> list[str]:
    check = ProxyCheck(lambda environ, start_response: [], hops)
    for request in requests:
        environ = {"PATH_INFO": "/v1/events", "REMOTE_ADDR": "203.0.113.9", **request}
        assert check(environ, lambda *_: None) == []  # type: ignore[arg-type,return-value]
    said = "".join(capfd.readouterr())
    return [name for name in ("no-proxy-headers", "proxy-not-trusted") if name in said]


def test_a_request_past_the_proxy_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, 1, FORWARDED, {}) == ["no-proxy-headers"]


def test_a_proxy_that_nobody_believes_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, 0, FORWARDED) == ["proxy-not-trusted"]


@pytest.mark.parametrize(
    ("hops", "request_"),
    [
        (1, FORWARDED),
        (0, {}),
        (1, {"REMOTE_ADDR": "127.0.0.1"}),
        (1, {"PATH_INFO": "/healthz"}),
        (0, FORWARDED | {"PATH_INFO": "/readyz"}),
    ],
)
def test_what_fits_is_not_mentioned(
    capfd: pytest.CaptureFixture[str], hops: int, request_: dict[str, Any]
) -> None:
    assert told(capfd, hops, request_) == []


def test_it_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    check = ProxyCheck(lambda environ, start_response: [], 1)
    environ = {"PATH_INFO": "/", "REMOTE_ADDR": "203.0.113.9"}
    for _ in range(3):
        check(environ, lambda *_: None)  # type: ignore[arg-type,return-value]
    assert "".join(capfd.readouterr()).count("no-proxy-headers") == 1
