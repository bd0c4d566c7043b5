"""The program ``examples/graph_network``, run as a process in the environment of each backend."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from support import programs
from support.places import BACKENDS, python_of

SCORES = r"accuracy ([\d.]+) on other nodes; without edges ([\d.]+), label spreading ([\d.]+)"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


run_program = functools.partial(programs.run_program, "graph_network/main.py")


def two_rings(folder: Path) -> dict[str, np.ndarray]:
    """A file with two rings of twelve nodes each, which are the classes, and features that say nothing.

    The last node of each ring is of unknown class.
    """
    ring = np.arange(12)
    once = np.stack([ring, (ring + 1) % 12], axis=1)
    twice = np.stack([ring, (ring + 3) % 12], axis=1)
    arrays = {
        "edges": np.concatenate([once, twice, once + 12, twice + 12]),
        "features": np.eye(24),
        "labels": np.array([0] * 11 + [-1] + [1] * 11 + [-1]),
    }
    np.savez(folder / "rings.npz", **arrays)
    return arrays


def test_help(backend: str) -> None:
    done = run_program(backend, "--help")
    assert done.returncode == 0, done.stderr
    for option in ("--backend", "--seed", "--steps", "--layer", "--data", "--labels", "--out"):
        assert option in done.stdout


def test_the_defaults_beat_a_network_without_edges(backend: str) -> None:
    done = run_program(backend, "--backend", backend)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("700 nodes, 4585 edges, 100 labels\n")
    found = re.search(SCORES, done.stdout)
    assert found and float(found[1]) > float(found[2]) + 0.04 and float(found[1]) > float(found[3])
    assert re.search(r"accuracy [\d.]+ on three new graphs; without edges [\d.]+", done.stdout)


@pytest.mark.parametrize("layer", ["mean", "gat"])
def test_a_graph_of_ones_own(backend: str, layer: str, tmp_path: Path) -> None:
    """One label a ring is enough; the classes are written for all nodes; two runs are equal."""
    two_rings(tmp_path)
    words = ("--backend", backend, "--data", "rings.npz", "--layer", layer, "--labels", "1", "--layers", "4")
    words += ("--seed", "3", "--steps", "80", "--width", "16", "--out", "classes.npy")
    first = run_program(backend, *words, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    found = re.search(SCORES, first.stdout)
    assert found and float(found[1]) == 1 > float(found[2])
    assert np.load(tmp_path / "classes.npy").tolist() == [0] * 12 + [1] * 12
    assert run_program(backend, *words, folder=tmp_path).stdout == first.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "--steps"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--layer", "max"), "--layer"),
        (("--heads", "5"), "--heads 5 does not divide --width 32"),
        (("--labels", "1000"), "--labels 1000"),
        (("--data", "no-such-file.npz"), "no-such-file.npz"),
        (("--data", "README.md"), "README.md"),
        (("--out", "no-such-folder/classes.npy"), "--out"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    told_in_one_line(run_program("numpy", *words), told)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"edges": np.array([[0, 24]])}, "outside 0 to 23"),
        ({"edges": np.array([[0, -1]])}, "outside 0 to 23"),
        ({"edges": np.array([0, 1])}, "must be (E, 2)"),
        ({"edges": np.array([[0.0, 1.0]])}, "must be integers"),
        ({"features": np.ones((5, 2))}, "(N, F)"),
        ({"features": np.full((24, 2), np.nan)}, "finite"),
        ({"labels": np.zeros(24, dtype=int)}, "--labels 10"),
        ({"labels": np.full(24, -1)}, "--labels 10"),
        ({"labels": np.array([0, 2] * 12)}, "--labels 10"),
        ({"labels": None}, "labels"),
    ],
)
def test_a_bad_file_is_told_in_one_line(changed: dict[str, np.ndarray | None], told: str, tmp_path: Path) -> None:
    arrays = {name: value for name, value in (two_rings(tmp_path) | changed).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    told_in_one_line(run_program("numpy", "--data", "bad.npz", folder=tmp_path), told)


def told_in_one_line(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert done.returncode == 2
    assert done.stdout == "" and told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_backend_that_is_not_installed_is_told_in_one_line() -> None:
    """The environment of NumPy holds no other framework."""
    for name in ("torch", "jax", "mlx"):
        told_in_one_line(run_program("numpy", "--backend", name), f"--backend {name}")
