"""Sampling of new text, with a cache of keys and values."""

import mithril as ml
import numpy as np
from model import gpt


def sample(logits, rng, temperature=1.0, top_k=None):
    """Draw one token. Temperature 0 takes the most probable one."""
    if temperature == 0:
        return int(logits.argmax())
    scores = logits.astype(np.float64) / temperature
    if top_k is not None and top_k < len(scores):
        scores[scores < np.sort(scores)[-top_k]] = -np.inf
    weights = np.exp(scores - scores.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def compile_generator(config, backend):
    """Two programs: one reads the prompt, one adds a token to the cache."""
    data = {"token", "position"}
    prompt = ml.compile(
        gpt(**config), backend, data_keys=data, inference=True, jit=False
    )
    past = {
        f"past_{name}_{i}"
        for name in ("key", "value")
        for i in range(config["layers"])
    }
    step = ml.compile(
        gpt(**config, cached=True),
        backend,
        data_keys=data | past,
        inference=True,
        jit=False,
    )
    return prompt, step


def read(program, params, tokens, start, cache, backend):
    """The last token's logits, and keys and values of all tokens so far."""
    data = {
        "token": backend.array(np.array([tokens])),
        "position": backend.array(np.arange(start, start + len(tokens))),
    }
    outputs = program.evaluate(params, data | cache)
    logits = np.asarray(outputs["logits"])[0, -1]
    return logits, {
        f"past_{k}": v for k, v in outputs.items() if k != "logits"
    }


def generate(programs, params, tokens, count, backend, rng, **how):
    """The tokens and `count` new ones. `how` goes to `sample`."""
    prompt, step = programs
    tokens, context = list(tokens), params["wpe_weight"].shape[0]
    filled = context  # Positions in use. If all are, begin a new cache.
    for _ in range(count):
        if filled == context:
            kept = tokens[-(context // 2) :]
            logits, cache = read(prompt, params, kept, 0, {}, backend)
            filled = len(kept)
        else:
            new = tokens[-1:]
            logits, cache = read(step, params, new, filled, cache, backend)
            filled += 1
        tokens.append(sample(logits, rng, **how))
    return tokens
