"""The converter ``examples/migrate/from_flax.py``, run in the environment of JAX."""

from __future__ import annotations

import functools
import json

import pytest

from support.programs import run_code

#: Converts random networks, and compares each on NumPy and a quarter on JAX. What flax computes is compiled as a whole.
PROVE = """\
import jax
import mithril as ml
import numpy as np
from flax_networks import draw
from from_flax import convert

kinds, worst = set(), 0.0
for number in range(100):
    drawn = draw(number)
    wanted = np.asarray(jax.jit(drawn.network.apply)(drawn.variables, drawn.inputs))
    moved = convert(drawn.network, drawn.variables, drawn.shape)
    backends = [ml.NumpyBackend()]
    if number % 16 < 4:
        backends.append(ml.JaxBackend())
    for backend in backends:
        program = moved.compile(backend, jit=isinstance(backend, ml.JaxBackend))
        data = {moved.input: backend.array(drawn.inputs)}
        found = np.asarray(program.evaluate(moved.arrays(backend), data)[moved.output])
        assert found.shape == wanted.shape, number
        assert np.isfinite(found).all(), number
        worst = max(worst, float(np.abs(found - wanted).max()))
    kinds |= {type(layer).__name__ for layer in drawn.network.layers}
print(worst)
print(*sorted(kinds))
"""

#: Layers, the shape of an input, and how they are refused.
REFUSED = [
    ("nn.Sequential([nn.Dense(3), nn.ConvTranspose(3, (2,))])", "4,3", "layer 1, ConvTranspose: not converted; known:"),
    ("nn.Sequential([lambda x: x])", "3", "layer 0, <lambda>: not converted"),
    ("nn.Sequential([nn.Dense(3), nn.Sequential([nn.GroupNorm(3)])])", "3", "layer 1.0, GroupNorm: not converted"),
    ("Doubled(3)", "3", "layer 0, Doubled: not converted"),
    ("shared()", "3", "layer 2, Dense: shares weights with layer 0"),
    ("nn.Dense(3, dtype=jnp.bfloat16)", "3", "dtype=<class 'jax.numpy.bfloat16'> is not converted"),
    ("nn.Conv(4, (3, 3), feature_group_count=2)", "8,8,4", "feature_group_count=2 is not converted"),
    ("nn.Conv(4, (3, 3), kernel_dilation=2)", "8,8,4", "kernel_dilation=2 is not converted"),
    ("nn.Conv(4, (3, 3), padding='CIRCULAR')", "8,8,4", "padding='CIRCULAR' is not converted"),
    ("nn.Conv(4, (3, 3, 3))", "8,8,8,4", "kernel_size=(3, 3, 3)"),
    ("nn.LayerNorm(reduction_axes=(1, 2))", "8,4", "reduction_axes=(1, 2) is not converted"),
    ("nn.BatchNorm(use_running_average=False)", "3", "use_running_average=True only"),
    ("nn.Dropout(0.5, deterministic=False)", "3", "deterministic=True only"),
    ("nn.Sequential([partial(nn.softmax, axis=0)])", "3", "layer 0, softmax: axis=0 is not converted"),
    ("nn.Sequential([partial(nn.softmax, where=1)])", "3", "an option is not converted"),
    ("nn.Sequential([partial(nn.leaky_relu, negative_slope=2.0)])", "3", "negative_slope=2.0 is above 1"),
    ("nn.Sequential([partial(nn.max_pool, window_shape=(1, 2))])", "8,8,1", "must be equal numbers"),
    ("nn.Sequential([partial(nn.max_pool, window_shape=(2, 2), padding='SAME')])", "8,8,1", "padding='SAME' is not"),
    ("nn.Sequential([partial(nn.avg_pool, window_shape=(2, 2))])", "8,8,1", "strides=(1, 1) must be"),
    ("nn.Sequential([jnp.mean])", "3", "layer 0, mean: axis=None is not converted"),
    ("nn.Sequential([jnp.sin])", "3", "layer 0, sin: not converted"),
]

REFUSE = """\
import json
import sys
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from from_flax import convert


class Doubled(nn.Dense):
    def __call__(self, inputs):
        return 2 * super().__call__(inputs)


def shared():
    layer = nn.Dense(3)
    return nn.Sequential([layer, nn.relu, layer])


for code, shape, _ in json.load(sys.stdin):
    module, shape = eval(code), tuple(map(int, shape.split(",")))
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    try:
        variables = module.init(keys, jnp.ones((2, *shape), "float32"))
    except (TypeError, ValueError):
        variables = {}
    try:
        convert(module, variables, shape)
    except ValueError as error:
        print(type(error).__name__, " ".join(str(error).split()))
    else:
        print("was converted")
"""

MISFITS = """\
import jax
import jax.numpy as jnp
from flax import linen as nn
from from_flax import convert

network = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(2)])
variables = network.init(jax.random.key(0), jnp.ones((1, 3), "float32"))
more = nn.Sequential([*network.layers, nn.Dense(2)]).init(jax.random.key(0), jnp.ones((1, 3), "float32"))
for given, shape in ((variables, (5,)), ({}, (3,)), (more, (3,))):
    try:
        convert(network, given, shape)
    except ValueError as error:
        print(" ".join(str(error).split()))
"""


#: Runs code beside the converter. Most of the time is XLA's compilation, so it does not optimize.
run_python = functools.partial(run_code, "migrate", "jax", XLA_FLAGS="--xla_backend_optimization_level=0")


@pytest.mark.takes(40)
def test_100_networks_compute_the_same() -> None:
    worst, kinds = run_python(PROVE).splitlines()
    assert 0 < float(worst) <= 1e-5
    assert {"BatchNorm", "Conv", "Dense", "Dropout", "Embed", "LayerNorm", "Sequential"} <= set(kinds.split())


@pytest.mark.takes(10)
def test_what_is_not_converted_is_refused_by_name() -> None:
    said = run_python(REFUSE, given=json.dumps(REFUSED)).splitlines()
    assert len(said) == len(REFUSED)
    for (code, _, words), line in zip(REFUSED, said, strict=True):
        assert line.startswith("NotConverted ") and words in line, f"{code}: {line}"


def test_variables_that_do_not_fit() -> None:
    wide, missing, more = run_python(MISFITS).splitlines()
    assert wide.startswith("layer 0, Dense: an input of shape (5,) or its variables do not fit")
    assert missing.startswith("layer 0, Dense: an input of shape (3,) or its variables do not fit")
    assert more == "2 arrays belong to no layer of the network"
