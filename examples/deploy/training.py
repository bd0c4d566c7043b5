"""Train a model on scikit-learn's digits, on any backend."""

import mithril as ml
import numpy as np
from mithril.models import Mean, SquaredError, TrainModel
from model import MODELS, SHAPES
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def digits():
    """Pixels and labels to train on, then those to test with."""
    data = load_digits()
    pixels, labels = data.data.astype("float32"), data.target
    train, test = train_test_split(
        np.arange(len(labels)),
        test_size=360,
        stratify=labels,
        random_state=1,
    )
    return pixels[train], labels[train], pixels[test], labels[test]


def initial_weights(name, rng):
    """Small random matrices and zeros for biases, as NumPy arrays."""
    return {
        key: (
            rng.normal(scale=shape[0] ** -0.5 / 2, size=shape)
            if key.startswith("w")
            else np.zeros(shape)
        )
        for key, shape in SHAPES[name].items()
    }


def compile_trainer(name, backend):
    """The model with the squared error of its scores as the loss."""
    train_model = TrainModel(MODELS[name]())
    train_model.add_loss(
        SquaredError(),
        input="scores",
        target="wanted",
        reduce_steps=[Mean()],
        key_name="loss",
    )
    return ml.compile(
        train_model,
        backend,
        data_keys={"pixels", "wanted"},
        jit=isinstance(backend, ml.JaxBackend),
    )


def train(name, backend, seed=0, steps=300, rate=0.5):
    """The weights after gradient descent with momentum, as NumPy arrays."""
    compiled = compile_trainer(name, backend)
    rng = np.random.default_rng(seed)
    initial = initial_weights(name, rng)
    weights = {key: backend.array(v) for key, v in initial.items()}
    speed = {key: backend.zeros_like(v) for key, v in weights.items()}
    pixels, labels, _, _ = digits()
    wanted = np.eye(10)
    for step in range(steps):
        part = rng.choice(len(labels), size=128, replace=False)
        grads = compiled.evaluate_gradients(
            weights,
            {
                "pixels": backend.array(pixels[part]),
                "wanted": backend.array(wanted[labels[part]]),
            },
        )
        now = rate * (1 - step / steps)
        for key, grad in grads.items():
            speed[key] = 0.9 * speed[key] + grad
            weights[key] = weights[key] - now * speed[key]
    return {key: np.asarray(value) for key, value in weights.items()}


def compile_predictor(name, backend, **options):
    """The model without a loss and without gradients."""
    return ml.compile(
        MODELS[name](),
        backend,
        data_keys={"pixels"},
        inference=True,
        **{"jit": False} | options,
    )


def accuracy(scores, labels):
    """How many of the digits with the largest score are right."""
    return float((scores.argmax(axis=1) == labels).mean())
