"""``examples/serving`` under load: real server processes, and many clients that each ask again when they are answered.

``python tests/bench/serving.py [--parts load malformed stop memory plain] [--backends numpy torch] [--seconds 30]``, in
the environment of the tests, with those of the backends beside it.

It prints a table a part and writes ``build/serving.json``. Nothing is asserted on a time. The exit status is 1 where a
request got no answer or a wrong one, for then the figures mean nothing.

*small* is the network that ``train.py`` makes, which takes less time than HTTP does. *wide* has 17 million weights, so
a call takes as long for one row as for many: its weights must be read from memory either way.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tests")]
import psutil  # noqa: E402
from report import Rows, show  # noqa: E402

from support.places import BACKENDS, python_of  # noqa: E402
from support.served import FOLDER, Load, Served, command_of, load, request, serving  # noqa: E402

#: One thread for sums: the other core is for the event loop and the clients.
ENVIRON = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

PARTS = {
    "load": "Clients that ask without a pause, wide network",
    "malformed": "Malformed requests",
    "stop": "SIGTERM under load",
    "memory": "Resident memory in MB, small network",
    "plain": "Answers a second, against plain FastAPI around plain PyTorch",
}

#: Makes the files of both networks, with some weights. Labels tell whether an answer is that of its row.
MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mithril as ml
import numpy as np
from mithril.models import Linear, Model, Relu
from model import save
for name, widths in {"small": (64, 32, 10), "wide": (64, 2880, 2880, 2880, 10)}.items():
    rng, model, params = np.random.default_rng(1), Model(), {}
    for n, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        last = n == len(widths) - 2
        key = ml.IOKey("y") if last else f"h{n + 1}"
        model += Linear(outputs)(input=f"h{n}" if n else "x", w=f"w{n}", b=f"b{n}", output=f"z{n}" if not last else key)
        if not last:
            model += Relu()(input=f"z{n}", output=key)
        params[f"w{n}"] = rng.normal(scale=(2 / inputs) ** 0.5, size=(inputs, outputs)).astype("float32")
        params[f"b{n}"] = rng.normal(scale=0.1, size=outputs).astype("float32")
    labels = [f"label {n}" for n in range(widths[-1])]
    save(Path(f"{name}.safetensors"), model, params, input="x", output="y", features=64, low=0, high=1, labels=labels)
"""

#: The same network in PyTorch behind a handler as a tutorial has it, less uvicorn's log of each request.
PLAIN = """
import json, socket, sys
import torch, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file
weights = load_file(sys.argv[1])
layers = []
for n in range(len(weights) // 2):
    linear = torch.nn.Linear(*weights[f"w{n}"].shape)
    linear.load_state_dict({"weight": weights[f"w{n}"].T, "bias": weights[f"b{n}"]})
    layers += [linear, torch.nn.ReLU()]
network = torch.nn.Sequential(*layers[:-1]).eval()
app = FastAPI()
class Rows(BaseModel):
    rows: list[list[float]]
def evaluate(request):
    with torch.inference_mode():
        outputs = network(torch.tensor(request.rows))
    return {"outputs": outputs.tolist(), "labels": [f"label {n}" for n in outputs.argmax(dim=1).tolist()]}
if sys.argv[2] == "def":
    @app.post("/predict")
    def predict(request: Rows):
        return evaluate(request)
else:
    @app.post("/predict")
    async def predict(request: Rows):
        return evaluate(request)
@app.get("/ready")
async def ready():
    return {}
sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
config = uvicorn.Config(app, access_log=False, log_level="warning")
uvicorn.Server(config).run(sockets=[sock])
"""


