"""Tells the operator once when the proxy in front and the settings do not fit.

In comes every request's environment; nothing is changed. Must not know what is asked.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from recommender.telemetry import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_LOCAL_PATHS = ("/healthz", "/readyz", "/metrics")
_LOOPBACK = ("127.", "::1")


class ProxyCheck:
    """WSGI application that looks at forwarding headers until it had something to say.

    Args:
        behind: Answers everything.
        hops: Proxies whose headers are believed.
    """

    def __init__(self, behind: "WSGIApplication", hops: int) -> None:
        self._behind = behind
        self._hops = hops
        self._has_told = False

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Pass one request on."""
        self.look(environ)
        return self._behind(environ, start_response)

    def look(self, environ: dict[str, Any]) -> None:
        """Look at one request."""
        if self._has_told or environ["PATH_INFO"] in _LOCAL_PATHS:
            return
        is_forwarded = "HTTP_X_FORWARDED_FOR" in environ
        is_local = str(environ.get("REMOTE_ADDR", "")).startswith(_LOOPBACK)
        if self._hops and not is_forwarded and not is_local:
            self._tell(
                "no-proxy-headers",
                "Requests come without X-Forwarded-For although RECOMMENDER_TRUST_PROXY_HOPS is "
                "set: somebody reaches the web server past the proxy, and may claim any address",
            )
        elif is_forwarded and not self._hops:
            self._tell(
                "proxy-not-trusted",
                "Requests come through a proxy, so all shoppers share its address here: set "
                "RECOMMENDER_TRUST_PROXY_HOPS",
            )

    def _tell(self, event: str, advice: str) -> None:
        self._has_told = True
        get_logger().warning(event, advice=advice)
