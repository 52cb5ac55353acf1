"""Orders on their way from the storefront to the service (verb): on disk until it has them.

This is what a shop's own server would do: sign each order by the Standard Webhooks scheme, send
it, and send it again with the same id until the answer is clear.
"""

import datetime as dt
import http.client
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from recommender.demo.notes import StorefrontConfig, write_private
from recommender.telemetry import get_logger

RETRY_SECONDS = 5.0
_TIMEOUT_SECONDS = 5.0
# These ask for patience; every other refusal stays one however often it is repeated.
_TRY_AGAIN = {408, 425, 429}


class Outbox:
    """A folder of orders that the service has not acknowledged yet."""

    def __init__(self, config: StorefrontConfig, *, now: Callable[[], dt.datetime]) -> None:
        self._config = config
        self._folder = Path(config.outbox)
        self._now = now
        self._wake = threading.Event()

    def put(self, order: Mapping[str, object]) -> None:
        """Store an order durably; it is sent soon."""
        write_private(self._folder / f"{uuid.uuid4().hex}.json", json.dumps(order))
        self._wake.set()

    def start(self) -> None:
        """Send from now on, in a thread that ends with the process."""
        threading.Thread(target=self._run, daemon=True).start()

    def send_all(self) -> int:
        """Send what is waiting; return how many orders still wait."""
        return sum(not self._send(path) for path in sorted(self._folder.glob("*.json")))

    def _run(self) -> None:
        waiting = self.send_all()
        while True:
            self._wake.wait(RETRY_SECONDS if waiting else None)
            self._wake.clear()
            waiting = self.send_all()

    def _send(self, path: Path) -> bool:
        """Send one order; return whether its fate is clear."""
        try:
            status = self._post(path.stem, path.read_text())
        except (OSError, http.client.HTTPException) as error:
            get_logger().warning("order-not-sent", reason=str(error))
            return False
        if 200 <= status < 300:
            path.unlink(missing_ok=True)
        elif status in _TRY_AGAIN or status >= 500:
            return False
        else:
            get_logger().error("order-refused", status=status, order=path.stem)
            path.rename(path.with_suffix(".refused"))
        return True

    def _post(self, message_id: str, body: str) -> int:
        url = urlsplit(self._config.service_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.netloc, timeout=_TIMEOUT_SECONDS)
        now = self._now()
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._config.secret_key}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._config.signing_secret).sign(message_id, now, body),
        }
        try:
            connection.request("POST", f"{url.path}/v1/orders", body.encode(), headers)
            return connection.getresponse().status
        finally:
            connection.close()
