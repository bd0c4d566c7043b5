"""The program ``examples/serving``, run as a process in the environment of each backend."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.places import BACKENDS, ROOT, python_of
from support.served import FOLDER, Served, command_of, load, request, serving

each_backend = pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.xdist_group(f"serving-{name}")) for name in BACKENDS]
)
#: A model whose output for a row depends on the other rows.
CENTERED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mithril as ml
from mithril.models import Mean, Model, Subtract
from model import save
model = Model()
model += Mean(axis=0, keepdim=True)(input="x", output="mean")
model += Subtract()(left="x", right="mean", output=ml.IOKey("y"))
save(Path(sys.argv[2]), model, {}, input="x", output="y", features=2, low=0, high=1)
"""


def run_python(backend: str, *words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the Python of a backend to its end."""
    command = [str(python_of(backend)), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)


@pytest.fixture(scope="module")
def made() -> dict[str, Path]:
    """The models that :func:`model_of` made."""
    return {}


@pytest.fixture
def model(backend: str, made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that ``train.py`` wrote on the backend."""
    if not python_of(backend).exists():
        pytest.skip(f"the environment of {backend} was not made")
    if backend not in made:
        folder = tmp_path_factory.mktemp("model")
        words = ("--backend", backend, "--steps", "60", "--seed", "3", "--out", "digits.safetensors")
        done = run_python(backend, str(FOLDER / "train.py"), *words, folder=folder)
        assert done.returncode == 0, done.stderr
        accuracy = re.search(r"accuracy (0\.\d\d) on test images; wrote digits\.safetensors", done.stdout)
        assert accuracy and float(accuracy[1]) > 0.8
        made[backend] = folder / "digits.safetensors"
    return made[backend]


@pytest.fixture
def served(backend: str, model: Path) -> Iterator[Served]:
    """A service of that file, with batches of up to 8 rows and tight limits."""
    with serving(command_of(backend, model, "--max-batch", "8", "--timeout", "2", "--max-body", "20000")) as found:
        yield found


def direct(path: Path, rows: np.ndarray) -> np.ndarray:
    """The probabilities of digits, computed with NumPy from the weights in a file."""
    content = path.read_bytes()
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:first])
    weights = {}
    for name in header.keys() - {"__metadata__"}:
        start, end = header[name]["data_offsets"]
        assert header[name]["dtype"] == "F32"
        weights[name] = np.frombuffer(content[first + start : first + end], np.float32).reshape(header[name]["shape"])
    hidden = np.maximum(rows @ weights["w1"] + weights["b1"], 0)
    scores = np.exp(hidden @ weights["w2"] + weights["b2"])
    return scores / scores.sum(axis=1, keepdims=True)


def some_rows(count: int) -> np.ndarray:
    """Rows of 64 numbers from 0 to 1 that JSON writes in a few characters."""
    return np.random.default_rng(0).uniform(size=(count, 64)).round(3)