class Bench:
    """One run of the benchmark, with the files of its models."""

    def __init__(self, folder: Path, backends: list[str], options: argparse.Namespace) -> None:
        self.folder, self.backends, self.options = folder, backends, options
        self.failures: list[str] = []
        subprocess.run([str(python_of(backends[0])), "-c", MAKE, str(FOLDER)], cwd=folder, check=True)
        (folder / "plain.py").write_text(PLAIN)
        rows = [[round(random.Random(n * 64 + i).random(), 3) for i in range(64)] for n in range(40)]
        bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
        self.asked: dict[str, list[tuple[bytes, bytes]]] = {}
        for name in ("small", "wide"):  # what a request must be answered with, from a request that is alone
            with self.served(backends[0], name) as server:
                labels = [server.ask("POST", "/predict", {"rows": [row]}).json["labels"] for row in rows]
            self.asked[name] = [
                (request(body), f'"labels": {json.dumps(label)}'.encode())
                for body, label in zip(bodies, labels, strict=True)
            ]

    def served(self, backend: str, network: str, *words: str) -> contextlib.AbstractContextManager[Served]:
        """A server of ours."""
        return serving(command_of(backend, self.folder / f"{network}.safetensors", *words), ENVIRON)

    def plain(self, network: str, kind: str) -> contextlib.AbstractContextManager[Served]:
        """A server of plain FastAPI and PyTorch, with a handler of a kind: ``def`` or ``async def``."""
        words = [str(self.folder / "plain.py"), str(self.folder / f"{network}.safetensors"), kind]
        return serving([str(python_of("torch")), *words], ENVIRON)

    def ask(self, server: Served, network: str, seconds: float, where: str, clients: int | None = None) -> Load:
        """Load a server for some seconds, after two that do not count. Each answer must be 200, and that of its row."""
        asked = self.asked[network]
        if where.startswith("plain"):  # it writes its JSON without spaces
            asked = [(words, answer.replace(b": ", b":")) for words, answer in asked]
        clients = clients or self.options.clients
        load(server.port, asked, clients=clients, seconds=2)
        found = load(server.port, asked, clients=clients, seconds=seconds)
        bad = found.wrong + found.unanswered + found.cut + found.refused + found.answered - found.statuses[200]
        self.expect(bad == 0, f"{where}: {bad} of {found.answered} requests failed: {found.statuses}")
        return found

    def expect(self, true: bool, words: str) -> None:
        """Note a failure."""
        if not true:
            print(f"  FAILED {words}", file=sys.stderr, flush=True)
            self.failures.append(words)

    def load(self) -> Rows:
        """With micro-batching and without it, on the same server but for one option."""
        rows: Rows = {}
        for backend in self.backends:
            rate = {}
            for most in (1, 64):
                where = f"{backend}, batches of {most}"
                with self.served(backend, "wide", "--max-batch", str(most), "--timeout", "60") as server:
                    found = self.ask(server, "wide", self.options.seconds, where)
                    filled = server.metric("batch_rows_sum") / server.metric("batch_rows_count")
                rate[most] = found.rate
                rows[where] = {
                    "a second": rate[most],
                    "p50 ms": 1000 * statistics.median(found.seconds),
                    "p99 ms": 1000 * statistics.quantiles(found.seconds, n=100)[98],
                    "rows a batch": filled,
                    "requests": found.answered,
                }
            rows[where]["times"] = rate[64] / rate[1]
        return rows

    def malformed(self) -> Rows:
        """Requests that are wrong in many ways: each gets 4xx, and the service works as before."""
        rows: Rows = {}
        for backend in self.backends:
            bad = list(malformed_requests(1000))
            with self.served(backend, "small", "--timeout", "1", "--max-body", "50000") as server:
                before = server.ask("POST", "/predict", {"rows": [[0.5] * 64]}).json["outputs"]
                statuses = [status_of(server.port, words) for words in bad]
                after = server.ask("POST", "/predict", {"rows": [[0.5] * 64]}).json["outputs"]
                errors = [entry for entry in server.entries() if entry["level"] == "error"]
                self.expect(server.stop() == 0, f"{backend}: the service did not end with 0")
            clear = sum(400 <= status < 500 for status in statuses)
            self.expect(clear == len(bad), f"{backend}: {len(bad) - clear} malformed requests got no 4xx")
            self.expect(before == after and not errors, f"{backend}: malformed requests left something behind")
            counts = {str(status): statuses.count(status) for status in sorted(set(statuses))}
            rows[backend] = {"requests": len(bad), "4xx": clear, **counts}
        return rows

    def stop(self) -> Rows:
        """SIGTERM while many clients ask: what the service logged as taken, clients have answers to."""
        rows: Rows = {}
        for backend in self.backends:
            with self.served(backend, "wide", "--drain", "0.5", "--timeout", "60") as server:
                timer = threading.Timer(min(5, self.options.seconds), server.process.terminate)
                timer.start()
                found = load(server.port, self.asked["wide"], clients=self.options.clients, seconds=120)
                status = server.process.wait(120)
                taken = [entry["status"] for entry in server.entries() if entry.get("path") == "/predict"]
            lost = len(taken) - found.answered
            failed = found.answered - found.statuses[200] + found.wrong + found.cut
            self.expect(status == 0, f"{backend}: exit status {status}")
            self.expect(lost == failed == 0, f"{backend}: {lost} answers lost, {failed} failed")
            rows[backend] = {
                "taken": len(taken),
                "answered": found.answered,
                "failed": failed,
                "never taken": found.unanswered + found.refused,
                "exit": status,
            }
        return rows

    def memory(self) -> tuple[Rows, str]:
        """Resident memory over many requests, in tenths of them."""
        rows: Rows = {}
        part = self.options.requests // 10
        for backend in self.backends:
            with self.served(backend, "small") as server:
                process = psutil.Process(server.process.pid)
                held = []
                for _ in range(10):
                    found = load(server.port, self.asked["small"], clients=50, most=part)
                    self.expect(found.statuses == {200: part}, f"{backend}: {found.statuses}")
                    held.append(process.memory_info().rss / 1e6)
            columns = {f"after {part * (n + 1)}": held[n] for n in (0, 1, 4, 9)}
            rows[backend] = columns | {"growth": held[9] - held[1]}
        return rows, f"{self.options.requests} requests of 50 clients; growth from the second tenth to the last"

    def plain_part(self) -> tuple[Rows, str]:
        """Ours and plain FastAPI by turns, so that a slow moment of the machine meets all."""
        rows: Rows = {}
        seconds = self.options.seconds / 6
        for network in ("small", "wide"):
            servers: dict[str, Callable[[], contextlib.AbstractContextManager[Served]]] = {
                "plain def": lambda network=network: self.plain(network, "def"),  # type: ignore[misc]
                "plain async": lambda network=network: self.plain(network, "async"),  # type: ignore[misc]
            }
            for backend in self.backends:
                servers[backend] = lambda backend=backend, network=network: self.served(  # type: ignore[misc]
                    backend, network, "--timeout", "60"
                )
            rates: dict[str, list[float]] = {name: [] for name in servers}
            for _ in range(3):
                for name, start in servers.items():
                    with start() as server:
                        found = self.ask(server, network, seconds, name, clients=50)
                        rates[name].append(found.rate)
            for name, found_rates in rates.items():
                row = {"a second": statistics.median(found_rates)}
                for kind in ("plain def", "plain async"):
                    pairs = zip(found_rates, rates[kind], strict=True)
                    row[f"of {kind}"] = statistics.median(ours / theirs for ours, theirs in pairs)
                rows[f"{network}, {name}"] = row
        return rows, f"50 clients, median of 3 rounds of {seconds:.0f} s"


