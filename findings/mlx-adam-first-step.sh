#!/usr/bin/env bash
# mlx 0.32.4 (CPU), optax 0.2.8, jax 0.6.2.
# mlx.optimizers.Adam and AdamW leave the bias correction out unless bias_correction=True. With the default betas
# the first step is then sqrt(10) times the learning rate, whatever the gradient.
# Expected: the published Adam, as in optax, whose first step is the learning rate.
# A learning rate carried over from another framework is 3.16 times too large at the start, and nothing says so.
# Seen, from p = 1, gradient 0.5, learning rate 0.1: mlx 0.684, mlx with bias_correction=True 0.9, optax 0.9
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q "mlx[cpu]==0.32.4" optax==0.2.8 jax==0.6.2 jaxlib==0.6.2 numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import jax.numpy as jnp
import mlx.core as mx
import mlx.optimizers as mlx_optim
import optax

for optimizer in (
    mlx_optim.Adam(0.1),
    mlx_optim.AdamW(0.1, weight_decay=0.0),
    mlx_optim.Adam(0.1, bias_correction=True),
):
    stepped = optimizer.apply_gradients({"w": mx.array([0.5])}, {"w": mx.array([1.0])})
    print(f"{stepped['w'].item():.3f}")
adam = optax.adam(0.1)
update, _ = adam.update(jnp.array([0.5]), adam.init(jnp.array([1.0])))
print(f"{1.0 + float(update[0]):.3f}")
PY
)
want='0.684
0.684
0.900
0.900'
if [ "$out" != "$want" ]; then
  echo "changed: first steps of mlx Adam, AdamW, Adam corrected and optax adam:" $out
  exit 1
fi
echo "still so: mlx Adam's first step is 3.16 times the learning rate, optax's is the learning rate"
