#!/usr/bin/env bash
# optax 0.2.8, jax 0.6.2, mlx 0.32.4 (CPU).
# RMSprop with the same learning rate and otherwise defaults: optax's first step is the learning rate times 3.16,
# MLX's is the learning rate times 10. optax decays with 0.9 and puts epsilon inside the root; MLX decays with 0.99.
# Expected: one name, one rule. decay=0.99 and eps_in_sqrt=False give optax MLX's step.
# Seen, from p = 1, gradient 0.5, learning rate 0.01: optax moves 0.0316, MLX 0.1, optax so adjusted 0.1;
# with a gradient of 1e-6 optax moves 0.0001, MLX 0.0909.
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


def by_optax(gradient, **options):
    rmsprop = optax.rmsprop(0.01, **options)
    update, _ = rmsprop.update(jnp.array([gradient]), rmsprop.init(jnp.array([1.0])))
    return -float(update[0])


def by_mlx(gradient):
    stepped = mlx_optim.RMSprop(0.01).apply_gradients({"w": mx.array([gradient])}, {"w": mx.array([0.0])})
    return -stepped["w"].item()


for gradient in (0.5, 1e-6):
    adjusted = by_optax(gradient, decay=0.99, eps_in_sqrt=False)
    print(f"{by_optax(gradient):.4f} {by_mlx(gradient):.4f} {adjusted:.4f}")
PY
)
want='0.0316 0.1000 0.1000
0.0001 0.0909 0.0909'
if [ "$out" != "$want" ]; then
  echo "changed: first RMSprop steps of optax, MLX and optax adjusted:" $out
  exit 1
fi
echo "still so: optax RMSprop's first step is 3.16 times the learning rate, MLX's 10 times"
