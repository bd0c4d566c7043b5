"""Train a small GPT on a text and let it write; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import mithril as ml
import numpy as np
from generation import compile_generator, generate
from model import gpt, initial_parameters, with_loss
from tokenizer import Tokenizer, learn_merges
from training import (
    ngram_perplexities,
    perplexity,
    reference_paragraphs,
    split_text,
    train,
)


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


def positive(word: str) -> float:
    """A number from 0 up, for an option."""
    value = float(word)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word} is not a number from 0 up")
    return value


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Train a small GPT on a text and let it write.",
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
        default=400,
        help="training steps (default 400)",
    )
    parser.add_argument(
        "--text",
        type=Path,
        help="UTF-8 file, paragraphs on lines (default: Python's reference)",
    )
    parser.add_argument(
        "--merges",
        type=whole(0),
        default=32,
        help="tokens beside the 256 bytes (default 32)",
    )
    parser.add_argument(
        "--context",
        type=whole(2),
        default=32,
        help="tokens that the model sees (default 32)",
    )
    parser.add_argument(
        "--width",
        type=whole(1),
        default=48,
        help="numbers for each token (default 48)",
    )
    parser.add_argument(
        "--layers",
        type=whole(1),
        default=2,
        help="transformer blocks (default 2)",
    )
    parser.add_argument(
        "--heads",
        type=whole(1),
        default=4,
        help="must divide the width (default 4)",
    )
    parser.add_argument(
        "--prompt",
        default="The function returns",
        help="what the model continues",
    )
    parser.add_argument(
        "--length",
        type=whole(1),
        default=100,
        help="tokens to write (default 100)",
    )
    parser.add_argument(
        "--temperature",
        type=positive,
        default=0.7,
        help="0: the most probable token (default 0.7)",
    )
    parser.add_argument(
        "--top-k",
        type=whole(1),
        help="draw from the K most probable tokens (default: from all)",
    )
    given = parser.parse_args(words)
    if given.width % given.heads:
        refuse(f"--heads {given.heads} does not divide --width {given.width}")
    return given


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        if (
            name == "mlx"
        ):  # Off macOS, Mithril keeps this class out of its top module.
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


def texts(path: Path | None) -> tuple[str, str]:
    """What to train on and what to measure with."""
    if path is None:
        return split_text(reference_paragraphs(50_000))
    try:
        paragraphs = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"--text {path}: {error}")
    return split_text(paragraphs)


def main() -> None:
    """Learn the tokenizer, train, compare with counting, and write."""
    given = options()
    backend = make_backend(given.backend)
    rng = np.random.default_rng(given.seed)
    train_text, held_text = texts(given.text)

    tokenizer = Tokenizer(learn_merges(train_text, given.merges))
    vocabulary = len(tokenizer.bytes)
    train_tokens, held_tokens = (
        tokenizer.encode(train_text),
        tokenizer.encode(held_text),
    )
    for name, tokens in (
        ("the text to train on", train_tokens),
        ("every tenth line", held_tokens),
    ):
        if len(tokens) <= given.context:
            refuse(
                f"--context {given.context}: {name} has only "
                f"{len(tokens)} tokens; give a longer text"
            )
    held_tokens = held_tokens[
        : (len(held_tokens) - 1) // given.context * given.context + 1
    ]
    prompt = tokenizer.encode(given.prompt)
    if not prompt:
        refuse("--prompt: it is empty")

    config = {
        "vocabulary": vocabulary,
        "context": given.context,
        "width": given.width,
        "layers": given.layers,
        "heads": given.heads,
    }
    compiled = ml.compile(
        with_loss(gpt(**config)),
        backend,
        data_keys={"token", "position", "next"},
        shapes={"token": [None, given.context]},
        jit=isinstance(backend, ml.JaxBackend),
    )
    initial = initial_parameters(config, rng)
    params = {name: backend.array(value) for name, value in initial.items()}
    size = sum(value.size for value in initial.values())
    print(f"{size:,} parameters, {len(train_tokens):,} tokens")
    params, losses = train(
        compiled, params, train_tokens, config, given.steps, rng, backend
    )
    print(
        f"loss {losses[0]:.2f} in the first step, {losses[-1]:.2f} in the last"
    )

    bigram, trigram = ngram_perplexities(train_tokens, held_tokens, vocabulary)
    found = perplexity(compiled, params, held_tokens, config, backend)
    print(
        f"perplexity {found:.1f} on held-out text; "
        f"bigram {bigram:.1f}, trigram {trigram:.1f}"
    )
    written = generate(
        compile_generator(config, backend),
        params,
        prompt,
        given.length,
        backend,
        rng,
        temperature=given.temperature,
        top_k=given.top_k,
    )
    print(tokenizer.decode(written))


if __name__ == "__main__":
    main()
