"""Signs bodies as a shop's server would, by the Standard Webhooks scheme."""

import datetime as dt
import uuid

from standardwebhooks import Webhook


def signed_headers(secret: str, body: bytes, *, age_seconds: int = 0) -> dict[str, str]:
    """Return the three headers that prove who sent a body, and when."""
    message_id = f"msg_{uuid.uuid4().hex}"
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_seconds)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }
