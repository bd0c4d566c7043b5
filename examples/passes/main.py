"""Apply the passes to models of a file, and compare what they compute."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import mithril as ml
from conformance import outcomes
from operators import register

BACKENDS = ("numpy", "torch", "jax", "mlx")


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        if name == "mlx":  # Off macOS, Mithril hides the class, and
            # programs with registered operators look for it there.
            from mithril.backends.with_autograd.mlx_backend import MlxBackend

            ml.MlxBackend = MlxBackend
        classes = {
            "numpy": ml.NumpyBackend,
            "torch": ml.TorchBackend,
            "jax": ml.JaxBackend,
            "mlx": ml.MlxBackend,
        }
        return classes[name]()
    except (ImportError, RuntimeError) as error:
        refuse(
            f"--backend {name}: {str(error).rstrip('.')}. "
            "Install its framework, or choose another backend."
        )


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each model. The status is 1 if numbers differ."""
    parser = Parser(prog="main.py", description=__doc__)
    parser.add_argument(
        "models",
        type=Path,
        help="a file like models.toml: how to make each model, and inputs",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="the models to try (default: all)",
    )
    given = parser.parse_args(words)
    backend = make_backend(given.backend)
    register(backend)
    tried = touched = 0
    different = []
    try:
        for name, way, one in outcomes(backend, given.models, given.only):
            tried += not one.reason
            fired = {k: n for k, n in one.found.items() if n}
            touched += bool(fired)
            passes = ", ".join(f"{k} {n}" for k, n in fired.items())
            if one.different:
                keys = ", ".join(one.different)
                different.append(name)
                print(f"{name}, {way}: {passes}: DIFFERENT: {keys}")
            elif fired:
                print(f"{name}, {way}: {passes}: equal")
    except (OSError, ValueError) as error:
        refuse(f"{given.models}: {error}")
    print(
        f"{tried} programs ran, {touched} were changed, "
        f"{len(different)} became different"
    )
    return int(bool(different))


if __name__ == "__main__":
    raise SystemExit(main())
