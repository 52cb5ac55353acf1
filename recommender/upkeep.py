"""What a process of the service does once a second beside its work, in one thread.

It looks whether Redis is back and how full it is, brings back what is in the spool, and adds up
what the rate limits counted. Must not know what asks for any of it.
"""

import threading
import time

from recommender.bootstrap import Services
from recommender.errors import RecommenderError
from recommender.telemetry import get_logger

PAUSE_SECONDS = 1.0


def start_upkeep(services: Services) -> None:
    """Keep up from now on, until the process ends."""
    threading.Thread(target=_run, args=(services,), name="upkeep", daemon=True).start()


def keep_up(services: Services) -> None:
    """Do it once."""
    for step in (services.state.look, services.state.bring_back, services.limits.share):
        try:
            step()
        except (RecommenderError, OSError) as error:
            # It is tried again in a second; meanwhile events go to the spool, or are refused.
            get_logger().warning("upkeep-waits", reason=str(error))
        except Exception:  # the thread must live as long as the process
            get_logger().exception("upkeep-failed")


def _run(services: Services) -> None:
    while True:
        keep_up(services)
        time.sleep(PAUSE_SECONDS)
