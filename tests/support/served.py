"""The program ``examples/serving`` as a process, and clients that ask it as fast as it answers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.places import ROOT, python_of

FOLDER = ROOT / "examples" / "serving"
#: Seconds that a model may take to be ready, on a machine with other work.
PATIENCE = 180
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: close", re.IGNORECASE)


@dataclasses.dataclass
class Served:
    """A server process, the file of its log, and its port."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one request on a connection of its own. A body that is no bytes is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """A metric by its name and labels."""
        rows = self.ask("GET", "/metrics").body.decode().splitlines()
        return float(next(row for row in rows if row.startswith(f"{name} ")).split()[-1])

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return [json.loads(row) for row in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """Ask the process to end, and wait for it: its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@dataclasses.dataclass
class Answer:
    """An answer: its status, body, and headers by their names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def command_of(backend: str, model: Path, *words: str) -> list[str]:
    """The command that serves a model on a free port."""
    program = [str(python_of(backend)), str(FOLDER / "main.py"), "--backend", backend]
    return [*program, "--model", str(model), "--port", "0", *words]


@contextlib.contextmanager
def serving(command: list[str], environ: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Start a server and wait until it is ready. It is ended at the end, if it has not ended itself."""
    with tempfile.TemporaryDirectory(prefix="serving-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        with log.open("w") as file:
            variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environ or {})}
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, env=variables)
        try:
            served = Served(process, log, _port(process, log))
            while served.ask("GET", "/ready").status != 200:
                time.sleep(0.05)
            yield served
        finally:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + PATIENCE
    while "\n" not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
        time.sleep(0.05)
    return json.loads(log.read_text().partition("\n")[0])["port"]


@dataclasses.dataclass
class Load:
    """What clients found.

    Attributes
    ----------
    seconds
        From each request to its answer.
    took
        Seconds until the last client was done.
    statuses
        How often each status came.
    wrong
        Answers with 200 that lack what their request must be answered with.
    unanswered
        Connections that ended between a request and the first byte of its answer.
    cut
        Connections that ended within an answer.
    refused
        Clients that got no new connection.
    """

    seconds: list[float] = dataclasses.field(default_factory=list)
    statuses: Counter[int] = dataclasses.field(default_factory=Counter)
    wrong: int = 0
    unanswered: int = 0
    cut: int = 0
    refused: int = 0
    took: float = 0

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.took


def request(body: bytes, path: str = "/predict") -> bytes:
    """A request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def load(
    port: int, requests: list[tuple[bytes, bytes]], *, clients: int, seconds: float = 1e9, most: int = 10**9
) -> Load:
    """Send requests from many clients, each as soon as it has its last answer, until a time or a number is reached.

    ``requests`` are taken in turn; each comes with words that its answer must hold. A client that loses its
    connection makes another one, and ends where it gets none.
    """
    found = Load()
    taken = itertools.cycle(requests)
    start = time.perf_counter()
    left = itertools.count()

    def following() -> tuple[bytes, bytes] | None:
        return next(taken) if time.perf_counter() < start + seconds and next(left) < most else None

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.ended = asyncio.get_running_loop().create_future()
            self.over = self.waits = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            self.send()

        def send(self) -> None:
            chosen = following()
            if chosen is None:
                self.over = True
                self.transport.close()
                return
            words, self.expected = chosen
            self.buffer, self.waits, self.began = b"", True, time.perf_counter()
            self.transport.write(words)

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            head, blank, body = self.buffer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not blank or not length or len(body) < int(length[1]):
                return
            found.seconds.append(time.perf_counter() - self.began)
            status = int(head[9:12])
            found.statuses[status] += 1
            found.wrong += status == 200 and self.expected not in body
            self.waits = False
            if _CLOSE.search(head):
                self.transport.close()
            else:
                self.send()

        def connection_lost(self, error: Exception | None) -> None:
            if self.waits and self.buffer:
                found.cut += 1
            elif self.waits:
                found.unanswered += 1
            self.ended.set_result(None)

    async def client() -> None:
        over = False
        while not over:
            try:
                _, made = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
            except OSError:
                found.refused += 1
                return
            await made.ended
            over = made.over

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(all_clients())
    found.took = time.perf_counter() - start
    return found
