"""Train one network for two tasks; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import mithril as ml
import numpy as np
from model import by_hand, by_uncertainty, initial_parameters, two_tasks
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from training import evaluate, fit, in_halves, weights

TASKS = ("digit", "draw")


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
    """A number from 0 up, for an option."""
    value = float(word)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word} is not a number from 0 up")
    return value


positive.__name__ = "number"


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End the program with the message."""
        refuse(message)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="From the upper half of a digit, tell which digit it is "
        "and draw the lower half.",
    )
    parser.add_argument(
        "--backend", choices=["numpy", "torch", "jax", "mlx"], default="numpy"
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        help="of all random numbers (default 0)",
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        default=600,
        help="training steps (default 600)",
    )
    parser.add_argument(
        "--weights",
        choices=["learned", "hand"],
        default="learned",
        help="of the two losses: parameters of the model, or the next two "
        "options (default learned)",
    )
    for task in TASKS:
        parser.add_argument(
            f"--{task}",
            type=positive,
            help="weight of the loss of this task, with --weights hand "
            "(default 1)",
        )
    given = parser.parse_args(words)
    for task in TASKS:
        if vars(given)[task] is None:
            vars(given)[task] = 1.0
        elif given.weights != "hand":
            refuse(f"--{task} needs --weights hand")
    return given


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        # Off macOS, Mithril keeps this class out of its top module.
        if name == "mlx":
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


def load() -> tuple[dict, dict]:
    """The images to train on, and those to test with."""
    digits = load_digits()
    train, test = train_test_split(
        np.arange(len(digits.target)),
        test_size=450,
        stratify=digits.target,
        random_state=1,
    )
    return (
        in_halves(digits.data[train], digits.target[train]),
        in_halves(digits.data[test], digits.target[test]),
    )


def logarithms(
    compiled: Any, data: dict, seed: int, backend: ml.Backend
) -> dict:
    """Where the learned weights start: the logarithms of the losses."""
    initial = initial_parameters(np.random.default_rng(seed))
    initial |= {f"s_{task}": np.zeros(1) for task in TASKS}
    outputs = compiled.evaluate(
        {k: backend.array(v) for k, v in initial.items()},
        {k: backend.array(v) for k, v in data.items()},
    )
    return {
        f"s_{task}": np.log(np.asarray(outputs[f"loss_{task}"]))
        for task in TASKS
    }


def main() -> None:
    """Train, and compare with answers that ignore the upper half."""
    given = options()
    backend = make_backend(given.backend)
    train, test = load()
    jit = isinstance(backend, ml.JaxBackend)
    how = {"steps": given.steps, "seed": given.seed}
    if given.weights == "learned":
        compiled = ml.compile(
            by_uncertainty(), backend, data_keys=set(train), jit=jit
        )
        start = logarithms(compiled, train, given.seed, backend)
        params, history = fit(compiled, train, backend, more=start, **how)
        final = {t: np.exp(-float(params[f"s_{t}"][0])) for t in TASKS}
    else:
        final = {"digit": given.digit, "draw": given.draw}
        constants = weights(**final)
        compiled = ml.compile(
            by_hand(), backend, data_keys={*train, *constants}, jit=jit
        )
        params, history = fit(
            compiled, train, backend, constants=constants, **how
        )
    for task in TASKS:
        first, last = (history[i][f"loss_{task}"] for i in (0, -1))
        print(
            f"{task:5} loss {first:.2f} in the first step, "
            f"{last:.2f} in the last, weight {final[task]:.2f}"
        )

    predictor = ml.compile(
        two_tasks(), backend, data_keys={"upper"}, inference=True, jit=False
    )
    accuracy, error = evaluate(predictor, params, test, backend)
    frequent = train["label"].sum(axis=0).argmax()
    guessed = float(test["label"][:, frequent].mean())
    mean = train["lower"].mean(axis=0)
    drawn = float(np.sqrt(((mean - test["lower"]) ** 2).mean()))
    print(f"accuracy {accuracy:.2f}; always the same digit {guessed:.2f}")
    print(f"gray levels of error {error:.2f}; the mean image {drawn:.2f}")


if __name__ == "__main__":
    main()
