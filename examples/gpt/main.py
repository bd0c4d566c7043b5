"""Train a small GPT, or load one, and let it write; --help lists options."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any, NoReturn

import mithril as ml
import numpy as np
from checkpoint import perplexity_of, read_tokenizer, read_weights
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
        description="Train a small GPT on a text and let it write, "
        "or let a GPT-2 write.",
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
        help="must divide the width (default 4)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        help="safetensors file in GPT-2's layout, to load instead of "
        "training; config.json and merges.txt beside it are read",
    )
    parser.add_argument(
        "--prompt",
        help="what the model continues (default: The function returns)",
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
    if given.weights:
        for name in ("steps", "merges", "context", "width", "layers"):
            if getattr(given, name) != parser.get_default(name):
                refuse(f"--{name} is for training, not for --weights")
        return given
    given.heads = given.heads or 4
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


def read_text(path: Path) -> str:
    """The text of a file, or one line on why there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"--text {path}: {error}")


def texts(path: Path | None) -> tuple[str, str]:
    """What to train on and what to measure with."""
    if path is None:
        return split_text(reference_paragraphs(50_000))
    lines = read_text(path).splitlines()
    return split_text([line for line in lines if line.strip()])


def encoded(tokenizer: Any, option: str, text: str, size: int) -> list[int]:
    """The tokens of a text that an option gave, below the vocabulary size."""
    try:
        tokens = tokenizer.encode(text)
    except ValueError:
        refuse(
            f"{option}: without merges.txt beside the weights, "
            "write tokens as numbers"
        )
    if not tokens:
        refuse(f"{option}: it is empty")
    for token in tokens:
        if not 0 <= token < size:
            refuse(f"{option}: the model has {size} tokens, and no {token}")
    return tokens


def allow_depth(layers: int) -> None:
    """Let Python recurse as deep as Mithril does for so many blocks."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 2_000 * layers))


def load_and_write(given: argparse.Namespace, backend: ml.Backend) -> None:
    """Load a GPT-2, measure it on a text if there is one, and write."""
    folder = given.weights.parent
    try:
        config, params = read_weights(given.weights, backend, given.heads)
        tokenizer = read_tokenizer(folder)
    except ImportError:
        refuse("--weights needs the package safetensors")
    except (OSError, ValueError, KeyError) as error:
        refuse(f"--weights {given.weights}: {error}")
    size = config["vocabulary"]
    usual = "The function returns" if (folder / "merges.txt").exists() else "0"
    words = usual if given.prompt is None else given.prompt
    prompt = encoded(tokenizer, "--prompt", words, size)
    text = None
    if given.text:
        text = encoded(tokenizer, "--text", read_text(given.text), size)
        if len(text) < 2:
            refuse("--text: one token has nothing to predict")
    count = sum(math.prod(value.shape) for value in params.values())
    print(
        f"{count:,} parameters",
        *(f"{k} {v}" for k, v in config.items()),
        sep=", ",
    )

    allow_depth(config["layers"])
    programs = compile_generator(config, backend)
    if text:
        found = perplexity_of(
            programs[0], params, text, config["context"], backend
        )
        print(f"perplexity {found:.4g} on {len(text):,} tokens")
    rng = np.random.default_rng(given.seed)
    write(given, backend, tokenizer, programs, params, prompt, rng)


def write(
    given: argparse.Namespace,
    backend: ml.Backend,
    tokenizer: Any,
    programs: Any,
    params: dict[str, Any],
    prompt: list[int],
    rng: np.random.Generator,
) -> None:
    """Print the prompt and what the model makes of it."""
    written = generate(
        programs,
        params,
        prompt,
        given.length,
        backend,
        rng,
        temperature=given.temperature,
        top_k=given.top_k,
    )
    print(tokenizer.decode(written))


def train_and_write(given: argparse.Namespace, backend: ml.Backend) -> None:
    """Learn the tokenizer, train, compare with counting, and write."""
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
    words = "The function returns" if given.prompt is None else given.prompt
    prompt = encoded(tokenizer, "--prompt", words, vocabulary)

    config = {
        "vocabulary": vocabulary,
        "context": given.context,
        "width": given.width,
        "layers": given.layers,
        "heads": given.heads,
    }
    allow_depth(given.layers)
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
    programs = compile_generator(config, backend)
    write(given, backend, tokenizer, programs, params, prompt, rng)


def main() -> None:
    """Load or train a model, and let it write."""
    given = options()
    backend = make_backend(given.backend)
    if given.weights:
        load_and_write(given, backend)
    else:
        train_and_write(given, backend)


if __name__ == "__main__":
    main()
