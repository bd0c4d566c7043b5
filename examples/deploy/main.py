"""Make a release of a model, and try it in a new process; see --help."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from model import MODELS, SHAPES
from predict import BACKENDS, TOLERANCE, make_backend
from training import accuracy, digits, train
from ways import (
    WAYS,
    RefusedError,
    Trained,
    export,
    reason_against,
    run_release,
    scores,
)


def refuse(message: object) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(2)


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def whole(smallest: int):
    """A whole number of at least this much, for an option."""

    def number(word: str) -> int:
        value = int(word)
        if value < smallest:
            raise argparse.ArgumentTypeError(
                f"{value} is less than {smallest}"
            )
        return value

    number.__name__ = "whole number"
    return number


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Make a release of a model, and try it in a new process.",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="numpy",
        help="what trains (default numpy)",
    )
    parser.add_argument(
        "--way",
        choices=["list", *WAYS],
        default="list",
        help="how the model leaves; list: what works here (default)",
    )
    parser.add_argument(
        "--out", type=Path, help="the folder to make; it must not exist"
    )
    parser.add_argument(
        "--model",
        choices=MODELS,
        default="network",
        help="default network; C takes the linear one only",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        help="a .npz file with trained weights (default: train)",
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        default=300,
        help="training steps (default 300)",
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        help="of all random numbers (default 0)",
    )
    return parser.parse_args()


def read_weights(path: Path, model: str) -> dict[str, np.ndarray]:
    """The weights in a file, if they fit the model."""
    try:
        with np.load(path) as file:
            weights = {key: file[key] for key in file.files}
    except (OSError, ValueError, AttributeError) as error:
        refuse(f"--weights {path}: {error}")
    shapes = {key: value.shape for key, value in weights.items()}
    if shapes != SHAPES[model]:
        refuse(f"--weights {path}: {shapes}, expected {SHAPES[model]}")
    return weights


def list_ways(model: str) -> None:
    """Print what each way is, and whether it works here."""
    for way, told in WAYS.items():
        reason = reason_against(way, model)
        print(f"{way:13} {told.about}")
        print(f"{'':13} {'works' if reason is None else f'no: {reason}'}")


def try_out(folder: Path, pixels: np.ndarray) -> tuple[np.ndarray, Any]:
    """The scores of a new process, and the times that it measured."""
    with tempfile.TemporaryDirectory() as name:
        rows, target = Path(name, "rows.npy"), Path(name, "scores.npy")
        np.save(rows, pixels)
        done = run_release(folder, "--measure", rows, target)
        if done.returncode:
            refuse(f"the new process failed: {done.stderr.strip()}")
        return np.load(target), json.loads(done.stdout.splitlines()[0])


def main() -> None:
    """Train or load, export, try in a new process, and tell what came."""
    given = options()
    if given.way == "list":
        list_ways(given.model)
        return
    if given.out is None:
        refuse("--out: name the folder of the release")
    if given.out.exists():
        refuse(f"--out {given.out}: it exists")
    if reason := reason_against(given.way, given.model):
        refuse(f"{given.way}: {reason}")
    try:
        backend = make_backend(given.backend)
    except ImportError as error:
        refuse(f"--backend {given.backend}: {error}")
    weights = (
        read_weights(given.weights, given.model)
        if given.weights
        else train(given.model, backend, given.seed, given.steps)
    )
    trained = Trained(given.model, given.backend, weights)
    _, _, pixels, labels = digits()
    here = scores(trained, pixels)
    print(
        f"{given.model} on {given.backend}: {accuracy(here, labels):.1%} "
        f"of {len(labels)} test images right"
    )
    try:
        manifest = export(trained, given.way, given.out)
    except (RefusedError, OSError) as error:
        refuse(error)
    needs = ", ".join(manifest["needs"])
    print(f"{given.way}: {manifest['bytes'] / 1000:.1f} kB, needs {needs}")
    there, times = try_out(given.out, pixels)
    gap = float(np.abs(there - here).max())
    print(f"in a new process the scores differ by at most {gap:.0e}")
    if not gap <= TOLERANCE:
        refuse(f"{given.way}: other scores; do not use {given.out}")
    told = (f"{name} {1000 * s:.3g} ms" for name, s in times.items())
    print(", ".join(told))


if __name__ == "__main__":
    main()
