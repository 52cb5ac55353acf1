"""Knows that a server does not answer, so that not everybody waits for it."""

import threading
from collections.abc import Callable

FAILURES = 2
WINDOW_SECONDS = 1.0
PAUSE_SECONDS = 1.0


class Breaker:
    """Opens after `FAILURES` within `WINDOW_SECONDS`; closed again by the first success.

    While it is open, one caller each `PAUSE_SECONDS` may try. Safe for threads.

    Args:
        monotonic: Clock in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._failed_at = 0.0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether asking is useless as far as anybody knows."""
        return self._failures >= FAILURES

    @property
    def is_doubtful(self) -> bool:
        """Tell whether the last that was heard is a failure."""
        return self._failures > 0

    def may_try(self) -> bool:
        """Tell whether to ask; while open this is yes for one caller, then no for a while."""
        if not self.is_open:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + PAUSE_SECONDS
            return True

    def succeeded(self) -> None:
        """Note an answer."""
        self._failures = 0

    def failed(self) -> None:
        """Note that no answer came."""
        with self._lock:
            now = self._monotonic()
            if not self.is_open and now - self._failed_at > WINDOW_SECONDS:
                self._failures = 0
            self._failures += 1
            self._failed_at = now
            self._retry_at = now + PAUSE_SECONDS
