"""Train a classifier of handwritten digits and write its file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
from command import Parser, make_backend, refuse, whole
from mithril.models import (
    Linear,
    Mean,
    Model,
    Relu,
    Softmax,
    SquaredError,
    TrainModel,
)
from model import save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def network() -> Model:
    """(rows, 64) pixels to (rows, 10) probabilities."""
    model = Model()
    model += Linear(32)(input="pixels", w="w1", b="b1", output="hidden")
    model += Relu()(input="hidden", output="active")
    model += Linear(10)(input="active", w="w2", b="b2", output="scores")
    model += Softmax()(input="scores", output=ml.IOKey("probabilities"))
    return model


def digits() -> tuple[np.ndarray, ...]:
    """Pixels from 0 to 1 and labels: two to train on, two to test with."""
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        pixels / 16, labels, test_size=450, stratify=labels, random_state=1
    )
    train_pixels, test_pixels, train_labels, test_labels = parts
    return train_pixels, train_labels, test_pixels, test_labels


def train(backend: ml.Backend, seed: int, steps: int) -> dict[str, Any]:
    """The parameters after some steps of Adam on all training images.

    The loss is the mean squared error of the probabilities.
    """
    pixels, labels, *_ = digits()
    with_loss = TrainModel(network())
    with_loss.add_loss(
        SquaredError(),
        input="probabilities",
        target="truth",
        reduce_steps=[Mean()],
    )
    compiled = ml.compile(
        with_loss,
        backend,
        data_keys={"pixels", "truth"},
        jit=isinstance(backend, ml.JaxBackend),
    )
    data = {
        "pixels": backend.array(pixels),
        "truth": backend.array(np.eye(10)[labels]),
    }
    rng = np.random.default_rng(seed)
    initial = {
        "w1": rng.normal(scale=(2 / 64) ** 0.5, size=(64, 32)),
        "b1": np.zeros(32),
        "w2": rng.normal(scale=(2 / 32) ** 0.5, size=(32, 10)),
        "b2": np.zeros(10),
    }
    params = {k: backend.array(v) for k, v in initial.items()}
    mean = {k: v * 0 for k, v in params.items()}
    square = dict(mean)
    for step in range(1, steps + 1):
        grads = compiled.evaluate_gradients(params, data)
        rate = 0.02 * (1 - 0.99**step) ** 0.5 / (1 - 0.9**step)
        for k, grad in grads.items():
            mean[k] = 0.9 * mean[k] + 0.1 * grad
            square[k] = 0.99 * square[k] + 0.01 * grad * grad
            params[k] = params[k] - rate * mean[k] / (square[k] ** 0.5 + 1e-8)
    return params


def write(path: Path, params: dict[str, Any]) -> None:
    """The file that `main.py` serves."""
    save(
        path,
        network(),
        params,
        input="pixels",
        output="probabilities",
        features=64,
        low=0.0,
        high=1.0,
        labels=[str(digit) for digit in range(10)],
    )


def main(words: list[str] | None = None) -> None:
    """Train, tell the accuracy on the test images, and write the file."""
    parser = Parser(
        prog="train.py",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--backend", choices=["numpy", "torch", "jax", "mlx"], default="numpy"
    )
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0)
    parser.add_argument("--steps", type=whole(1, 100_000), default=150)
    parser.add_argument(
        "--out", type=Path, default=Path("digits.safetensors"), metavar="FILE"
    )
    given = parser.parse_args(words)
    if not given.out.resolve().parent.is_dir():
        refuse(f"--out {given.out}: there is no such folder")
    backend = make_backend(given.backend)
    params = train(backend, given.seed, given.steps)
    _, _, pixels, labels = digits()
    predictor = ml.compile(
        network(), backend, data_keys={"pixels"}, inference=True, jit=False
    )
    data = {"pixels": backend.array(pixels)}
    found = np.asarray(predictor.evaluate(params, data)["probabilities"])
    accuracy = (found.argmax(axis=1) == labels).mean()
    write(given.out, params)
    print(f"accuracy {accuracy:.2f} on test images; wrote {given.out.name}")


if __name__ == "__main__":
    sys.exit(main())
