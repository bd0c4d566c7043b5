#!/usr/bin/env bash
# mlx 0.32.4 (mlx-cpu on Linux).
# `mx.argmax` and `mx.argmin` return uint32, and a Python number takes that type: what is subtracted below 0 wraps round.
# Expected: signed positions, as of NumPy, PyTorch (int64) and JAX (int32), where `argmax(x) - 2` can be -1. The difference of
# predicted and true classes, for an error by distance, is the usual place to meet it: no error is raised.
# Seen: position 1 minus 2 is 4294967295.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
extra=$([ "$(uname)" = Linux ] && echo "[cpu]" || true)
"$dir/venv/bin/pip" install -q "mlx$extra==0.32.4" numpy==2.1.3 2> "$dir/log" || { cat "$dir/log"; exit 1; }
out=$("$dir/venv/bin/python" - <<'PY'
import mlx.core as mx
import numpy as np

for library in (np, mx):
    place = library.argmax(library.array([0.0, 1.0]))
    print((place - 2).item())
print(place.dtype, (mx.argmin(mx.array([0.0, 1.0])) - 1).item())
PY
)
want="-1
4294967295
mlx.core.uint32 4294967295"
if [ "$out" != "$want" ]; then
  echo "changed: positions minus a larger number:" $out
  exit 1
fi
echo "still so: mx.argmax minus a larger number wraps round"
