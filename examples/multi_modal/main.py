"""Train two encoders and search images by words; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

import mithril as ml
import numpy as np
from model import contrastive_model, initial_parameters
from search import compile_encoders, nearest, precision
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from training import train
from words import LETTERS, NAMES, OTHERS, letter_pairs


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


def plain(word: str) -> str:
    """A word of the letters that the text encoder knows, for an option."""
    lower = word.lower()
    if not lower or not set(lower) <= set(LETTERS[1:]):
        raise argparse.ArgumentTypeError(
            f"{word!r} must have letters from a to z, and nothing else"
        )
    return lower


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """End the program with the message."""
        refuse(message)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Train an image encoder and a text encoder on digits "
        "and their names, and search images by words.",
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
        default=300,
        help="training steps (default 300)",
    )
    parser.add_argument(
        "--query",
        type=plain,
        nargs="+",
        metavar="WORD",
        default=["seven", "sete", "trhee"],
        help="words to search for (default: seven sete trhee)",
    )
    parser.add_argument(
        "--count",
        type=whole(1),
        default=10,
        help="images to find for each word (default 10)",
    )
    return parser.parse_args(words)


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


def table(languages: dict[str, str]) -> np.ndarray:
    """(languages, 10) names of the digits."""
    return np.array([line.split() for line in languages.values()])


def main() -> None:
    """Train, compare with chance, and search."""
    given = options()
    backend = make_backend(given.backend)
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    train_part, test_part = train_test_split(
        np.arange(len(labels)), test_size=450, stratify=labels, random_state=1
    )
    names, others = table(NAMES), table(OTHERS)
    print(
        f"{names.size} names in {len(names)} languages, "
        f"{len(train_part):,} images to train on, {len(test_part)} to search"
    )

    compiled = ml.compile(
        contrastive_model(),
        backend,
        data_keys={"image", "text", "row_target", "column_target"},
        jit=isinstance(backend, ml.JaxBackend),
    )
    rng = np.random.default_rng(given.seed)
    params = {
        name: backend.array(value)
        for name, value in initial_parameters(rng).items()
    }
    params, losses = train(
        compiled,
        params,
        images[train_part],
        labels[train_part],
        names,
        given.steps,
        rng,
        backend,
    )
    print(
        f"loss {losses[0]:.2f} in the first step, {losses[-1]:.2f} in the last"
    )

    encode = compile_encoders(backend)
    test_labels = labels[test_part]
    found = encode(params, "image", images[test_part])
    new = ~np.isin(others, names)
    shares = [
        precision(
            encode(params, "text", letter_pairs(words)),
            meanings,
            found,
            test_labels,
        )
        for words, meanings in (
            (names.ravel(), np.tile(np.arange(10), len(names))),
            (others[new], np.where(new)[1]),
        )
    ]
    print(
        f"share of right images among ten found: {shares[0]:.2f} for known "
        f"names, {shares[1]:.2f} for names it never saw, "
        f"{1 / len(names[0]):.2f} by chance"
    )

    asked = encode(params, "text", letter_pairs(given.query))
    best = nearest(asked, found, given.count)
    for word, vector, places in zip(given.query, asked, best, strict=True):
        cosine = float(vector @ found[places[0]])
        shown = " ".join(map(str, test_labels[places]))
        print(f"{word}: found {shown}, best cosine {cosine:.1f}")


if __name__ == "__main__":
    main()
