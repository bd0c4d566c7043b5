#!/usr/bin/env bash
# jax 0.6.2, mlx 0.32.4 (CPU), numpy 2.1.3.
# The leaves of one dictionary come in two orders: JAX sorts the keys as text, so layer 10 comes before layer 2, and MLX
# keeps the order of insertion. Through jax.tree.map or jit a dictionary comes back sorted too. Zipped leaf lists, or a vector
# of ravel_pytree cut up in the order of the layers, put numbers into the wrong layer wherever the shapes agree.
# Expected: one order, that of the dictionary. Below 11 layers the two agree, so a small test passes.
# Seen, layers 0 to 10: JAX 0 1 10 2 3 4 5 6 7 8 9, MLX 0 1 2 3 4 5 6 7 8 9 10
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q jax==0.6.2 jaxlib==0.6.2 "mlx[cpu]==0.32.4" numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import jax
from jax.flatten_util import ravel_pytree
from mlx.utils import tree_flatten, tree_map

layers = {f"layer_{number}": float(number) for number in range(11)}
print("jax", *(int(leaf) for leaf in jax.tree.leaves(layers)))
print("ravel", *ravel_pytree(layers)[0].astype(int).tolist())
print("mlx", *(int(leaf) for _, leaf in tree_flatten(layers)))
print(list(jax.tree.map(abs, layers))[2], list(jax.jit(lambda tree: tree)(layers))[2], list(tree_map(abs, layers))[2])
PY
)
want='jax 0 1 10 2 3 4 5 6 7 8 9
ravel 0 1 10 2 3 4 5 6 7 8 9
mlx 0 1 2 3 4 5 6 7 8 9 10
layer_10 layer_10 layer_2'
if [ "$out" != "$want" ]; then
  echo "changed: order of the leaves:" $out
  exit 1
fi
echo "still so: JAX orders the leaves of a dictionary by its sorted keys, MLX by insertion"
