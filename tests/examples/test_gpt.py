"""The program ``examples/gpt``, run as a process in the environment of each backend."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from support import programs
from support.places import BACKENDS, python_of

#: A model so small that the default text and optimizer take seconds.
SMALL = ("--steps", "6", "--context", "8", "--width", "8", "--layers", "1", "--heads", "2", "--merges", "4")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


run_program = functools.partial(programs.run_program, "gpt/main.py")


def test_help(backend: str) -> None:
    done = run_program(backend, "--help")
    assert done.returncode == 0, done.stderr
    for option in ("--backend", "--seed", "--steps", "--text", "--weights", "--temperature", "--top-k"):
        assert option in done.stdout


def test_it_trains_and_writes(backend: str) -> None:
    done = run_program(backend, "--backend", backend, "--seed", "3", *SMALL, "--prompt", "If")
    assert done.returncode == 0, done.stderr
    assert re.search(r"loss \d+\.\d\d in the first step, \d+\.\d\d in the last", done.stdout)
    assert re.search(r"perplexity [\d.]+ on held-out text; bigram [\d.]+, trigram [\d.]+", done.stdout)
    assert done.stdout.splitlines()[3].startswith("If")


def test_a_text_of_ones_own(backend: str, tmp_path: Path) -> None:
    """A model that learns a text of one sentence beats the bigram and continues it; two runs are equal."""
    text = tmp_path / "mine.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log\n" * 60, encoding="utf-8")
    words = ("--backend", backend, "--text", str(text), "--steps", "150", "--context", "16", "--width", "16")
    words += ("--heads", "2", "--layers", "1", "--merges", "0", "--temperature", "0", "--prompt", "the dog")
    first, second = (run_program(backend, *words, folder=tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    found = re.search(r"perplexity ([\d.]+) .* bigram ([\d.]+)", first.stdout)
    assert found and float(found[1]) < float(found[2])
    assert "the dog sat on the " in first.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "--steps"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--heads", "5"), "--heads 5 does not divide --width 48"),
        (("--temperature", "nan"), "--temperature"),
        (("--text", "no-such-file.txt"), "no-such-file.txt"),
        (("--prompt", ""), "--prompt"),
        (("--context", "100000"), "--context 100000"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    done = run_program("numpy", *words)
    assert done.returncode == 2
    assert done.stdout == "" and told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_backend_that_is_not_installed_is_told_in_one_line() -> None:
    """The environment of NumPy holds no other framework."""
    for name in ("torch", "jax", "mlx"):
        done = run_program("numpy", "--backend", name)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1 and f"--backend {name}" in done.stderr
