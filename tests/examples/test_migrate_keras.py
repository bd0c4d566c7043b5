"""``examples/migrate/from_keras.py``, run in the environment of each backend, which all hold TensorFlow."""

from __future__ import annotations

import json

import pytest

from support.places import PROVE
from support.programs import on_every_backend, run_code

START = """\
import importlib.util
import json
import os
import sys

if importlib.util.find_spec("torch"):
    import torch._dynamo  # before TensorFlow, as both bring LLVM
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from converted import NotConverted
from from_keras import ACTIVATIONS, RULES, convert
from keras import layers as L

"""

#: Draws networks, and compares outputs, and gradients for the input.
COMPARE = """\
import mithril as ml

BACKENDS = {
    "numpy": "mithril.backends.with_manualgrad.numpy_backend.NumpyBackend",
    "torch": "mithril.backends.with_autograd.torch_backend.TorchBackend",
    "jax": "mithril.backends.with_autograd.jax_backend.JaxBackend",
    "mlx": "mithril.backends.with_autograd.mlx_backend.MlxBackend",
}
module, _, name = BACKENDS[sys.argv[1]].rpartition(".")
backend = getattr(__import__(module, fromlist=[name]), name)()
first, last = int(sys.argv[2]), int(sys.argv[3])


def pick(rng, *values):
    return values[rng.integers(len(values))]


def act(rng):
    return pick(rng, *ACTIVATIONS)


def convolution(rng, shape):
    kind = L.Conv1D if len(shape) == 2 else L.Conv2D
    axes = len(shape) - 1
    padding = pick(rng, "valid", "same", *["causal"] * (axes == 1))
    sizes = [int(rng.integers(1, 1 + min(4, size))) for size in shape[:axes]]
    strides = [int(rng.integers(1, 4)) for _ in sizes]
    return kind(
        int(rng.integers(1, 4)), sizes, strides=strides, padding=padding,
        activation=act(rng), use_bias=bool(rng.integers(2)),
    )


def pooling(rng, shape):
    axes = len(shape) - 1
    sizes = [int(rng.integers(1, 1 + min(3, size))) for size in shape[:axes]]
    strides = [int(rng.integers(1, 4)) for _ in sizes]
    if axes == 1:
        sizes, strides = sizes[0], strides[0]
    if rng.integers(2):
        kind = L.MaxPooling1D if axes == 1 else L.MaxPooling2D
        return kind(sizes, strides=strides, padding=pick(rng, "valid", "same"))
    kind = L.AveragePooling1D if axes == 1 else L.AveragePooling2D
    return kind(sizes, strides=strides)


def recurrent(rng, shape):
    kind = pick(rng, L.LSTM, L.SimpleRNN)
    options = {"activation": pick(rng, "tanh", "relu", "softsign")}
    if kind is L.LSTM:
        options["recurrent_activation"] = pick(rng, "sigmoid", "hard_sigmoid")
    return kind(
        int(rng.integers(1, 5)), return_sequences=bool(rng.integers(2)),
        use_bias=bool(rng.integers(2)), **options,
    )


def anywhere(rng, shape):
    axis = int(rng.integers(1, len(shape) + 1))
    size = int(np.prod(shape))
    return pick(
        rng,
        L.Dense(int(rng.integers(1, 6)), activation=act(rng)),
        L.Dense(int(rng.integers(2, 6)), use_bias=False),
        L.Activation(act(rng)),
        L.BatchNormalization(axis=pick(rng, -1, axis)),
        L.BatchNormalization(center=False, scale=bool(rng.integers(2))),
        L.LayerNormalization(axis=pick(rng, -1, list(range(axis, len(shape) + 1)))),
        L.LayerNormalization(epsilon=1e-5, scale=False),
        L.LeakyReLU(pick(rng, 0.3, 0.0, 1.0)),
        L.ReLU(pick(rng, None, 0.5), negative_slope=pick(rng, 0.0, 0.2)),
        L.ELU(pick(rng, 1.0, 0.4)), L.PReLU(), L.Softmax(pick(rng, -1, axis)),
        L.Rescaling(0.5, offset=pick(rng, 0, 1)), L.Identity(),
        L.Dropout(0.5), L.GaussianNoise(0.5), L.GaussianDropout(0.5),
        L.AlphaDropout(0.5), L.Reshape((size,)), L.Reshape((-1, size)),
        L.Flatten(), L.Permute(tuple(int(k) + 1 for k in rng.permutation(len(shape)))),
    )


def layer(rng, shape):
    kinds = [anywhere]
    if len(shape) == 2:
        kinds += [convolution, pooling, recurrent]
        kinds += [lambda rng, shape: pick(
            rng, L.SpatialDropout1D(0.5), L.GlobalMaxPooling1D(),
            L.GlobalAveragePooling1D(keepdims=bool(rng.integers(2))),
        )]
    if len(shape) == 3:
        kinds += [convolution, pooling, convolution, pooling]
        kinds += [lambda rng, shape: pick(
            rng, L.SpatialDropout2D(0.5), L.GlobalAveragePooling2D(),
            L.GlobalMaxPooling2D(keepdims=bool(rng.integers(2))),
        )]
    return pick(rng, *kinds)(rng, shape)


def network(rng):
    start = pick(rng, "vector", "steps", "image", "image", "ids")
    sizes = {"vector": 1, "steps": 2, "image": 3, "ids": 1}[start]
    shape = tuple(int(size) for size in rng.integers(3, 8, size=sizes))
    layers = [L.Embedding(9, int(rng.integers(2, 5)))] if start == "ids" else []
    made = (None, *shape)
    for each in layers:
        made = each.compute_output_shape(made)
    while len(layers) < 4:
        each = layer(rng, made[1:])
        made, layers = each.compute_output_shape(made), [*layers, each]
    whole = keras.Sequential([keras.Input(shape), *layers])
    if rng.integers(2):  # the same as a functional model, or nested
        whole = pick(
            rng,
            keras.Model(whole.inputs, whole.outputs),
            keras.Sequential([keras.Input(shape), whole]),
        )
    for weight in whole.weights:
        if weight.dtype == "float32":
            drawn = rng.normal(size=weight.shape) / max(weight.shape[0], 1) ** 0.5
            weight.assign(0.5 + drawn**2 if "variance" in weight.name else drawn)
    batch = (3, *shape)
    x = rng.integers(9, size=batch) if start == "ids" else rng.normal(size=batch)
    return whole, x.astype("int32" if start == "ids" else "float32")


worst, kinds = 0.0, set()
for seed in range(first, last):
    rng = np.random.default_rng(seed)
    model, x = network(rng)
    found = convert(model)
    kinds |= {type(layer).__name__ for layer in model._flatten_layers()}
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        if x.dtype == "float32":
            tape.watch(given)
        wanted = model(given, training=False)
        weights = tf.constant(rng.normal(size=wanted.shape).astype("float32"))
        total = tf.reduce_sum(wanted * weights)
    pairs = [(found.predict(backend, x), wanted.numpy())]
    slopes = tape.gradient(total, given) if x.dtype == "float32" else None
    if slopes is not None:
        compiled = ml.compile(
            found.model, backend, trainable_keys={"input"}, jit=False,
            constant_keys=found.arrays(backend),
        )
        own = compiled.evaluate_gradients(
            {"input": backend.array(x)},
            output_gradients={"output": backend.array(weights.numpy())},
        )
        pairs.append((np.asarray(own["input"]), slopes.numpy()))
    for which, (own, theirs) in zip(("output", "gradient"), pairs):
        assert own.shape == theirs.shape, (seed, which, own.shape, theirs.shape)
        error = np.abs(own - theirs).max() / max(1.0, np.abs(theirs).max())
        if not error <= (1e-5 if which == "output" else 1e-3):
            names = [type(layer).__name__ for layer in model._flatten_layers()]
            raise SystemExit(f"seed {seed}, {which}: {error} {names}")
        worst = max(worst, error)
print(json.dumps({"missing": sorted({kind.__name__ for kind in RULES} - kinds)}))
"""

