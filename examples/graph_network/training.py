"""Training on one graph, with AdamW, and what to compare with."""

import mithril as ml
import numpy as np
from graphs import one_hot
from model import (
    edge_weights,
    graph_network,
    initial_parameters,
    with_loss,
)
from sklearn.semi_supervised import LabelSpreading


def inputs(layer, graph, backend):
    """The arrays of a graph that the network reads."""
    edges = edge_weights(layer, graph.adjacency)
    return {
        "x0": backend.array(graph.features),
        "edges": backend.array(edges),
    }


def adamw_step(params, grads, state, step, rate, decay):
    """One update: new parameters and moments. Biases do not decay."""
    scaled = rate * (1 - 0.99**step) ** 0.5 / (1 - 0.9**step)
    new, moments = {}, {}
    for name, grad in grads.items():
        mean, square = state[name]
        mean = 0.9 * mean + 0.1 * grad
        square = 0.99 * square + 0.01 * grad * grad
        value = params[name]
        if not name.endswith("_b"):
            value = value * (1 - rate * decay)
        new[name] = value - scaled * mean / (square**0.5 + 1e-8)
        moments[name] = mean, square
    return new, moments


def fit(compiled, params, data, steps, rate=0.015, decay=1.0):
    """The trained parameters, and the loss of each step.

    Each step sees the whole graph. The rate falls to 0 in a line.
    """
    state = {name: (0 * value,) * 2 for name, value in params.items()}
    losses = []
    for step in range(1, steps + 1):
        outputs, grads = compiled.evaluate_all(params, data)
        now = rate * (1 - (step - 1) / steps)
        params, state = adamw_step(params, grads, state, step, now, decay)
        losses.append(float(outputs["loss"]))
    return params, losses


def compile_network(config, backend):
    """Two programs: one with a loss to train, and one to predict."""
    trainer = ml.compile(
        with_loss(graph_network(**config)),
        backend,
        data_keys={"x0", "edges", "label"},
        jit=isinstance(backend, ml.JaxBackend),
    )
    predictor = ml.compile(
        graph_network(**config),
        backend,
        data_keys={"x0", "edges"},
        inference=True,
        jit=False,
    )
    return trainer, predictor


def train(trainer, config, graph, known, backend, rng, steps):
    """The trained parameters, and the loss of each step.

    Only the labels of the nodes `known` are used.
    """
    initial = initial_parameters(**config, rng=rng)
    params = {name: backend.array(value) for name, value in initial.items()}
    label = one_hot(graph.labels, known, config["classes"])
    data = inputs(config["layer"], graph, backend)
    data["label"] = backend.array(label)
    return fit(trainer, params, data, steps)


def classify(predictor, params, data):
    """The most probable class of each node."""
    outputs = predictor.evaluate(params, data)
    return np.asarray(outputs["logits"]).argmax(axis=1)


def spread_labels(adjacency, labels, known, alpha):
    """The classes that label spreading finds, with the edges only.

    `alpha`, below 1, says how far labels spread.
    """
    target = np.full(len(labels), -1)
    target[known] = labels[known]
    model = LabelSpreading(
        kernel=lambda *_: adjacency, alpha=alpha, max_iter=1000
    )
    return model.fit(adjacency, target).transduction_
