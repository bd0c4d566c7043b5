#!/usr/bin/env bash
# jax 0.6.2 (CPU), mlx 0.32.4 (CPU), numpy 2.1.3 (x86-64).
# A cast from float to a narrower integer saturates in JAX and wraps in NumPy and MLX; nan becomes 0 in JAX.
# From integer to integer JAX wraps as well, so int32 300 and float32 300.0 give different int8 numbers.
# Expected: one rule for astype. Quantization ported between the two differs without an error, for outliers only.
# Seen: float 300 -> int8: JAX 127, NumPy 44, MLX 44. int 300 -> int8: 44 in all three. nan -> int8 in JAX: 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q jax==0.6.2 jaxlib==0.6.2 "mlx[cpu]==0.32.4" numpy==2.1.3
out=$("$dir/venv/bin/python" -W ignore - <<'PY'
import jax.numpy as jnp
import mlx.core as mx
import numpy as np

for value in (300.0, 300):
    kind = "float32" if isinstance(value, float) else "int32"
    print(
        kind,
        int(jnp.array([value], kind).astype("int8")[0]),
        int(np.array([value], kind).astype("int8")[0]),
        mx.array([value], getattr(mx, kind)).astype(mx.int8)[0].item(),
    )
print(int(jnp.array([float("nan")]).astype("int8")[0]))
PY
)
want='float32 127 44 44
int32 44 44 44
0'
if [ "$out" != "$want" ]; then
  echo "changed: casts of 300 to int8 in JAX, NumPy and MLX, then nan in JAX:" $out
  exit 1
fi
echo "still so: JAX casts 300.0 to int8 127, NumPy and MLX to 44"
