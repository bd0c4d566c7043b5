"""The programs of ``examples/``, run as a reader runs them: each a process in the environment of a backend."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.places import BACKENDS, ROOT, clean, python_of

#: Parametrizes a test by ``backend``, whose name ``nox -s "examples(numpy)"`` selects.
on_every_backend = pytest.mark.parametrize("backend", BACKENDS)


def run_program(
    program: str, backend: str, *words: object, folder: Path = ROOT, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in any folder and without this repository's variables.

    Parameters
    ----------
    program
        Its file under ``examples/``, such as ``gpt/main.py``.
    backend
        In whose environment; the test is skipped where that was not made.
    words
        The command line.
    """
    command = [str(ROOT / "examples" / program), *map(str, words)]
    return _run(backend, command, cwd=folder, timeout=timeout)


def run_code(
    example: str, backend: str, code: str, *words: object, folder: Path = ROOT, given: str = "", **variables: str
) -> str:
    """What code printed that ran to its good end and may import the modules of an example and of its folder.

    Parameters
    ----------
    example
        The folder under ``examples/``, such as ``migrate``.
    backend
        In whose environment; the test is skipped where that was not made.
    words
        The command line.
    given
        Its standard input.
    variables
        Environment variables beside those of every program.
    """
    variables["PYTHONPATH"] = f"{ROOT / 'examples' / example}:{folder}"
    command = ["-c", code, *map(str, words)]
    return assert_succeeds(_run(backend, command, variables, cwd=folder, input=given, timeout=900))


def _run(
    backend: str, words: list[str], variables: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    python = python_of(backend)
    if not python.exists():
        pytest.skip(f"the environment of {backend} was not made")
    # A small model gains nothing by more threads, and tests run side by side.
    environment = clean(python.parent) | {"OMP_NUM_THREADS": "1"} | (variables or {})
    return subprocess.run([str(python), *words], capture_output=True, text=True, env=environment, **options)


def assert_succeeds(done: subprocess.CompletedProcess[str]) -> str:
    """What a program printed that ended well."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_refuses(done: subprocess.CompletedProcess[str], told: str) -> None:
    """A program took bad input for that: it says what is wrong in one line, and ends with status 2."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and told in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def assert_refuses_missing_backends(program: str) -> None:
    """In the environment of NumPy, which holds no other framework, a program says so in one line.

    Mithril has a stand-in for JAX that raises when it is made, and no class for MLX.
    """
    for name in ("jax", "mlx"):
        assert_refuses(run_program(program, "numpy", "--backend", name), f"--backend {name}")
