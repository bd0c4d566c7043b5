"""GPT-2's own files: weights, configuration and byte-pair merges."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
from model import from_gpt2
from tokenizer import Tokenizer

#: GPT-2's words. A numeral that is no digit, such as ½, counts as a letter.
WORD = re.compile(
    r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
)
#: What ``config.json`` must hold, if it holds it, for ``model.gpt`` to fit.
SUPPORTED = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
}


def config_of(
    checkpoint: Mapping[str, np.ndarray], heads: int | None = None
) -> dict[str, int]:
    """The configuration of ``model.gpt`` that a checkpoint fits.

    The shapes do not tell the number of heads. If it is not given, each
    head has 64 features, as in all published sizes of GPT-2.

    Raises ``ValueError`` if the checkpoint is none of GPT-2.
    """
    shapes = {
        name.removeprefix("transformer."): value.shape
        for name, value in checkpoint.items()
    }
    for name in ("wte.weight", "wpe.weight"):
        if len(shapes.get(name, ())) != 2:
            raise ValueError(f"it holds no matrix {name}")
    vocabulary, width = shapes["wte.weight"]
    heads = heads or max(width // 64, 1)
    if width % heads:
        raise ValueError(f"{heads} heads do not divide the width {width}")
    return {
        "vocabulary": vocabulary,
        "context": shapes["wpe.weight"][0],
        "width": width,
        "layers": sum(name.endswith(".ln_1.weight") for name in shapes),
        "heads": heads,
    }


def heads_of(folder: Path) -> int | None:
    """The number of heads in ``config.json``; None if there is no such file.

    Raises ``ValueError`` if the file describes a model that differs from
    ``model.gpt``.
    """
    path = folder / "config.json"
    if not path.exists():
        return None
    given = json.loads(path.read_text(encoding="utf-8"))
    for name, values in SUPPORTED.items():
        if given.get(name, values[0]) not in values:
            raise ValueError(f"{path.name} has {name} {given[name]!r}")
    return given.get("n_head")


def read_weights(
    path: Path, backend: ml.Backend, heads: int | None = None
) -> tuple[dict[str, int], dict[str, Any]]:
    """Configuration and parameters from a safetensors file.

    ``heads`` counts more than ``config.json`` beside the file.

    Raises ``ValueError`` if the file does not fit or is of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        checkpoint = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"it is no safetensors file ({error})") from None
    wte = checkpoint.get(
        "transformer.wte.weight", checkpoint.get("wte.weight")
    )
    head = checkpoint.get("lm_head.weight", wte)
    config = config_of(checkpoint, heads or heads_of(path.parent))
    if not np.array_equal(head, wte):
        raise ValueError("lm_head.weight is not wte.weight, as in GPT-2")
    params = {
        name: backend.array(value.astype(np.float32))
        for name, value in from_gpt2(checkpoint, config).items()
    }
    return config, params


def byte_order() -> list[int]:
    """The bytes as GPT-2 counts them: those that can be printed first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printable + sorted(set(range(256)) - set(printable))


class GPT2Tokenizer(Tokenizer):
    """The tokenizer of GPT-2, from the text of its ``merges.txt``."""

    def __init__(self, text: str) -> None:
        order = byte_order()
        # A character stands for each byte, itself where it can be printed.
        signs = [chr(b) for b in order[:188]]
        signs += [chr(256 + i) for i in range(68)]
        numbers = dict(zip(signs, order, strict=True))
        merges = []
        for line in text.splitlines():
            if line.strip() and not line.startswith("#version"):
                left, right = line.split()
                numbers[left + right] = 256 + len(merges)
                merges.append((numbers[left], numbers[right]))
        super().__init__(merges)
        # From the tokens of `Tokenizer` to those of GPT-2, and back.
        self.outer = {b: i for i, b in enumerate(order)}
        self.inner = dict(enumerate(order))
        self.bytes.append(b"<|endoftext|>")

    def encode(self, text: str) -> list[int]:
        """A text as a list of tokens."""
        words = WORD.findall(text)
        tokens = {word: self.word(word) for word in set(words)}
        inner = [token for word in words for token in tokens[word]]
        return [self.outer.get(token, token) for token in inner]

    def decode(self, tokens: Sequence[int]) -> str:
        """Tokens as a text."""
        return super().decode([self.inner.get(t, t) for t in tokens])


class Numbers:
    """Tokens as words, for a checkpoint without ``merges.txt``."""

    def encode(self, text: str) -> list[int]:
        """Numbers that blanks separate, as a list of tokens."""
        return [int(word) for word in text.split()]

    def decode(self, tokens: Sequence[int]) -> str:
        """Tokens as numbers that blanks separate."""
        return " ".join(map(str, tokens))


def read_tokenizer(folder: Path) -> GPT2Tokenizer | Numbers:
    """The tokenizer in the folder of a checkpoint."""
    path = folder / "merges.txt"
    if not path.exists():
        return Numbers()
    return GPT2Tokenizer(path.read_text(encoding="utf-8"))


def perplexity_of(
    program: Any,
    params: dict[str, Any],
    tokens: Sequence[int],
    context: int,
    backend: ml.Backend,
) -> float:
    """The perplexity of at least two tokens, in windows one after another.

    One window is in memory at a time, since logits of GPT-2 are large.
    """
    surprise = 0.0
    for i in range(0, len(tokens) - 1, context):
        window = np.asarray(tokens[i : i + context + 1])
        places = np.arange(len(window) - 1)
        data = {
            "token": backend.array(window[np.newaxis, :-1]),
            "position": backend.array(places),
        }
        logits = np.asarray(program.evaluate(params, data)["logits"])[0]
        logits = logits - logits.max(axis=1, keepdims=True)
        totals = np.log(np.exp(logits).sum(axis=1))
        surprise += float((totals - logits[places, window[1:]]).sum())
    return math.exp(surprise / (len(tokens) - 1))
