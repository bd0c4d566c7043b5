"""Train a network that reads digits; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import mithril as ml
import numpy as np
from digits import DATA, accuracy, network, samples, start
from safetensors import SafetensorError
from safetensors.numpy import save as as_bytes
from training import (
    Settings,
    State,
    arrays,
    begin,
    contiguous,
    fit,
    load,
    write_whole,
)


def whole(smallest: int) -> Callable[[str], int]:
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


def positive(word: str) -> float:
    """A number above 0, for an option."""
    value = float(word)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word} is not a number above 0")
    return value


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    usual = Settings()
    parser = Parser(
        prog="main.py",
        description="Train a network that reads digits. If the run was "
        "interrupted, the same command continues it.",
    )
    parser.add_argument(
        "--backend", choices=["numpy", "torch", "jax", "mlx"], default="numpy"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("run"),
        help="checkpoint, logs and results go there (default: run)",
    )
    for name, kind, text in (
        ("seed", whole(0), "of all random numbers"),
        ("steps", whole(1), "updates of the parameters"),
        ("batch", whole(1), "samples of one update"),
        ("part", whole(1), "samples that are in memory at once"),
        ("rate", positive, "the highest learning rate"),
        ("warmup", whole(0), "steps until the rate is reached"),
        ("clip", positive, "the largest norm of the gradients"),
        ("every", whole(1), "steps from one validation to the next"),
        ("patience", whole(1), "validations without a better one, then stop"),
    ):
        value = getattr(usual, name)
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=value,
            help=f"{text} (default {value})",
        )
    return parser.parse_args(words)


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


def first_state(
    checkpoint: Path, settings: Settings, backend: ml.Backend
) -> State:
    """The state of the checkpoint, or that before the first step."""
    if not checkpoint.exists():
        rng = np.random.default_rng(settings.seed)
        return begin(start(rng), rng, backend)
    try:
        state = load(checkpoint, settings, backend)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        refuse(
            f"{checkpoint}: {error}. Repeat the command that began "
            "the run, or choose another --folder."
        )
    print(f"continue after step {state.step} of {settings.steps}")
    return state


def write_results(folder: Path, state: State) -> None:
    """The best parameters, and the loss of each step."""
    write_whole(folder / "model.safetensors", as_bytes(contiguous(state.best)))
    rows = (f"{i},{loss!r}\n" for i, loss in enumerate(state.losses, 1))
    write_whole(
        folder / "losses.csv", "".join(["step,loss\n", *rows]).encode()
    )


def main() -> None:
    """Train from where the run stands, and write the results."""
    given = vars(options())
    name, folder = given.pop("backend"), given.pop("folder")
    settings, data = Settings(**given), samples()
    if settings.batch > len(data["train"]["x"]):
        refuse(
            f"--batch {settings.batch}: there are only "
            f"{len(data['train']['x'])} samples to train on"
        )
    backend = make_backend(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse(f"--folder {folder}: {error.strerror}")
    state = first_state(folder / "checkpoint.safetensors", settings, backend)

    compiled = ml.compile(
        network(),
        backend,
        data_keys=DATA,
        jit=isinstance(backend, ml.JaxBackend),
    )
    try:
        fit(compiled, state, data, settings, folder)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        sys.exit(130)
    write_results(folder, state)

    test = arrays(backend, data["test"])
    logits = compiled.evaluate(state.best, test)["logits"]
    print(
        f"loss {state.losses[0]:.3f} in the first step, "
        f"{state.losses[-1]:.3f} in step {state.step}"
    )
    print(
        f"best validation loss {min(state.validations):.3f}, "
        f"test accuracy {accuracy(logits, data['test']['digit']):.3f}"
    )


if __name__ == "__main__":
    main()
