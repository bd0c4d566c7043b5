"""Train a vision transformer on small images; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

import mithril as ml
import numpy as np
from model import initial_parameters, vit, with_loss
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from training import draw_batches, moved, train, with_border

BATCH = 64


def whole(smallest: int) -> Callable[[str], int]:
    """A whole number of at least this much, for an option."""

    def number(word: str) -> int:
        value = int(word)
        if value < smallest:
            raise argparse.ArgumentTypeError(
                f"{value} is less than {smallest}"
            )
        return value

    number.__name__ = "whole number"
    return number


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End the program with the message."""
        refuse(message)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Train a vision transformer on small gray images.",
    )
    parser.add_argument(
        "--backend", choices=["numpy", "torch", "jax", "mlx"], default="numpy"
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        help="of all random numbers (default 0)",
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        default=300,
        help="training steps (default 300)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="a .npz file with the arrays images (N, side, side) and "
        "labels (N,) (default: scikit-learn's digits)",
    )
    parser.add_argument(
        "--patch",
        type=whole(1),
        default=2,
        help="pixels on the side of a patch; must divide the side of the "
        "images (default 2)",
    )
    parser.add_argument(
        "--width",
        type=whole(1),
        default=32,
        help="numbers for each patch (default 32)",
    )
    parser.add_argument(
        "--layers",
        type=whole(1),
        default=2,
        help="transformer blocks (default 2)",
    )
    parser.add_argument(
        "--heads",
        type=whole(1),
        default=4,
        help="must divide the width (default 4)",
    )
    given = parser.parse_args(words)
    if given.width % given.heads:
        refuse(f"--heads {given.heads} does not divide --width {given.width}")
    return given


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        # Off macOS, Mithril keeps this class out of its top module.
        if name == "mlx":
            from mithril.backends.with_autograd.mlx_backend import MlxBackend

            return MlxBackend()
        return {
            "numpy": ml.NumpyBackend,
            "torch": ml.TorchBackend,
            "jax": ml.JaxBackend,
        }[name]()
    except (ImportError, RuntimeError) as error:
        refuse(
            f"--backend {name}: {str(error).rstrip('.')}. "
            "Install its framework, or choose another backend."
        )


def load(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, side, side) and labels (N,)."""
    if path is None:
        digits = load_digits()
        return digits.images, digits.target
    try:
        held = np.load(path)
        images, labels = held["images"], held["labels"]
    except (KeyError, IndexError):
        refuse(f"--images {path}: it lacks the arrays images and labels")
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        refuse(f"--images {path}: {error}")
    square = images.ndim == 3 and images.shape[1] == images.shape[2]
    if not square or labels.shape != images.shape[:1]:
        refuse(
            f"--images {path}: the shapes are {images.shape} and "
            f"{labels.shape}, and must be (N, side, side) and (N,)"
        )
    if images.dtype.kind not in "biuf" or not 0 < images.std() < np.inf:
        refuse(f"--images {path}: its pixels are no finite, varied numbers")
    if len(np.unique(labels)) < 2:
        refuse(f"--images {path}: all its labels are of one class")
    return images.astype(np.float64), labels


def split(
    labels: np.ndarray, path: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which images to train on, and the quarter of each class to test."""
    try:
        train_part, test_part = train_test_split(
            np.arange(len(labels)),
            test_size=0.25,
            stratify=labels,
            random_state=1,
        )
    except ValueError as error:
        refuse(f"--images {path}: {error}")
    return train_part, test_part


def measure(
    predictor: Any,
    params: dict,
    images: np.ndarray,
    labels: np.ndarray,
    backend: ml.Backend,
) -> float:
    """The accuracy on these images."""
    correct = 0
    # Attention to all images at once could need much memory.
    for start in range(0, len(images), 256):
        data = {"image": backend.array(images[start : start + 256])}
        logits = np.asarray(predictor.evaluate(params, data)["logits"])
        answers = logits.argmax(axis=1)
        correct += int((answers == labels[start : start + 256]).sum())
    return correct / len(images)


def main() -> None:
    """Train, and compare with logistic regression on the same images."""
    given = options()
    backend = make_backend(given.backend)
    images, names = load(given.images)
    side = images.shape[1]
    if side % given.patch:
        refuse(f"--patch {given.patch} does not divide the side of {side}")
    classes, labels = np.unique(names, return_inverse=True)
    train_part, test_part = split(labels, given.images)
    bordered = with_border(images)
    test_images = moved(bordered[test_part], np.random.default_rng(7))

    config = {
        "side": side,
        "patch": given.patch,
        "width": given.width,
        "layers": given.layers,
        "heads": given.heads,
        "classes": len(classes),
    }
    rng = np.random.default_rng(given.seed)
    initial = initial_parameters(**config, rng=rng)
    params = {name: backend.array(value) for name, value in initial.items()}
    size = sum(value.size for value in initial.values())
    print(
        f"{size:,} parameters, {len(train_part):,} images to train on, "
        f"{len(test_part):,} to test"
    )
    compiled = ml.compile(
        with_loss(vit(**config)),
        backend,
        data_keys={"image", "label"},
        shapes={"image": [None, side, side]},
        jit=isinstance(backend, ml.JaxBackend),
    )
    batches = list(
        draw_batches(
            bordered[train_part],
            labels[train_part],
            given.steps,
            rng,
            size=min(BATCH, len(train_part)),
        )
    )
    params, losses = train(compiled, params, batches, len(classes), backend)
    print(
        f"loss {losses[0]:.2f} in the first step, {losses[-1]:.2f} in the last"
    )

    predictor = ml.compile(
        vit(**config),
        backend,
        data_keys={"image"},
        inference=True,
        jit=False,
    )
    found = measure(predictor, params, test_images, labels[test_part], backend)
    seen = np.concatenate([images for images, _ in batches])
    answers = np.concatenate([labels for _, labels in batches])
    regression = LogisticRegression(max_iter=1000)
    regression.fit(seen.reshape(len(seen), -1), answers)
    flat = test_images.reshape(len(test_images), -1)
    linear = regression.score(flat, labels[test_part])
    print(
        f"accuracy {found:.2f} on test images; "
        f"logistic regression {linear:.2f}"
    )


if __name__ == "__main__":
    main()
