#!/usr/bin/env bash
# numpy 2.1.3, ml_dtypes 0.6.0, jax 0.6.2, mlx 0.32.4 (CPU).
# numpy sums a bfloat16 array (ml_dtypes, what JAX hands to NumPy) one by one in bfloat16, where 256 + 1 is 256:
# a sum of ones stops at 256 and the mean of 1000 ones is 0.256. A float16 vector is summed in another way, so a test with it passes.
# Expected: 1000, as JAX and MLX give for the same numbers; 5000 float16 ones, past what float16 can count by ones, give 5000.
# dtype=np.float32 in sum and mean gives it.
# Seen: sum 256, mean 0.255859; JAX 1000, MLX 1000, 5000 float16 ones 5000, with dtype=float32 1000.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q numpy==2.1.3 ml_dtypes==0.6.0 jax==0.6.2 jaxlib==0.6.2 "mlx[cpu]==0.32.4"
out=$("$dir/venv/bin/python" - <<'PY'
import jax.numpy as jnp
import ml_dtypes
import mlx.core as mx
import numpy as np

ones = np.ones(1000, ml_dtypes.bfloat16)
print(float(ones.sum()), float(ones.mean()))
print(float(jnp.asarray(ones).sum()), mx.ones(1000, mx.bfloat16).sum().item())
print(float(np.ones(5000, np.float16).sum()), float(ones.sum(dtype=np.float32)))
PY
)
want='256.0 0.255859375
1000.0 1000.0
5000.0 1000.0'
if [ "$out" != "$want" ]; then
  echo "changed: NumPy's sum and mean of 1000 bfloat16 ones, JAX's and MLX's sums, float16's and float32's:" $out
  exit 1
fi
echo "still so: NumPy's sum of 1000 bfloat16 ones is 256"
