"""The HTTP interface: types of requests, limits, health and metrics."""

# FastAPI reads the types of handlers while it runs, those inside functions
# too, so annotations must not be postponed here.
import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Len
from batching import Batcher, EvaluationError, QueueFullError
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from model import Predictor, Saved
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, FailFast, Field, create_model
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from telemetry import Metrics

log = logging.getLogger("service")

#: Paths that are counted by name. Others are counted together, because
#: each name takes memory for good.
PATHS = ("/predict", "/health", "/ready", "/metrics", "/openapi.json")
#: How many mistakes of a request are told.
MOST_PROBLEMS = 3


@dataclass(frozen=True)
class Limits:
    """What a service takes.

    Attributes
    ----------
    max_batch
        Rows of a batch, and the most rows of one request.
    max_wait
        Seconds that a request waits for others to share its batch.
    queue
        Rows that may wait; a request beyond them gets 429.
    timeout
        Seconds for a body to arrive (408), then for its outputs (503).
    max_body
        Bytes of a body; a longer one gets 413.
    """

    max_batch: int = 64
    max_wait: float = 0.002
    queue: int = 1024
    timeout: float = 10.0
    max_body: int = 1_000_000


def request_type(saved: Saved, most_rows: int) -> type[BaseModel]:
    """The type of a request for this model."""
    number = Annotated[
        float,
        Field(strict=True, allow_inf_nan=False, ge=saved.low, le=saved.high),
    ]
    row = Annotated[
        list[number], Len(saved.features, saved.features), FailFast()
    ]
    rows = Annotated[list[row], Len(1, most_rows), FailFast()]
    return create_model(
        "PredictRequest",
        __config__=ConfigDict(extra="forbid"),
        rows=(rows, ...),
    )


class PredictResponse(BaseModel):
    """The outputs of each row, the label of the largest, and the model."""

    outputs: list[list[float]]
    labels: list[str]
    model: str


class Service:
    """A model behind a queue. One thread does all of the model's work.

    Attributes
    ----------
    ready
        Whether the model is warm.
    draining
        Whether the service is about to stop.
    failure
        Why the model cannot be served; empty if it can.
    """

    def __init__(
        self,
        saved: Saved,
        make_predictor: Callable[[], Predictor],
        limits: Limits,
    ) -> None:
        self.saved, self.limits = saved, limits
        self.make_predictor = make_predictor
        self.metrics = Metrics()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.ready = self.draining = False
        self.failure = ""

    async def run(self) -> None:
        """Prepare the model, then evaluate batches until cancelled."""
        loop, start = asyncio.get_running_loop(), time.perf_counter()
        try:
            predictor = await loop.run_in_executor(self.thread, self.prepare)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            log.exception("failed")
            return
        self.batcher = Batcher(
            predictor,
            self.thread,
            most_rows=self.limits.max_batch,
            most_seconds=self.limits.max_wait,
            capacity=self.limits.queue,
            observe=self.metrics.observe_batch,
        )
        self.metrics.rows_waiting.set_function(
            lambda: self.batcher.rows_waiting
        )
        self.metrics.ready.set_function(
            lambda: self.ready and not self.draining
        )
        self.ready = True
        seconds = round(time.perf_counter() - start, 3)
        fields = {"model": self.saved.digest, "seconds": seconds}
        log.info("ready", extra={"fields": fields})
        try:
            await self.batcher.run()
        finally:
            self.ready = False
            self.thread.submit(predictor.close)

    def drain(self) -> None:
        """Say that the service stops, and let no request wait for others."""
        self.draining = True
        if self.ready:
            self.batcher.hurry()

    def prepare(self) -> Predictor:
        """Compile the model and evaluate each size of batch once."""
        predictor = self.make_predictor()
        try:
            predictor.warm_up()
        except BaseException:
            predictor.close()
            raise
        return predictor

    async def predict(self, rows: np.ndarray) -> np.ndarray:
        """(rows, features) to (rows, outputs), or the error to answer."""
        if not self.ready:
            raise HTTPException(503, "the model is not ready")
        try:
            async with asyncio.timeout(self.limits.timeout):
                outputs = await self.batcher.submit(rows)
        except QueueFullError:
            raise HTTPException(
                429, "the queue is full", {"Retry-After": "1"}
            ) from None
        except TimeoutError:
            raise HTTPException(
                503, "no output in time", {"Retry-After": "1"}
            ) from None
        except EvaluationError as error:
            log.error("evaluation", extra={"fields": {"error": str(error)}})
            raise HTTPException(500, "the model failed") from None
        if not np.isfinite(outputs).all():
            raise HTTPException(500, "an output is not a finite number")
        return outputs


