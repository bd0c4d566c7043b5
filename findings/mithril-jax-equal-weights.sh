#!/usr/bin/env bash
# mithril 0.1.1, jax 0.6.2, numpy 2.1.3.
# randomize_params of a model compiled for JAX gives parameters of one shape the same numbers: the random key is reused for
# each. Two equal layers start as copies of each other, weights and biases, and a bias equals the first row of its weight.
# Expected: independent numbers for each parameter, as the NumPy backend gives.
# Seen, two Linear(3) on 3 inputs: JAX: weights equal, biases equal, bias equal to the weight's first row;
# NumPy: none of them.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q mithril==0.1.1 jax==0.6.2 jaxlib==0.6.2 numpy==2.1.3 scipy==1.18.1
out=$("$dir/venv/bin/python" - <<'PY'
import mithril as ml
import numpy as np
from mithril.models import Linear, Model

for backend in (ml.JaxBackend(), ml.NumpyBackend()):
    model = Model()
    model += Linear(3)(input="x", w="w1", b="b1", output="hidden")
    model += Linear(3)(input="hidden", w="w2", b="b2", output="y")
    compiled = ml.compile(model, backend, shapes={"x": (2, 3)}, data_keys={"x"}, jit=False)
    params = {key: np.asarray(value) for key, value in compiled.randomize_params().items()}
    pairs = ((params["w1"], params["w2"]), (params["b1"], params["b2"]), (params["w1"][0], params["b1"]))
    print(type(backend).__name__, *(np.array_equal(*pair) for pair in pairs))
PY
)
want='JaxBackend True True True
NumpyBackend False False False'
if [ "$out" != "$want" ]; then
  echo "changed: equal weights, equal biases, bias equal to a row:" $out
  exit 1
fi
echo "still so: mithril's random parameters of one shape are equal on JAX"
