"""What a process of the service does once a second beside its work, in one thread.

It looks whether Redis is back and how full it is, brings back what is in the spool, and adds up
what the rate limits counted. Must not know what asks for any of it.
"""

import threading
import time

from recommender.adapters.rate_limits import RateLimits
from recommender.adapters.spooling_state import SpoolingState
from recommender.bootstrap import Services
from recommender.errors import RecommenderError
from recommender.telemetry import get_logger

PAUSE_SECONDS = 1.0


def start_upkeep(services: Services) -> None:
    """Keep up from now on, until the process ends."""
    # Not all services: what a thread still holds when the process ends is never closed, and DuckDB
    # would tell of everything it then finds open.
    parts = (services.state, services.limits)
    threading.Thread(target=_run, args=parts, name="upkeep", daemon=True).start()


def keep_up(state: SpoolingState, limits: RateLimits) -> None:
    """Do it once."""
    for step in (state.look, state.bring_back, limits.share):
        try:
            step()
        except (RecommenderError, OSError) as error:
            # It is tried again in a second; meanwhile events go to the spool, or are refused.
            get_logger().warning("upkeep-waits", reason=str(error))
        except Exception:  # the thread must live as long as the process
            get_logger().exception("upkeep-failed")


def _run(state: SpoolingState, limits: RateLimits) -> None:
    while True:
        keep_up(state, limits)
        time.sleep(PAUSE_SECONDS)
