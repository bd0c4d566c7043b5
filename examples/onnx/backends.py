"""Mithril's backends by name, imported only when chosen."""

from __future__ import annotations

import mithril as ml

BACKENDS = ("numpy", "torch", "jax", "mlx")


def make_backend(name: str) -> ml.Backend:
    """A backend.

    Raises
    ------
    ImportError, RuntimeError
        If its framework is not installed.
    """
    if name == "mlx":  # Off macOS, Mithril hides the class.
        from mithril.backends.with_autograd.mlx_backend import MlxBackend

        return MlxBackend()
    classes = {
        "numpy": ml.NumpyBackend,
        "torch": ml.TorchBackend,
        "jax": ml.JaxBackend,
    }
    return classes[name]()
