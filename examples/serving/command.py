"""What the command lines of this folder share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import mithril as ml


def whole(smallest: int, largest: int) -> Callable[[str], int]:
    """A whole number between these two, for an option."""

    def number(word: str) -> int:
        value = int(word)
        if not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(
                f"{value} is not between {smallest} and {largest}"
            )
        return value

    number.__name__ = "whole number"
    return number


def seconds(word: str) -> float:
    """A time from 0 up to an hour, for an option."""
    value = float(word)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{word} is not between 0 and 3600")
    return value


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        if name == "mlx":
            # Off macOS, Mithril keeps this class out of its top module.
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