@pytest.mark.takes(15)
@each_backend
def test_it_answers_what_the_model_computes_and_refuses_the_rest(served: Served, model: Path) -> None:
    rows = some_rows(8)
    expected = direct(model, rows)
    for count in (1, 3, 8):
        answer = served.ask("POST", "/predict", {"rows": rows[:count].tolist()}, {"X-Request-ID": "mine"})
        assert answer.status == 200 and answer.headers["x-request-id"] == "mine"
        np.testing.assert_allclose(answer.json["outputs"], expected[:count], atol=1e-5)
        assert answer.json["labels"] == [str(digit) for digit in expected[:count].argmax(axis=1)]

    row = rows[0].tolist()
    wrong_bodies: list[tuple[object, int, str]] = [
        ({"rows": [row[:63]]}, 422, "at least 64"),
        ({"rows": [[*row, 0.5]]}, 422, "at most 64"),
        ({"rows": [row] * 9}, 422, "at most 8"),
        ({"rows": []}, 422, "at least 1"),
        ({"rows": row}, 422, "rows.0: Input should be a valid list"),
        ({"rows": [[float("nan"), *row[1:]]]}, 422, "finite"),
        ({"rows": [[float("-inf"), *row[1:]]]}, 422, "finite"),
        ({"rows": [[1.5, *row[1:]]]}, 422, "less than or equal to 1"),
        ({"rows": [[10**400, *row[1:]]]}, 422, "rows.0.0"),
        ({"rows": [["1", *row[1:]]]}, 422, "valid number"),
        ({"rows": [[True, *row[1:]]]}, 422, "valid number"),
        ({"rows": [row], "model": "x"}, 422, "model: Extra inputs"),
        ({}, 422, "rows: Field required"),
        ([1], 422, "body: "),
        (None, 415, "Content-Type"),
        (b'{"rows": [[0.5', 415, "Content-Type"),
    ]
    for body, status, words in wrong_bodies:
        answer = served.ask("POST", "/predict", body)
        assert answer.status == status and words in answer.json["detail"], (body, answer)
        assert len(answer.body) < 300
    as_json = {"Content-Type": "application/json"}
    for content, status in (
        (b'{"rows": [[0.5', 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 15_000, 400),
        (b"9" * 10_000, 400),
        (b"9" * 20_001, 413),
    ):
        assert served.ask("POST", "/predict", content, as_json).status == status, content[:20]
    assert served.ask("GET", "/predict").status == 405
    assert served.ask("GET", "/no-such-path").status == 404

    without_its_end = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{"
    for words, status_line in ((b"HELLO\r\n\r\n", b"HTTP/1.1 400 "), (without_its_end, b"HTTP/1.1 408 ")):
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
            connection.sendall(words)
            assert connection.makefile("rb").read().startswith(status_line)

    assert served.ask("POST", "/predict", {"rows": [row]}).status == 200
    assert served.metric('requests_total{path="/predict",status="200"}') == 4
    assert served.metric("batch_rows_sum") == 13
    assert [entry["event"] for entry in served.entries() if entry["level"] != "info"] == [
        "Invalid HTTP request received."
    ]

    # Many clients: each gets the answer of its own row, and they share batches.
    rows = some_rows(50)
    answers = direct(model, rows).argmax(axis=1)
    assert len(set(answers)) > 2
    asked = [
        (request(json.dumps({"rows": [row.tolist()]}).encode()), f'"labels": ["{answer}"]'.encode())
        for row, answer in zip(rows, answers, strict=True)
    ]
    found = load(served.port, asked, clients=20, most=400)
    assert found.statuses == {200: 400}
    assert (found.wrong, found.unanswered, found.cut) == (0, 0, 0)
    assert served.metric("batch_rows_sum") == 413
    assert served.metric("batch_rows_count") < 300
    assert served.stop() == 0


@pytest.mark.takes(15)
@each_backend
def test_overload_is_refused_and_a_stop_loses_no_request(backend: str, model: Path) -> None:
    """A queue that holds half of the clients: 429 for the others. Then SIGTERM: what the log has, the clients have."""
    asked = [(request(json.dumps({"rows": some_rows(1).tolist()}).encode()), b"outputs")]
    words = ("--max-batch", "4", "--max-wait-ms", "20", "--queue", "4", "--drain", "0.5")
    with serving(command_of(backend, model, *words)) as busy:
        timer = threading.Timer(2, busy.process.send_signal, [signal.SIGTERM])
        timer.start()
        found = load(busy.port, asked, clients=24, seconds=60)
        status = busy.process.wait(60)
        entries = busy.entries()
    assert status == 0
    assert set(found.statuses) == {200, 429}, found.statuses
    assert found.cut == found.wrong == 0
    assert found.refused == 24
    accepted = [entry["status"] for entry in entries if entry.get("path") == "/predict"]
    assert len(accepted) == found.answered
    assert [entry["event"] for entry in entries if entry["event"] != "request"][-2:] == ["draining", "stopped"]


@pytest.mark.takes(10)
@each_backend
def test_a_model_that_mixes_rows_is_refused(backend: str, tmp_path: Path) -> None:
    if not python_of(backend).exists():
        pytest.skip(f"the environment of {backend} was not made")
    path = tmp_path / "centered.safetensors"
    assert run_python(backend, "-c", CENTERED, str(FOLDER), str(path)).returncode == 0
    done = subprocess.run(command_of(backend, path), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    entries = [json.loads(row) for row in done.stdout.splitlines()]
    assert [entry["event"] for entry in entries] == ["listening", "failed", "stopped"]
    assert "depends on the other rows" in entries[1]["exception"]


@pytest.mark.parametrize("program", ["main.py", "train.py"])
def test_help(program: str) -> None:
    done = run_python("numpy", str(FOLDER / program), "--help")
    assert done.returncode == 0, done.stderr
    options = {"main.py": ("--model", "--max-wait-ms", "--queue"), "train.py": ("--seed", "--steps", "--out")}
    assert all(option in done.stdout for option in ("--backend", *options[program]))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--model"),
        (("--model", "no-such-file"), "--model no-such-file: No such file"),
        (("--model", "README.md"), "--model README.md: not a safetensors file"),
        (("--model", "plain.safetensors"), "its metadata lacks structure"),
        (("--model", "x", "--backend", "tensorflow"), "tensorflow"),
        (("--model", "x", "--max-batch", "0"), "--max-batch"),
        (("--model", "x", "--timeout", "nan"), "--timeout"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no model")
    (tmp_path / "plain.safetensors").write_bytes(b"\2" + b"\0" * 7 + b"{}")
    done = run_python("numpy", str(FOLDER / "main.py"), *words, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "" and told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("backend", ["numpy"])
def test_what_is_taken_or_missing_is_told_in_one_line(backend: str, model: Path, tmp_path: Path) -> None:
    """A port that another program has, and frameworks that are not installed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words, told in (
            (("--port", port), f"--port {port}: Address already in use"),
            (("--host", "192.0.2.1"), "--host 192.0.2.1"),
            *((("--backend", name), f"--backend {name}") for name in ("torch", "jax", "mlx")),
        ):
            done = run_python("numpy", str(FOLDER / "main.py"), "--model", str(model), *words, folder=tmp_path)
            assert done.returncode == 2
            assert done.stdout == "" and told in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    done = run_python("numpy", str(FOLDER / "train.py"), "--out", "no/such/folder", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "train.py: --out no/such/folder: there is no such folder\n"


@pytest.mark.parametrize("backend", ["numpy"])
def test_a_second_signal_ends_it_at_once(backend: str, model: Path) -> None:
    with serving(command_of(backend, model, "--drain", "600")) as served:
        served.process.send_signal(signal.SIGINT)
        while served.ask("GET", "/ready").status != 503:
            time.sleep(0.01)
        assert served.ask("GET", "/health").headers["connection"] == "close"
        assert served.stop() == 0


def test_the_container_holds_the_program_and_is_not_root(tmp_path: Path) -> None:
    """Its user is a number and not 0, its command needs no shell, and it has each file that is imported."""
    text = re.sub(r"\\\n\s*", " ", (FOLDER / "Containerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    steps = {name: rest for name, rest in lines if name != "COPY"}
    user = re.fullmatch(r"(\d+):\d+", steps["USER"])
    assert user and int(user[1]) > 0
    names = [name for name, _ in lines]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))

    copied = [rest.split() for name, rest in lines if name == "COPY"]
    sources = [word for words in copied for word in words[:-1] if word.endswith(".py")]
    for name in sources:
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    entry = json.loads(steps["ENTRYPOINT"])
    assert entry[:2] == ["python", "main.py"]
    done = run_python("numpy", *entry[1:2], "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    words = [*entry[2:], *json.loads(steps["CMD"])]
    assert run_python("numpy", entry[1], *words, folder=tmp_path).stderr == (
        "main.py: --model model.safetensors: No such file or directory\n"
    )
    probe = json.loads(steps["HEALTHCHECK"].partition("CMD")[2])
    assert probe[:2] == ["python", "-c"]
    compile(probe[2], "probe", "exec")
