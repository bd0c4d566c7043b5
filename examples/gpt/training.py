"""The text, the optimizer, the training loop, and models that count."""

import math
import re
from collections import Counter
from itertools import pairwise
from pydoc_data.topics import topics

import numpy as np

PLAIN = str.maketrans("“”‘’–—", "\"\"''--")


def reference_paragraphs(length):
    """Distinct paragraphs of Python's reference, with this length in total."""
    kept = {}
    for name in sorted(topics):
        text = re.sub(r"([*=~^-])\1{3,}", "", topics[name].translate(PLAIN))
        for paragraph in re.split(r"\n\s*\n", text):
            kept[" ".join(paragraph.split())] = None
    return "\n".join(filter(None, kept))[:length].split("\n")


def split_text(paragraphs):
    """The text to train on, and every tenth paragraph to measure with."""
    held = paragraphs[9::10]
    rest = [p for i, p in enumerate(paragraphs) if i % 10 != 9]
    return "\n".join(rest), "\n".join(held)


def ngram_perplexities(train, held, vocabulary):
    """A bigram and a trigram model, each smoothed with the shorter one."""
    singles, pairs = Counter(train), Counter(pairwise(train))
    triples = Counter(zip(train, train[1:], train[2:], strict=False))

    def one(token):
        return (singles[token] + 1) / (len(train) + vocabulary)

    def two(before, token, weight):
        counted = pairs[before, token] + weight * one(token)
        return counted / (singles[before] + weight)

    def three(first, second, token, weight, inner):
        shorter = weight * two(second, token, inner)
        counted = triples[first, second, token] + shorter
        return counted / (pairs[first, second] + weight)

    text = train[-1:] + held
    places = list(zip(text, text[1:], text[2:], strict=False))

    def measure(probability):
        logs = [math.log(probability(*place)) for place in places]
        return math.exp(-sum(logs) / len(logs))

    # The best weight on the held-out text, in favor of these models.
    weights = (1, 3, 10, 30, 100)
    bigram, inner = min(
        (measure(lambda _, b, c, w=w: two(b, c, w)), w) for w in weights
    )
    trigram = min(
        measure(lambda a, b, c, w=w: three(a, b, c, w, inner)) for w in weights
    )
    return bigram, trigram


def adamw_start(params, backend):
    """No step taken yet, and moments of zero for every parameter."""
    zeros = {k: backend.zeros_like(v) for k, v in params.items()}
    return {"step": 0, "mean": zeros, "square": zeros}


def adamw_step(params, grads, state, rate, beta1=0.9, beta2=0.99, decay=0.1):
    """One AdamW update. Only matrices decay, not biases and norms."""
    step = state["step"] + 1
    mean = {
        k: beta1 * state["mean"][k] + (1 - beta1) * g for k, g in grads.items()
    }
    square = {
        k: beta2 * state["square"][k] + (1 - beta2) * g * g
        for k, g in grads.items()
    }
    scaled = rate * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
    new = {}
    for k, v in params.items():
        kept = v * (1 - rate * decay) if len(v.shape) == 2 else v
        new[k] = kept - scaled * mean[k] / (square[k] ** 0.5 + 1e-8)
    return new, {"step": step, "mean": mean, "square": square}


def windows(tokens, starts, config, backend):
    """Data for the model: windows of tokens, and what comes after each one."""
    context, one_hot = config["context"], np.eye(config["vocabulary"])
    rows = np.asarray(tokens)[np.asarray(starts)[:, None] + range(context + 1)]
    return {
        "token": backend.array(rows[:, :-1]),
        "position": backend.array(np.arange(context)),
        "next": backend.array(one_hot[rows[:, 1:]]),
    }


def train(
    compiled,
    params,
    tokens,
    config,
    steps,
    rng,
    backend,
    rate=0.01,
    samples=12,
):
    """The trained parameters, and the loss of each step."""
    state, losses = adamw_start(params, backend), []
    for step in range(steps):
        starts = rng.integers(len(tokens) - config["context"], size=samples)
        data = windows(tokens, starts, config, backend)
        outputs, grads = compiled.evaluate_all(params, data)
        now = rate * min((step + 1) / 20, 1 - step / steps)
        params, state = adamw_step(params, grads, state, now)
        losses.append(float(outputs["loss"]))
    return params, losses


def perplexity(compiled, params, tokens, config, backend):
    """The perplexity on windows which follow one another."""
    context = config["context"]
    starts = range(0, len(tokens) - context, context)
    data = windows(tokens, starts, config, backend)
    return math.exp(float(compiled.evaluate(params, data)["loss"]))
