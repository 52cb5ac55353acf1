"""How many requests a minute: counted in each process, added up in Redis once a second.

So a request costs no round trip, and a burst may exceed a limit by what arrives within a second.
Without Redis each process counts alone: the limits fail open, and that is counted. Addresses are
kept nowhere: a count goes under a keyed hash that is another one every minute.
"""

import hashlib
import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from recommender.errors import UnavailableError
from recommender.telemetry import FAILED_OPEN_TOTAL

MAX_NAMES = 100_000
"""Counted in one process and minute; who comes later in the minute is not limited."""


@dataclass(slots=True)
class _Count:
    shared: int = 0
    here: int = 0


class RateLimits:
    """Counts requests by name and minute; safe for threads.

    Args:
        add_counts: Adds amounts by name to a minute's counts of all processes, and returns the
            sums; raises UnavailableError.
        secret: The service's secret, 32 bytes.
        now: Clock.
    """

    def __init__(
        self,
        add_counts: Callable[[int, Mapping[str, int]], dict[str, int]],
        *,
        secret: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._add_counts = add_counts
        self._secret = secret
        self._now = now
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: dict[str, _Count] = {}

    def allows(self, name: str, limit: int) -> bool:
        """Count a request, and tell whether it is within its limit a minute; 0 is no limit."""
        if not limit:
            return True
        minute = self._this_minute()
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            count = self._counts.get(name)
            if count is None:
                if len(self._counts) >= MAX_NAMES:
                    FAILED_OPEN_TOTAL.labels(part="rate-limit").inc()
                    return True
                count = self._counts[name] = _Count()
            count.here += 1
            return count.shared + count.here <= limit

    def allows_address(self, address: str, limit: int) -> bool:
        """As `allows`, for a client's address.

        An address of the loopback or of a private network is a proxy's or a neighbour's, behind
        which may be every shopper: it is not limited.
        """
        if not limit:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return True
        if not parsed.is_global:
            return True
        # A household has a network of this size.
        packed = parsed.packed[:8] if parsed.version == 6 else parsed.packed
        salt = self._this_minute().to_bytes(8, "little")
        digest = hashlib.blake2b(packed, key=self._secret, salt=salt, digest_size=8)
        return self.allows(f"address:{digest.hexdigest()}", limit)

    def share(self) -> None:
        """Add what was counted here to what all processes counted, and learn their sums."""
        with self._lock:
            minute = self._minute
            amounts = {name: count.here for name, count in self._counts.items() if count.here}
        if not amounts:
            return
        try:
            sums = self._add_counts(minute, amounts)
        except UnavailableError:
            FAILED_OPEN_TOTAL.labels(part="rate-limit").inc()
            return
        with self._lock:
            if minute != self._minute:
                return
            for name, total in sums.items():
                count = self._counts[name]
                count.shared = total
                count.here -= amounts[name]

    def _this_minute(self) -> int:
        return int(self._now().timestamp()) // 60
