"""Vectors of images and words, and the search for the nearest."""

from __future__ import annotations

from collections.abc import Callable

import mithril as ml
import numpy as np
from model import encoder


def compile_encoders(backend: ml.Backend) -> Callable[..., np.ndarray]:
    """A function that turns images or texts into vectors."""
    encoders = {
        name: ml.compile(
            encoder(name),
            backend,
            data_keys={name},
            inference=True,
            jit=False,
        )
        for name in ("image", "text")
    }

    def encode(params: dict, name: str, values: np.ndarray) -> np.ndarray:
        """Vectors of images or of texts, as a NumPy array."""
        own = {k: v for k, v in params.items() if k.startswith(f"{name}_")}
        outputs = encoders[name].evaluate(own, {name: backend.array(values)})
        return np.asarray(outputs[f"{name}_vector"])

    return encode


def nearest(
    asked: np.ndarray, found: np.ndarray, count: int = 10
) -> np.ndarray:
    """(words, count): the places in `found` that are nearest, best first."""
    return (asked @ found.T).argsort(axis=1)[:, ::-1][:, :count]


def precision(
    asked: np.ndarray,
    meanings: np.ndarray,
    found: np.ndarray,
    labels: np.ndarray,
) -> float:
    """The share of right images among the ten best, over all words."""
    best = nearest(asked, found)
    return float((labels[best] == meanings[:, None]).mean())
