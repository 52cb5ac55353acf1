"""Structured log and counters.

Logs are one JSON object a line on stderr (human-readable on a terminal). Visitor ids, keys and
addresses are never logged. Counters are Prometheus metrics, summed over web workers.
"""

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

EVENTS_TOTAL = Counter(
    "recommender_events_total", "Events by what became of them.", ["outcome", "code"]
)
SLATES_TOTAL = Counter(
    "recommender_slates_total",
    "Slates by placement, arm and fallback.",
    ["placement", "arm", "fallback"],
)
SLATE_PLACES_TOTAL = Counter(
    "recommender_slate_places_total",
    "Places of slates shown, by what put the item there: model, exploration.",
    ["origin"],
)
SLATE_SECONDS = Histogram(
    "recommender_slate_seconds",
    "Time to make a slate, from parsed request to finished answer.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
FAILED_OPEN_TOTAL = Counter(
    "recommender_failed_open_total", "Faults the shopper did not notice, by part.", ["part"]
)
SHED_TOTAL = Counter(
    "recommender_shed_events_total",
    "Events of browsers not taken because stream or spool filled up, by shop and type.",
    ["shop", "type"],
)
RATE_LIMITED_TOTAL = Counter(
    "recommender_rate_limited_total",
    "Requests refused because their shop or sender sent too many.",
    ["shop", "limit"],
)
SPOOL_BYTES = Gauge(
    "recommender_spool_bytes",
    "Events on this machine's disk that are not in the stream yet.",
    multiprocess_mode="mostrecent",
)
STREAM_FULL_SHARE = Gauge(
    "recommender_stream_full_share",
    "How full stream or spool is, the fuller of the two; above 0.6 events are shed.",
    multiprocess_mode="mostrecent",
)
STREAM_PENDING = Gauge(
    "recommender_stream_pending_entries",
    "Stream entries not yet in the event log.",
    multiprocess_mode="mostrecent",
)
STREAM_LAG_SECONDS = Gauge(
    "recommender_stream_lag_seconds",
    "Age of the oldest stream entry not yet in the event log; 0 when none waits.",
    multiprocess_mode="mostrecent",
)
MODELS_LOADED = Gauge(
    "recommender_models_loaded", "Models in memory, over all workers.", multiprocess_mode="livesum"
)
MODEL_PRIVATE_BYTES = Gauge(
    "recommender_model_private_bytes",
    "What models and catalogues take of the workers' own memory.",
    multiprocess_mode="livesum",
)
MODEL_MAPPED_BYTES = Gauge(
    "recommender_model_mapped_bytes",
    "Artifacts mapped by the worker that maps most; workers share these pages.",
    multiprocess_mode="livemax",
)
MODEL_EVICTIONS_TOTAL = Counter(
    "recommender_model_evictions_total", "Shops let go to stay within the memory limit."
)


def configure_logging(*, service: str, level: str = "INFO") -> None:
    """Send all logs of this process to stderr, each line naming the service's role."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return the process's structured logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
