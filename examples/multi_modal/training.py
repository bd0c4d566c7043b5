"""Batches of images and names, Adam, and the training loop."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
from words import letter_pairs


def make_batch(
    images: np.ndarray,
    labels: np.ndarray,
    names: np.ndarray,
    rng: np.random.Generator,
) -> dict:
    """60 images and 20 names, and which of them belong together.

    `names` (languages, 10) holds the name of each digit in each language.
    """
    part = rng.choice(len(labels), size=60, replace=False)
    meaning = np.tile(np.arange(10), 2)
    words = names[rng.integers(len(names), size=20), meaning]
    same = (labels[part][:, None] == meaning).astype(float)
    per_word = np.maximum(same.sum(axis=0), 1)
    return {
        "image": images[part],
        "text": letter_pairs(words),
        "row_target": same / same.sum(axis=1, keepdims=True),
        "column_target": (same / per_word).T,
    }


def adam_step(
    params: dict,
    grads: dict,
    state: dict,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
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
    images: np.ndarray,
    labels: np.ndarray,
    names: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    backend: ml.Backend,
    rate: float = 0.005,
) -> tuple[dict, list[float]]:
    """The trained parameters, and the loss of each step."""
    state = {name: (v * 0, v * 0) for name, v in params.items()}
    losses = []
    for step in range(1, steps + 1):
        batch = make_batch(images, labels, names, rng)
        data = {key: backend.array(value) for key, value in batch.items()}
        outputs, grads = compiled.evaluate_all(params, data)
        params, state = adam_step(params, grads, state, step, rate)
        losses.append(float(outputs["final_cost"]))
    return params, losses
