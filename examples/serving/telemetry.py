"""What a service tells of itself: lines of JSON, and Prometheus metrics."""

from __future__ import annotations

import datetime
import json
import logging
import sys

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()

#: Upper ends of the ranges that seconds are counted in.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
#: Upper ends of the ranges that rows are counted in.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Json(logging.Formatter):
    """A record as one line of JSON; `extra={"fields": {…}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_json(level: str) -> None:
    """Write the records of all loggers to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Json())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It tells each step of starting and stopping, which this service tells.
    logging.getLogger("uvicorn").setLevel("WARNING")


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        PlatformCollector(registry=registry)
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "requests",
            "Requests that were answered.",
            ["path", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_rows = Histogram(
            "batch_rows",
            "Rows of each batch, without padding.",
            buckets=ROWS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "batch_seconds",
            "Seconds that a batch took in the thread of the model.",
            buckets=SECONDS,
            registry=registry,
        )
        self.rows_waiting = Gauge(
            "rows_waiting", "Rows in the queue.", registry=registry
        )
        self.ready = Gauge(
            "ready", "1 if the service takes requests.", registry=registry
        )

    def observe_batch(self, rows: int, seconds: float) -> None:
        """Count a batch."""
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)