#: Code that makes a network, and how it is refused.
REFUSED = [
    ("S((4, 3), L.Dense(3), L.GRU(3))", "layer 1, GRU: not converted; known: Activation, AlphaDropout"),
    ("S((8, 8, 3, 1), L.ConvLSTM2D(2, 3))", "layer 0, ConvLSTM2D: not converted; known: "),
    ("S((3,), Doubled(3))", "layer 0, Doubled: not converted"),
    ("S((3,), S((3,), L.Dense(3), L.UnitNormalization()))", "layer 0.1, UnitNormalization: not converted"),
    ("S((8, 8, 4), L.Conv2D(2, 3, groups=2))", "layer 0, Conv2D: groups=2 is not converted, only groups=1"),
    ("S((8, 8, 4), L.Conv2D(2, 3, dilation_rate=2))", "dilation_rate=(2, 2) is not converted"),
    ("S((4, 8, 8), L.Conv2D(2, 3, data_format='channels_first'))", "data_format='channels_first'"),
    ("S((None, None, 3), L.Conv2D(2, 3))", "layer 0, Conv2D: reads (None, None, None, 3): a size is not known"),
    ("S((7, 7, 1), L.AveragePooling2D(2, padding='same'))", "padding='same' is converted only where none is added"),
    ("S((3,), L.Dense(3, activation=double))", "activation=double is not converted; known: linear, relu,"),
    ("S((3,), L.Dense(3, activation=lambda x: x * 2))", "layer 0, Dense: its options cannot be read"),
    ("S((3,), L.Dense(3, activation='sparsemax'))", "activation=sparsemax is not converted"),
    ("S((3,), L.Dense(3, dtype='mixed_bfloat16'))", "dtype mixed_bfloat16"),
    ("S((3,), L.LeakyReLU(2.0))", "negative_slope=2.0 is above 1"),
    ("S((3,), L.ReLU(threshold=1.0))", "threshold=1.0 is not converted"),
    ("S((3, 2), L.PReLU(shared_axes=[1]))", "shared_axes=[1] is not converted"),
    ("S((3, 2), L.LayerNormalization(axis=1))", "axis=[1] is not converted, only the last ones"),
    ("S((3, 2), L.LayerNormalization(rms_scaling=True))", "rms_scaling=True is not converted"),
    ("S((3,), L.BatchNormalization(renorm=True))", "renorm=True is not converted"),
    ("S((3,), L.Embedding(9, 2, mask_zero=True))", "mask_zero=True is not converted"),
    ("S((3, 2), L.LSTM(2, go_backwards=True))", "go_backwards=True is not converted"),
    ("S((3, 2), L.LSTM(2, activation='sparsemax'))", "activation=sparsemax is not converted"),
    ("S((3,), L.Rescaling([1.0, 2.0, 3.0]))", "scale and offset are converted only as single numbers"),
    ("S((3,), L.Softmax([1]))", "axis=[1] is not converted"),
    ("twice()", "is not a chain of layers"),
    ("branches()", "is not a chain of layers"),
    ("Own()", "layer all, Own: not converted; known: Sequential, a functional model"),
    ("keras.Sequential([L.Dense(3)])", "the network is not built"),
    ("shared()", "layer 1.0, Dense: shares its weights with layer 0"),
]

