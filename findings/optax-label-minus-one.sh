#!/usr/bin/env bash
# optax 0.2.8, jax 0.6.2, mlx 0.32.4 (CPU).
# softmax_cross_entropy_with_integer_labels takes label -1 as the last class, and so does MLX's cross_entropy: padding marked -1
# is trained towards that class. In optax -100, the mark that other losses skip, gives nan, and so does a class too large.
# Expected: an error, or no loss for a negative label. Mask the padding oneself.
# Seen, logits [1, 2, 3]: class 2 0.408, -1 0.408, -100 nan, 3 nan; MLX: class 2 0.408, -1 0.408
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q optax==0.2.8 jax==0.6.2 jaxlib==0.6.2 "mlx[cpu]==0.32.4" numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import jax.numpy as jnp
import mlx.core as mx
import mlx.nn as nn
import optax

logits = [[1.0, 2.0, 3.0]]
cross_entropy = optax.losses.softmax_cross_entropy_with_integer_labels
print(*(f"{float(cross_entropy(jnp.array(logits), jnp.array([label]))[0]):.3f}" for label in (2, -1, -100, 3)))
print(*(f"{nn.losses.cross_entropy(mx.array(logits), mx.array([label]))[0].item():.3f}" for label in (2, -1)))
PY
)
want='0.408 0.408 nan nan
0.408 0.408'
if [ "$out" != "$want" ]; then
  echo "changed: optax with labels 2, -1, -100, 3, then MLX with 2, -1:" $out
  exit 1
fi
echo "still so: label -1 counts as the last class in optax and MLX"
