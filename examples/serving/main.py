"""Serve a Mithril model over HTTP; --help lists the options."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import time
from pathlib import Path
from types import FrameType

import uvicorn
from api import Limits, Service, create_app
from command import Parser, make_backend, refuse, seconds, whole
from model import Predictor, Saved, load
from telemetry import log_json

log = logging.getLogger("service")

#: Seconds that clients who are connected have when the port is closed.
LAST_SECONDS = 0.5


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Serve a Mithril model over HTTP.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="FILE",
        help="what train.py or model.save wrote",
    )
    parser.add_argument(
        "--backend",
        choices=["numpy", "torch", "jax", "mlx"],
        default="numpy",
        help="what evaluates the model",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 in a container"
    )
    parser.add_argument(
        "--port", type=whole(0, 65535), default=8000, help="0: a free one"
    )
    parser.add_argument(
        "--max-batch",
        type=whole(1, 4096),
        default=64,
        help="rows evaluated together, and the most rows of a request",
    )
    parser.add_argument(
        "--max-wait-ms",
        type=whole(0, 60_000),
        default=2,
        help="how long a request waits for others",
    )
    parser.add_argument(
        "--queue",
        type=whole(1, 1_000_000),
        default=1024,
        help="rows that may wait; then clients get 429",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        help="seconds for a body (408), then for its outputs (503)",
    )
    parser.add_argument(
        "--max-body",
        type=whole(1, 1_000_000_000),
        default=1_000_000,
        help="bytes of a body; then clients get 413",
    )
    parser.add_argument(
        "--drain",
        type=seconds,
        default=1.0,
        help="seconds from SIGTERM until the port closes",
    )
    parser.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="debug: probes too",
    )
    return parser.parse_args(words)


def read_model(path: Path) -> Saved:
    """What the file holds, or one line on why it cannot be served."""
    try:
        return load(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        refuse(f"--model {path}: {reason}")


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, or one line on why there is none."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        refuse(f"--host {host} --port {port}: {error.strerror or error}")


class Server(uvicorn.Server):
    """Answers every request that it accepted, then ends with status 0.

    On SIGTERM or SIGINT, uvicorn closes its port at once and, after its last
    answer, ends by the signal. This one first drains: for some seconds it
    says that it is not ready and closes each connection after its answer.
    Then it closes its port, but still answers who is connected. A second
    signal ends it at once.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, drain: float
    ) -> None:
        super().__init__(config)
        self.service, self.drain = service, drain
        self.closes_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal. Python may call this in the middle of a line."""
        if self.closes_at < float("inf"):
            self.should_exit = self.force_exit = True
        self.closes_at = time.monotonic() + self.drain

    async def on_tick(self, counter: int) -> bool:
        """Drain, close the port and stop, each when its time has come."""
        now = time.monotonic()
        if self.closes_at < float("inf") and not self.service.draining:
            log.info("draining")
            self.service.drain()
        if now >= self.closes_at:
            for server in self.servers:
                server.close()
        if self.service.failure or now >= self.closes_at + LAST_SECONDS:
            self.should_exit = True
        return await super().on_tick(counter)


def main(words: list[str] | None = None) -> int:
    """Serve until a signal; the exit status."""
    given = options(words)
    saved = read_model(given.model)
    backend = make_backend(given.backend)
    limits = Limits(
        max_batch=given.max_batch,
        max_wait=given.max_wait_ms / 1000,
        queue=given.queue,
        timeout=given.timeout,
        max_body=given.max_body,
    )
    service = Service(
        saved, lambda: Predictor(saved, backend, limits.max_batch), limits
    )
    sock = listen(given.host, given.port)
    log_json(given.log_level)
    fields = {"port": sock.getsockname()[1], "backend": given.backend}
    log.info("listening", extra={"fields": fields})
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,  # longer than load balancers keep one
        timeout_graceful_shutdown=int(given.timeout) + 5,
    )
    Server(config, service, given.drain).run(sockets=[sock])
    log.info("stopped")
    return 1 if service.failure else 0


if __name__ == "__main__":
    sys.exit(main())
