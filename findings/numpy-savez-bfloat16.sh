#!/usr/bin/env bash
# numpy 2.1.3, ml_dtypes 0.6.0, jax 0.6.2.
# np.savez (np.save too) takes a bfloat16 array (a jax.Array too) without a word and writes its type as "|V2", two bytes without
# a meaning. np.load gives a void array, even with ml_dtypes imported, and JAX refuses it. A view as bfloat16 brings it back.
# float8_e5m2 is saved as well, and its file is one that np.load does not read.
# Expected: an error on saving, or the type back. A safetensors file names it ("BF16").
# Seen: bfloat16 -> |V2, jnp.asarray: TypeError, view: [1.0, 2.5]; float8_e5m2: np.load raises ValueError
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q numpy==2.1.3 ml_dtypes==0.6.0 jax==0.6.2 jaxlib==0.6.2
out=$("$dir/venv/bin/python" -W error::UserWarning - "$dir/checkpoint.npz" <<'PY'
import sys
import jax.numpy as jnp
import ml_dtypes
import numpy as np

np.savez(sys.argv[1], **{kind: jnp.array([1.0, 2.5], kind) for kind in ("bfloat16", "float8_e5m2")})
back = np.load(sys.argv[1])
print(back["bfloat16"].dtype.str, back["bfloat16"].view(ml_dtypes.bfloat16).tolist())
for use in (lambda: jnp.asarray(back["bfloat16"]), lambda: back["float8_e5m2"]):
    try:
        print(use())
    except (TypeError, ValueError) as error:
        print(type(error).__name__)
PY
)
want='|V2 [1.0, 2.5]
TypeError
ValueError'
if [ "$out" != "$want" ]; then
  echo "changed: type loaded and view, bfloat16 in JAX, float8_e5m2 loaded:" $out
  exit 1
fi
echo "still so: np.savez writes bfloat16 as two bytes without a type"