def malformed_requests(count: int) -> Iterator[bytes]:
    """Requests that are wrong, each in another way; the same in every run."""
    rng = random.Random(0)
    row = [0.5] * 64
    whole = json.dumps({"rows": [row]}).encode()

    def value() -> bytes:
        wrong = rng.choice([float("nan"), float("inf"), -1.0, 1.5, 10**400, "1", None, True, [], {}])
        rows = [list(row) for _ in range(rng.randint(1, 4))]
        rng.choice(rows)[rng.randrange(64)] = wrong  # type: ignore[call-overload]
        return request(json.dumps({"rows": rows}).encode())

    def shape() -> bytes:
        lengths = [rng.choice([0, 1, 63, 65, 200]) for _ in range(rng.randint(1, 4))]
        return request(json.dumps({"rows": [[0.5] * length for length in lengths]}).encode())

    def structure() -> bytes:
        wrong = rng.choice([[], {}, 5, "rows", None, [row], {"row": [row]}, {"rows": row}, {"rows": []}])
        return request(json.dumps(rng.choice([wrong, {"rows": [row], "more": wrong}])).encode())

    def cut() -> bytes:
        return request(whole[: rng.randrange(1, len(whole))])

    def noise() -> bytes:
        return request(rng.randbytes(rng.randint(1, 500)))

    def deep() -> bytes:
        return request(rng.choice([b"[", b'{"rows":', b"9"]) * rng.randint(1500, 5000))

    def long() -> bytes:
        return request(b"[" + b"0," * rng.randint(25_000, 50_000))

    def kind() -> bytes:
        name = rng.choice([b"text/plain", b"", b"application/octet-stream", b"multipart/form-data"])
        return request(whole).replace(b"application/json", name)

    def place() -> bytes:
        path = rng.choice([b"/predict/", b"/", b"/../model.py", b"/%00", b"/predict2"]) + str(rng.random()).encode()
        return request(whole).replace(b"POST /predict", rng.choice([b"POST ", b"GET ", b"DELETE "]) + path + b"x")

    def method() -> bytes:
        return request(whole).replace(b"POST", rng.choice([b"GET", b"PUT", b"DELETE", b"PATCH"]))

    def protocol() -> bytes:
        return rng.choice([b"\x16\x03\x01", b"GET\r\n", b"POST /predict\r\n"]) + rng.randbytes(20) + b"\r\n\r\n"

    def header() -> bytes:
        wrong = rng.choice([b"X: " + b"a" * 100_000, b"Content-Length: x", b"no colon", b"\x00: 1"])
        return request(whole).replace(b"Host: here", wrong)

    kinds = [value, shape, structure, cut, noise, deep, long, kind, place, method, protocol, header]
    for number in range(count):
        yield kinds[number % len(kinds)]()