REFUSE = """\
def S(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def double(x):
    return 2 * x


class Doubled(L.Dense):
    def call(self, x):
        return 2 * super().call(x)


class Own(keras.Model):
    pass


def twice():
    x, layer = keras.Input((3,)), L.Dense(3)
    return keras.Model(x, layer(layer(x)))


def branches():
    x = keras.Input((3,))
    return keras.Model(x, L.Add()([L.Dense(3)(x), x]))


def shared():
    layer = L.Dense(3)
    return S((3,), layer, S((3,), layer))


for code, _ in json.load(sys.stdin):
    try:
        convert(eval(code))
    except NotConverted as error:
        print(" ".join(str(error).split()))
    else:
        print("was converted")
"""


@pytest.mark.takes(30)
@on_every_backend
def test_networks_drawn_at_random_are_equal(backend: str) -> None:
    """100 on NumPy, and under ``prove`` on others; fewer on JAX, which compiles each operation for each shape."""
    most = 30 if backend == "jax" else 100
    count = most if backend == "numpy" or PROVE else 10
    printed = json.loads(run_code("migrate", backend, START + COMPARE, backend, 0, count))
    assert printed["missing"] == [] or count < 100, "layers that no network has"


@pytest.mark.takes(15)
def test_what_is_not_known_is_refused_by_name() -> None:
    told = run_code("migrate", "numpy", START + REFUSE, given=json.dumps(REFUSED)).splitlines()
    for line, (code, words) in zip(told, REFUSED, strict=True):
        assert words in line, code
