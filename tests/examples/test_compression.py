"""The program ``examples/compression``, run as a process in the environment of each backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.programs import assert_refuses, assert_succeeds, on_every_backend, run_program

PROGRAM = "compression/main.py"


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "layer.w": rng.normal(size=(61, 43)).astype("float32"),
        "kernel": rng.normal(size=(3, 3, 5, 7)).astype("float32"),
        "norm.scale": rng.normal(size=9).astype("float32"),
        "nothing": np.zeros((4, 4), "float32"),
    }
    np.savez(tmp_path / "weights.npz", **arrays)
    return arrays


@on_every_backend
@pytest.mark.parametrize(
    ("words", "near", "smaller"),
    [
        (["--values", "float32"], 1e-7, 1.0),
        (["--values", "float16"], 1e-3, 0.6),
        (["--values", "int8"], 0.02, 0.4),
        (["--values", "shared"], 0.2, 0.3),
        (["--zeros", "0.5"], 0.4, 0.7),
        (["--zeros", "0.5", "--values", "shared"], 0.45, 0.25),
    ],
)
def test_what_comes_back_is_near_and_the_file_smaller(
    backend: str, tmp_path: Path, weights: dict[str, np.ndarray], words: list[str], near: float, smaller: float
) -> None:
    assert_succeeds(run_program(PROGRAM, backend, "weights.npz", "small.npz", *words, folder=tmp_path))
    assert_succeeds(run_program(PROGRAM, backend, "small.npz", "back.npz", "--restore", folder=tmp_path))
    back = np.load(tmp_path / "back.npz")
    assert set(back.files) == set(weights)
    for key, array in weights.items():
        assert back[key].dtype == np.float32 and back[key].shape == array.shape
        assert np.linalg.norm(back[key] - array) <= near * np.linalg.norm(array)
    assert np.array_equal(back["norm.scale"], weights["norm.scale"])
    if "--zeros" in words:
        assert 0.48 < (back["layer.w"] == 0).mean() < 0.52
    raw = sum(array.nbytes for array in weights.values())
    overhead = 250 * 4 * len(weights)  # names and shapes
    assert (tmp_path / "small.npz").stat().st_size < smaller * raw + overhead


@on_every_backend
def test_factors_are_the_best_ones(backend: str, tmp_path: Path, weights: dict[str, np.ndarray]) -> None:
    for words in (["weights.npz", "small.npz", "--rank", "5"], ["small.npz", "back.npz", "--restore"]):
        assert_succeeds(run_program(PROGRAM, backend, *words, folder=tmp_path))
    back = np.load(tmp_path / "back.npz")
    found = back["layer.w.left"] @ back["layer.w.right"]
    strength = np.linalg.svd(weights["layer.w"], compute_uv=False)
    error = np.linalg.norm(found - weights["layer.w"])
    assert np.isclose(error, np.linalg.norm(strength[5:]), rtol=1e-4)


@on_every_backend
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.npz", "x.npz"], "No such file"),
        (["weights.npz", "x.npz", "--zeros", "1"], "--zeros 1.0 must be at least 0 and below 1"),
        (["weights.npz", "x.npz", "--rank", "-1"], "--rank -1 is negative"),
        (["weights.npz", "x.txt"], "must end in .npz"),
        (["weights.npz", "none/x.npz"], "its folder does not exist"),
        (["weights.npz", "x.npz", "--values", "int4"], "invalid choice"),
        (["words.npz", "x.npz"], "no file of numpy.savez"),
        (["whole.npz", "x.npz"], "a must hold finite floats"),
        (["colon.npz", "x.npz"], "contains ':'"),
    ],
)
def test_a_mistake_is_one_line(
    backend: str, tmp_path: Path, weights: dict[str, np.ndarray], words: list[str], message: str
) -> None:
    (tmp_path / "words.npz").write_text("no arrays\n")
    np.savez(tmp_path / "whole.npz", a=np.arange(3))
    np.savez(tmp_path / "colon.npz", **{"a:b": np.ones((2, 2))})
    assert_refuses(run_program(PROGRAM, backend, *words, folder=tmp_path), message)
