"""The program ``examples/trainer``, run as a process in the environment of each backend."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pty
import random
import re
import select
import signal
import socket
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.places import BACKENDS, ROOT, python_of

PROGRAM = ROOT / "examples" / "trainer" / "main.py"
#: What a run leaves in its folder.
FILES = {"checkpoint.safetensors", "logs", "losses.csv", "model.safetensors"}
#: Reads logs as TensorBoard does, without TensorFlow.
READ_LOGS = """\
import json
import sys

sys.modules["tensorflow"] = None
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}))
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


def command(backend: str, *words: object) -> list[str]:
    return [str(python_of(backend)), str(PROGRAM), "--backend", backend, *map(str, words)]


def run_program(backend: str, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, from a folder."""
    return subprocess.run(command(backend, *words), cwd=folder, capture_output=True, text=True, timeout=300)


def losses_of(folder: Path) -> list[tuple[int, float]]:
    """Step and loss, from what a run wrote."""
    head, *rows = (folder / "losses.csv").read_text().splitlines()
    assert head == "step,loss"
    pairs = (row.split(",") for row in rows)
    return [(int(step), float(loss)) for step, loss in pairs]


def test_help(backend: str, tmp_path: Path) -> None:
    done = run_program(backend, tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    for option in ("--backend", "--seed", "--steps", "--folder", "--part", "--clip", "--warmup", "--patience"):
        assert option in done.stdout
    assert "the same command continues" in " ".join(done.stdout.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.takes(15)
def test_it_learns_and_leaves_its_results(backend: str, tmp_path: Path) -> None:
    """With the defaults it beats 0.87, stops early, and draws no bar into a pipe. A second call has nothing to do."""
    done = run_program(backend, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = re.search(r"best validation loss ([\d.]+), test accuracy ([\d.]+)", done.stdout)
    assert found and float(found[2]) > 0.87
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == FILES
    steps = [step for step, _ in losses_of(folder)]
    assert steps == list(range(1, steps[-1] + 1)) and steps[-1] < 200 and steps[-1] % 10 == 0
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("checkpoint*")}
    again = run_program(backend, tmp_path)
    assert again.stdout == f"continue after step {steps[-1]} of 200\n{done.stdout}"
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("checkpoint*")}


@pytest.mark.takes(15)
def test_parts_of_unequal_sizes_give_the_losses_of_the_whole_batch(backend: str, tmp_path: Path) -> None:
    """Parts of 30, 30, 30 and 10 samples, or all 100 at once; the last step is no multiple of ``--every``."""
    words = ("--seed", 7, "--batch", 100, "--steps", 23, "--every", 9, "--rate", 0.01, "--warmup", 0, "--clip", 0.5)
    for part in (30, 100):
        done = run_program(backend, tmp_path, *words, "--part", part, "--folder", f"deep/part-{part}")
        assert done.returncode == 0, done.stderr
        assert "in step 23" in done.stdout
    parts, whole = (losses_of(tmp_path / "deep" / f"part-{part}") for part in (30, 100))
    assert len(parts) == len(whole) == 23
    assert [loss for _, loss in parts] == pytest.approx([loss for _, loss in whole], rel=1e-4)
    assert whole[-1][1] < whole[0][1]


#: Steps of the run that is killed: enough that it is still running when it should die.
LONG = {"numpy": 1500, "torch": 1000, "jax": 600, "mlx": 1000}


@pytest.mark.takes(60)
def test_killed_at_any_moment_it_goes_on_to_the_same_losses(backend: str, tmp_path: Path) -> None:
    """``kill -9`` at three random moments, and the same command again each time, against a run that is left alone."""
    words = ["--steps", LONG[backend], "--every", 3, "--patience", 10_000, "--rate", 0.001]
    whole = run_program(backend, tmp_path, *words, "--folder", "whole")
    assert whole.returncode == 0, whole.stderr
    killed, checkpoint = tmp_path / "killed", tmp_path / "killed" / "checkpoint.safetensors"
    for _ in range(3):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        running = subprocess.Popen(
            command(backend, *words, "--folder", "killed"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        # Begin to count when the first step was saved, however long the start took.
        while running.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.2))
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL, "it ended before it was killed: give it more steps"
        assert not (killed / "losses.csv").exists()
    last = run_program(backend, tmp_path, *words, "--folder", "killed")
    assert last.returncode == 0, last.stderr
    assert last.stdout.startswith("continue after step ")
    assert last.stdout.partition("\n")[2] == whole.stdout
    assert (killed / "losses.csv").read_bytes() == (tmp_path / "whole" / "losses.csv").read_bytes()
    assert {path.name for path in killed.iterdir()} <= FILES | {"checkpoint.safetensors.new"}
    for name in ("whole", "killed"):
        assert_logs_are_right(backend, tmp_path / name)


def assert_logs_are_right(backend: str, folder: Path) -> None:
    """TensorBoard sees each loss once, as a number of 32 bits."""
    words = [str(python_of(backend)), "-c", READ_LOGS, str(folder / "logs")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"loss/train", "loss/validation", "rate"}
    losses = losses_of(folder)
    assert [step for step, _ in found["loss/train"]] == [step for step, _ in losses]
    assert [loss for _, loss in found["loss/train"]] == pytest.approx([loss for _, loss in losses], rel=1e-6)
    assert len(found["loss/validation"]) == math.ceil(len(losses) / 3)


def test_interrupted_by_a_person_it_says_how_to_continue(tmp_path: Path) -> None:
    words = ["--steps", 100_000, "--patience", 100_000, "--folder", "run"]
    running = subprocess.Popen(
        command("numpy", *words), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as in a terminal, whatever runs the tests
    )  # fmt: skip
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    while running.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told == "interrupted; the same command continues\n"


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    """Drawn over itself, with the step and the loss."""
    main_end, program_end = pty.openpty()
    termios.tcsetwinsize(program_end, (24, 100))
    running = subprocess.Popen(command("numpy", "--steps", 30), cwd=tmp_path, stdout=program_end, stderr=program_end)
    os.close(program_end)
    shown = b""
    with contextlib.suppress(OSError):  # the program has ended
        while select.select([main_end], [], [], 60)[0] and (part := os.read(main_end, 4096)):
            shown += part
    os.close(main_end)
    assert running.wait(60) == 0
    assert re.search(rb"\r100%\|.*\| 30/30 \[.*loss \d\.\d\d\]", shown), shown


@pytest.mark.takes(40)
def test_tensorboard_shows_the_losses(tmp_path: Path, browser: Browser) -> None:
    """The real server on what a run wrote, looked at in Chromium."""
    done = run_program("numpy", tmp_path, "--steps", 20)
    assert done.returncode == 0, done.stderr
    with tensorboard(tmp_path / "run" / "logs") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        for name in ("loss/train", "loss/validation", "rate"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=60_000)
        with urllib.request.urlopen(f"{address}/data/plugin/scalars/scalars?run=.&tag=loss%2Ftrain") as answer:
            rows = json.load(answer)
        page.close()
    assert [step for _, step, _ in rows] == list(range(1, 21))


@contextlib.contextmanager
def tensorboard(logs: Path) -> Iterator[str]:
    """Where a TensorBoard server shows the logs of a folder, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port), "--load_fast", "false"]
    code = "import sys; sys.modules['tensorflow'] = None; from tensorboard.main import run_main; run_main()"
    server = subprocess.Popen([str(python_of("numpy")), "-c", code, *words], stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not answers(f"{address}/data/plugin/scalars/tags"):
            assert server.poll() is None, server.communicate()[1]
            assert time.monotonic() < deadline, "TensorBoard does not answer"
            time.sleep(0.2)
        yield address
    finally:
        server.kill()
        server.communicate()


def answers(address: str) -> bool:
    """Whether the server has read the logs."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return "loss/train" in str(json.load(answer))
    except OSError:
        return False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "argument --steps: 0 is less than 1"),
        (("--steps", "many"), "argument --steps: invalid whole number value: 'many'"),
        (("--rate", "nan"), "argument --rate: nan is not a number above 0"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--batch", "1001"), "--batch 1001: there are only 1000 samples"),
        (("--folder", "file"), "--folder file: "),
        (("--step",), "--step"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(run_program("numpy", tmp_path, *words), told)


def assert_refused(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert done.returncode == 2, done
    assert done.stdout == "" and done.stderr.startswith("main.py: ") and told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_checkpoint_that_does_not_belong_is_told_in_one_line(tmp_path: Path) -> None:
    assert run_program("numpy", tmp_path, "--steps", 10).returncode == 0
    other = run_program("numpy", tmp_path, "--steps", 20, "--seed", 1)
    assert_refused(other, "it was started with seed 0, not 1, steps 10, not 20")
    (tmp_path / "run" / "checkpoint.safetensors").write_text("no checkpoint")
    assert_refused(run_program("numpy", tmp_path, "--steps", 10), "run/checkpoint.safetensors: ")


def test_a_backend_that_is_not_installed_is_told_in_one_line(tmp_path: Path) -> None:
    """The environment of NumPy holds no other framework."""
    for name in ("torch", "jax", "mlx"):
        assert_refused(run_program("numpy", tmp_path, "--backend", name), f"--backend {name}")
