"""Micro-batching: rows of many requests are evaluated in one call."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np


class QueueFullError(Exception):
    """As many rows wait as may wait."""


class EvaluationError(Exception):
    """The model failed on the rows of this request."""


@dataclass(eq=False)
class Waiting:
    """The rows of a request that waits, and what its output goes to."""

    rows: np.ndarray
    since: float
    output: asyncio.Future[np.ndarray]


class Batcher:
    """Collects the rows of requests and evaluates them in a thread.

    All methods belong to the event loop; only `evaluate` runs elsewhere.

    Parameters
    ----------
    evaluate
        Takes (rows, features), returns (rows, outputs).
    thread
        Where `evaluate` runs, one call at a time.
    most_rows
        Rows of a batch, and the most rows of one request.
    most_seconds
        How long a request waits for others before its batch is evaluated.
    capacity
        How many rows may wait.
    observe
        Told the rows and the seconds of each batch.
    """

    def __init__(
        self,
        evaluate: Callable[[np.ndarray], np.ndarray],
        thread: Executor,
        *,
        most_rows: int,
        most_seconds: float,
        capacity: int,
        observe: Callable[[int, float], None],
    ) -> None:
        self.evaluate, self.thread = evaluate, thread
        self.most_rows, self.most_seconds = most_rows, most_seconds
        self.capacity, self.observe = capacity, observe
        self.queue: deque[Waiting] = deque()
        self.arrived = asyncio.Event()
        self.rows_waiting = 0

    async def submit(self, rows: np.ndarray) -> np.ndarray:
        """The outputs of these rows.

        Raises QueueFullError if they may not wait, and EvaluationError if
        the model fails on them. Who cancels this call takes the rows back.
        """
        if self.rows_waiting + len(rows) > self.capacity:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        waiting = Waiting(rows, loop.time(), loop.create_future())
        self.queue.append(waiting)
        self.rows_waiting += len(rows)
        self.arrived.set()
        try:
            return await waiting.output
        finally:
            if waiting in self.queue:  # cancelled before its turn
                self.queue.remove(waiting)
                self.rows_waiting -= len(rows)

    def hurry(self) -> None:
        """From now on, evaluate what waits without waiting for more."""
        self.most_seconds = 0
        self.arrived.set()

    async def run(self) -> None:
        """Evaluate batch after batch, until cancelled."""
        while True:
            await self.wait_for_rows()
            if batch := self.take_batch():
                await self.answer(batch)

    async def wait_for_rows(self) -> None:
        """Return when a batch is full or its oldest request waited enough."""
        now = asyncio.get_running_loop().time
        while self.rows_waiting < self.most_rows:
            seconds = None
            if self.queue:
                seconds = self.queue[0].since + self.most_seconds - now()
                if seconds <= 0:
                    return
            self.arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self.arrived.wait()
            except TimeoutError:
                return

    def take_batch(self) -> list[Waiting]:
        """The oldest requests that fit into one batch."""
        batch, rows = [], 0
        while self.queue:
            rows += len(self.queue[0].rows)
            if rows > self.most_rows:
                break
            batch.append(self.queue.popleft())
            self.rows_waiting -= len(batch[-1].rows)
        return batch

    async def answer(self, batch: list[Waiting]) -> None:
        """Evaluate a batch and give each request its part of the output.

        If the batch fails, each request is evaluated alone, so that only
        those fail that the model fails on.
        """
        loop, start = asyncio.get_running_loop(), time.perf_counter()
        rows = np.concatenate([waiting.rows for waiting in batch])
        try:
            outputs = await loop.run_in_executor(
                self.thread, self.evaluate, rows
            )
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    await self.answer([waiting])
            elif not batch[0].output.done():
                failure = EvaluationError(f"{type(error).__name__}: {error}")
                batch[0].output.set_exception(failure)
            return
        self.observe(len(rows), time.perf_counter() - start)
        first = 0
        for waiting in batch:
            last = first + len(waiting.rows)
            if not waiting.output.done():
                waiting.output.set_result(outputs[first:last])
            first = last