def status_of(port: int, words: bytes) -> int:
    """The status that a request gets, 0 where it gets none."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, contextlib.suppress(OSError):
        connection.sendall(words)
        line = connection.makefile("rb").readline().split()
        return int(line[1]) if len(line) > 1 else 0
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure; all")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--seconds", type=float, default=30, help="of a load")
    parser.add_argument("--clients", type=int, default=200, help="that ask at the same time")
    parser.add_argument("--requests", type=int, default=20_000, help="that memory is watched over")
    options = parser.parse_args()
    needed = {*options.backends, *(["torch"] if "plain" in options.parts else [])}
    if missing := [f'"execute({name})"' for name in sorted(needed) if not python_of(name).exists()]:
        print(f"FAILED environments are missing: run nox --install-only -s {' '.join(missing)}", file=sys.stderr)
        return 1
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory(prefix="mithril-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder).resolve(), options.backends, options)
        for part in (part for part in PARTS if part in options.parts):
            start = time.perf_counter()
            told = bench.plain_part() if part == "plain" else getattr(bench, part)()
            rows, note = told if isinstance(told, tuple) else (told, "")
            show(PARTS[part], rows, note)
            found[part] = rows | {"seconds": time.perf_counter() - start, "load_after": round(os.getloadavg()[0], 1)}
    found["failures"] = bench.failures
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "serving.json").write_text(json.dumps(found, indent=1) + "\n")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
