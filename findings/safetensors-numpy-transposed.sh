#!/usr/bin/env bash
# safetensors 0.8.0, numpy 2.1.3.
# safetensors.numpy writes an array's buffer in memory order under the array's own shape. A transposed array
# or a slice with a step is saved without an error, and other numbers come back.
# Expected: the same values (np.save does that), or an error (as for torch tensors that are not contiguous).
# Anybody who transposes a kernel on the way to another framework meets this. np.ascontiguousarray first.
# Seen: transposed [[0, 3], [1, 4], [2, 5]] -> [[0, 1], [2, 3], [4, 5]]
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q safetensors==0.8.0 numpy==2.1.3
out=$("$dir/venv/bin/python" - "$dir/weights.safetensors" <<'PY'
import sys
import numpy as np
from safetensors.numpy import load_file, save_file

kernel = np.arange(6, dtype=np.int64).reshape(2, 3)
save_file({"t": kernel.T, "step": kernel[:, ::2], "copied": np.ascontiguousarray(kernel.T)}, sys.argv[1])
back = load_file(sys.argv[1])
print(kernel.T.tolist(), back["t"].tolist(), back["copied"].tolist())
print(kernel[:, ::2].tolist(), back["step"].tolist())
PY
)
want='[[0, 3], [1, 4], [2, 5]] [[0, 1], [2, 3], [4, 5]] [[0, 3], [1, 4], [2, 5]]
[[0, 2], [3, 5]] [[0, 1], [2, 3]]'
if [ "$out" != "$want" ]; then
  echo "changed: safetensors.numpy no longer saves a transposed array in memory order: $out"
  exit 1
fi
echo "still so: safetensors.numpy saves a transposed array as other numbers, without an error"
