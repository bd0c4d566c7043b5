"""What the two programs share: backends by name, and mistakes in one line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import mithril as ml

BACKENDS = ("numpy", "torch", "jax", "mlx")


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    name = Path(sys.argv[0]).name
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        if name == "mlx":  # Off macOS, Mithril hides the class.
            from mithril.backends.with_autograd.mlx_backend import MlxBackend

            return MlxBackend()
        classes = {
            "numpy": ml.NumpyBackend,
            "torch": ml.TorchBackend,
            "jax": ml.JaxBackend,
        }
        return classes[name]()
    except (ImportError, RuntimeError) as error:
        refuse(
            f"--backend {name}: {str(error).rstrip('.')}. "
            "Install its framework, or choose another backend."
        )
