"""The task: tell which digit an image shows. Write your own beside it."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
from mithril.models import (
    Exponential,
    Linear,
    Log,
    Max,
    Mean,
    Model,
    Multiply,
    Subtract,
    Sum,
    Tanh,
)

#: The inputs of the network that are data.
DATA = {"x", "digit"}


def network() -> Model:
    """(N, 64) pixels and (N, 10) one-hot digits to logits and a loss.

    The loss is the mean cross-entropy, and has the shape ().
    """
    model = Model()
    model += Linear(32)(input="x", w="w1", b="b1")
    model += Tanh()
    model += Linear(10)(w="w2", b="b2", output=ml.IOKey("logits"))
    model += Max(axis=1, keepdim=True)(input="logits", output="largest")
    model += Subtract()(left="logits", right="largest", output="shifted")
    model += Exponential()(input="shifted", output="exponential")
    model += Sum(axis=1)(input="exponential", output="total")
    model += Log()(input="total", output="log_total")
    model += Multiply()(left="shifted", right="digit", output="chosen")
    model += Sum(axis=1)(input="chosen", output="score")
    model += Subtract()(left="log_total", right="score", output="each")
    model += Mean()(input="each", output=ml.IOKey("loss"))
    return model


def start(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights and biases of zero."""
    return {
        "w1": rng.normal(scale=64**-0.5, size=(64, 32)),
        "b1": np.zeros(32),
        "w2": rng.normal(scale=32**-0.5, size=(32, 10)),
        "b2": np.zeros(10),
    }


def samples() -> dict[str, dict[str, np.ndarray]]:
    """1,000 images to learn from, 300 to validate with and 497 to test."""
    from sklearn.datasets import load_digits  # slow, and not for --help

    pixels, digits = load_digits(return_X_y=True)
    x, digit = pixels / 16, np.eye(10)[digits]
    parts = {
        "train": slice(0, 1000),
        "validation": slice(1000, 1300),
        "test": slice(1300, None),
    }
    return {
        name: {"x": x[rows], "digit": digit[rows]}
        for name, rows in parts.items()
    }


def accuracy(logits: Any, digit: np.ndarray) -> float:
    """The share of images with the highest logit at the right digit."""
    right = np.asarray(logits).argmax(axis=1) == digit.argmax(axis=1)
    return float(right.mean())