def create_app(service: Service) -> ASGIApp:
    """The application that answers for a service."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(service.run())
        yield
        running.cancel()
        await asyncio.wait([running])
        service.thread.shutdown()

    app = FastAPI(
        title="Mithril model",
        lifespan=lifespan,
        max_body_size=service.limits.max_body,
        redirect_slashes=False,
        docs_url=None,  # these pages load scripts from another host
        redoc_url=None,
    )
    request_model = request_type(service.saved, service.limits.max_batch)

    @app.post("/predict", response_model=PredictResponse)
    async def predict(request: request_model) -> Response:
        rows = np.asarray(request.rows, dtype=np.float32)
        outputs = await service.predict(rows)
        labels = service.saved.labels
        answer = {
            "outputs": outputs.tolist(),
            "labels": [labels[i] for i in outputs.argmax(axis=1)]
            if labels
            else [],
            "model": service.saved.digest,
        }
        return Response(json.dumps(answer), media_type="application/json")

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process lives: restart it if not."""
        return {"status": "alive"}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        """Whether to send requests here."""
        if service.draining:
            return JSONResponse({"status": "stopping"}, 503)
        if not service.ready:
            return JSONResponse({"status": "starting"}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics")
    async def metrics() -> Response:
        text = generate_latest(service.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(RequestValidationError, tell_problems)
    return Watch(app, service)


async def tell_problems(
    request: Request, error: RequestValidationError
) -> JSONResponse:
    """Say what is wrong with a request, without its values.

    FastAPI's own handler returns the values, and a NaN among them makes its
    answer a 500.
    """
    problems = error.errors()[:MOST_PROBLEMS]
    locations = [problem["loc"][1:] or problem["loc"] for problem in problems]
    kind = request.headers.get("content-type", "").partition(";")[0]
    if problems[0]["type"] == "json_invalid":
        status, told = 400, "the body is not JSON"
    elif request.method == "POST" and kind != "application/json":
        status, told = 415, "send Content-Type: application/json"
    else:
        status = 422
        told = "; ".join(
            f"{'.'.join(map(str, location))}: {problem['msg']}"
            for location, problem in zip(locations, problems, strict=True)
        )
    return JSONResponse({"detail": told}, status)


class Watch:
    """ASGI middleware: one log line and one count for each request.

    It also limits the time that a body takes to arrive. While the service
    drains, it asks clients to close their connections.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        identity, status, told = request_id(scope), 500, False

        async def receive_in_time() -> Message:
            try:
                async with asyncio.timeout(self.service.limits.timeout):
                    return await receive()
            except TimeoutError:
                raise HTTPException(
                    408, "the body is too slow", {"Connection": "close"}
                ) from None

        def tell() -> None:
            nonlocal told
            told = True
            self.tell(scope, identity, status, time.perf_counter() - start)

        async def send_and_tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", identity)]
                if self.service.draining:
                    headers.append((b"connection", b"close"))
                message = message | {"headers": headers}
            elif not message.get("more_body"):
                tell()  # before the client can ask about this request
            await send(message)

        try:
            await self.app(scope, receive_in_time, send_and_tell)
        finally:
            if not told:
                tell()

    def tell(
        self, scope: Scope, identity: bytes, status: int, seconds: float
    ) -> None:
        """Count a request and log it; probes are logged if they fail."""
        path = scope["path"] if scope["path"] in PATHS else "other"
        metrics = self.service.metrics
        metrics.requests.labels(path, status).inc()
        metrics.request_seconds.observe(seconds)
        probe = path in PATHS[1:] and status < 400
        level = logging.DEBUG if probe else logging.INFO
        if log.isEnabledFor(level):
            fields = {
                "id": identity.decode(),
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 2),
            }
            log.log(level, "request", extra={"fields": fields})


def request_id(scope: Scope) -> bytes:
    """The client's X-Request-ID if it is short and plain, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and re.fullmatch(rb"[\w.-]{1,64}", value):
            return value
    return secrets.token_hex(8).encode()
