"""The program ``examples/vision_transformer``, run as a process in the environment of each backend."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from support.programs import (
    assert_refuses,
    assert_refuses_missing_backends,
    assert_succeeds,
    on_every_backend,
    run_program,
)

PROGRAM = "vision_transformer/main.py"
#: A model so small that a test takes seconds.
SMALL = ("--width", "8", "--layers", "1", "--heads", "2")


@on_every_backend
def test_help(backend: str) -> None:
    shown = assert_succeeds(run_program(PROGRAM, backend, "--help"))
    for option in ("--backend", "--seed", "--steps", "--images", "--patch", "--width", "--layers", "--heads"):
        assert option in shown


@on_every_backend
@pytest.mark.takes(20)
def test_it_beats_its_baseline_as_it_comes(backend: str) -> None:
    shown = assert_succeeds(run_program(PROGRAM, backend, "--backend", backend))
    assert "18,218 parameters, 1,347 images to train on, 450 to test" in shown
    found = re.search(r"accuracy ([\d.]+) on test images; logistic regression ([\d.]+)", shown)
    assert found and float(found[1]) > float(found[2]) + 0.1


@on_every_backend
def test_images_of_ones_own(backend: str, tmp_path: Path) -> None:
    """Images of another size, with words as labels, in patches of another size; two runs are equal."""
    rng = np.random.default_rng(0)
    labels = np.array(["left", "right"] * 40)
    images = rng.normal(scale=0.1, size=(80, 6, 6))
    images[::2, :, :3] += 1
    images[1::2, :, 3:] += 1
    np.savez(tmp_path / "mine.npz", images=images, labels=labels)
    words = ("--backend", backend, *SMALL, "--images", "mine.npz", "--patch", "3", "--steps", "60", "--seed", "5")
    first, second = (run_program(PROGRAM, backend, *words, folder=tmp_path) for _ in range(2))
    shown = assert_succeeds(first)
    assert shown == assert_succeeds(second)
    assert "60 images to train on, 20 to test" in shown
    assert "accuracy 1.00 on test images" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "--steps"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--heads", "5"), "--heads 5 does not divide --width 32"),
        (("--patch", "3"), "--patch 3 does not divide"),
        (("--images", "no-such-file.npz"), "no-such-file.npz"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    assert_refuses(run_program(PROGRAM, "numpy", *words), told)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"pictures": np.zeros((4, 2, 2))}, "lacks the arrays"),
        ({"images": np.ones((8, 2, 4)), "labels": np.arange(8) % 2}, "(8, 2, 4)"),
        ({"images": np.ones((8, 2, 2)), "labels": np.arange(8) % 2}, "no finite, varied numbers"),
        ({"images": np.full((8, 2, 2), "a"), "labels": np.arange(8) % 2}, "no finite, varied numbers"),
        ({"images": np.random.default_rng(0).random((8, 2, 2)), "labels": np.arange(8)}, "class"),
        ({"images": np.random.default_rng(0).random((8, 2, 2)), "labels": np.zeros(8)}, "one class"),
    ],
    ids=["other names", "not square", "all alike", "no numbers", "one of each class", "one class"],
)
def test_unusable_images_are_told_in_one_line(held: dict[str, np.ndarray], told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **held)
    assert_refuses(run_program(PROGRAM, "numpy", "--images", "mine.npz", folder=tmp_path), told)


def test_a_file_of_another_kind_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("cut.npz", "empty.npz", "array.npy"):
        assert_refuses(run_program(PROGRAM, "numpy", "--images", name, folder=tmp_path), name)


def test_a_backend_that_is_not_installed_is_told_in_one_line() -> None:
    assert_refuses_missing_backends(PROGRAM)
