"""Digits in halves, the training loop, and how well the tasks are done."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
from model import initial_parameters


def in_halves(pixels: np.ndarray, digits: np.ndarray) -> dict:
    """The data of images (N, 64) with pixels from 0 to 16."""
    return {
        "upper": pixels[:, :32] / 16,
        "lower": pixels[:, 32:],
        "label": np.eye(10)[digits],
    }


def weights(digit: float, draw: float) -> dict:
    """The two weights as data."""
    return {
        "weight_digit": np.full(1, float(digit)),
        "weight_draw": np.full(1, float(draw)),
    }


def fit(
    compiled: Any,
    data: dict,
    backend: ml.Backend,
    constants: dict | None = None,
    more: dict | None = None,
    steps: int = 600,
    rate: float = 0.01,
    seed: int = 0,
) -> tuple[dict, list[dict[str, float]]]:
    """Train with Adam: the parameters, and both losses of each step.

    `constants` are data that stay the same in each step, such as weights
    of losses. `more` are parameters beside those of the network.
    """
    rng = np.random.default_rng(seed)
    initial = initial_parameters(rng) | (more or {})
    params = {k: backend.array(v) for k, v in initial.items()}
    fixed = {k: backend.array(v) for k, v in (constants or {}).items()}
    mean = {k: v * 0 for k, v in params.items()}
    square, history = dict(mean), []
    for step in range(1, steps + 1):
        part = rng.choice(len(data["label"]), size=64, replace=False)
        batch = {k: backend.array(v[part]) for k, v in data.items()}
        outputs, grads = compiled.evaluate_all(params, batch | fixed)
        now = rate * (1 - (step - 1) / steps)
        now *= (1 - 0.99**step) ** 0.5 / (1 - 0.9**step)
        for k, grad in grads.items():
            mean[k] = 0.9 * mean[k] + 0.1 * grad
            square[k] = 0.99 * square[k] + 0.01 * grad * grad
            params[k] = params[k] - now * mean[k] / (square[k] ** 0.5 + 1e-8)
        history.append(
            {
                key: float(np.asarray(outputs[key])[0])
                for key in ("loss_digit", "loss_draw")
            }
        )
    return params, history


def predict(
    predictor: Any, params: dict, upper: np.ndarray, backend: ml.Backend
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 10) logits and (N, 32) lower halves for these upper halves."""
    own = {k: v for k, v in params.items() if k[0] in "wb"}
    outputs = predictor.evaluate(own, {"upper": backend.array(upper)})
    return np.asarray(outputs["logits"]), np.asarray(outputs["drawing"])


def evaluate(
    predictor: Any, params: dict, data: dict, backend: ml.Backend
) -> tuple[float, float]:
    """The accuracy, and the root of the drawings' mean squared error."""
    logits, drawing = predict(predictor, params, data["upper"], backend)
    right = logits.argmax(axis=1) == data["label"].argmax(axis=1)
    errors = drawing - data["lower"]
    return float(right.mean()), float(np.sqrt((errors**2).mean()))
