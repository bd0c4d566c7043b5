"""Images that move, Adam, and the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mithril as ml
import numpy as np


def with_border(images: np.ndarray) -> np.ndarray:
    """(N, side, side) images to (N, side + 2, side + 2).

    The pixels get the mean 0 and the standard deviation 1, and the border
    the smallest of their values.
    """
    scaled = (images - images.mean()) / images.std()
    border = ((0, 0), (1, 1), (1, 1))
    return np.pad(scaled, border, constant_values=scaled.min())


def moved(bordered: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images without their borders, each moved by up to one pixel."""
    count, side = len(bordered), bordered.shape[1] - 2
    pixel, sample = np.arange(side), np.arange(count)[:, None, None]
    down, right = rng.integers(3, size=(2, count, 1))
    rows = (down + pixel)[:, :, None]
    columns = (right + pixel)[:, None, :]
    return bordered[sample, rows, columns]


def draw_batches(
    bordered: np.ndarray,
    labels: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    size: int = 64,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The images of each step, newly moved, and their labels."""
    for _ in range(steps):
        part = rng.choice(len(labels), size=size, replace=False)
        yield moved(bordered[part], rng), labels[part]


def adam_step(
    params: dict,
    grads: dict,
    state: dict,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
) -> tuple[dict, dict]:
    """One Adam update: the new parameters and the new moments."""
    rate = rate * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
    new, moments = {}, {}
    for name, grad in grads.items():
        mean, square = state[name]
        mean = beta1 * mean + (1 - beta1) * grad
        square = beta2 * square + (1 - beta2) * grad * grad
        new[name] = params[name] - rate * mean / (square**0.5 + 1e-8)
        moments[name] = mean, square
    return new, moments


def train(
    compiled: Any,
    params: dict,
    batches: list[tuple[np.ndarray, np.ndarray]],
    classes: int,
    backend: ml.Backend,
    rate: float = 0.012,
) -> tuple[dict, list[float]]:
    """The trained parameters, and the loss of each step."""
    state = {k: (backend.zeros_like(v),) * 2 for k, v in params.items()}
    one_hot, steps, losses = np.eye(classes), len(batches), []
    for step, (images, labels) in enumerate(batches, start=1):
        data = {
            "image": backend.array(images),
            "label": backend.array(one_hot[labels]),
        }
        outputs, grads = compiled.evaluate_all(params, data)
        now = rate * min(step / 20, 1 - (step - 1) / steps)
        params, state = adam_step(params, grads, state, step, now)
        losses.append(float(outputs["loss"]))
    return params, losses
