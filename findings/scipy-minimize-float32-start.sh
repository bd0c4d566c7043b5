#!/usr/bin/env bash
# scipy 1.18.1, numpy 2.1.3.
# scipy.optimize.minimize from a float32 start and without a gradient: L-BFGS-B, BFGS and CG stay where they started
# and report success. The finite-difference step, about 1e-8, is lost where the objective is computed in float32, so the
# gradient is zero and the start looks like a minimum. Flat parameters of a float32 network are such a start.
# Expected: the minimum, or success = False. trust-constr finds it in each case: its step suits float32.
# A float64 start does not help where the objective casts to float32 itself.
# Seen: (x - 3)^2 from 0: x = 0, success True for the three; 3 from a float64 start; 0, True again with the cast inside.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q scipy==1.18.1 numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import numpy as np
from scipy.optimize import minimize


def squares(x):
    return ((x - 3) ** 2).sum()


def squares_in_float32(x):
    return squares(x.astype(np.float32))


for method in ("L-BFGS-B", "BFGS", "CG", "trust-constr"):
    for objective, kind in ((squares, np.float32), (squares, np.float64), (squares_in_float32, np.float64)):
        found = minimize(objective, np.zeros(2, kind), method=method)
        print(method, objective.__name__, kind.__name__, round(float(found.x[0]), 3), found.success)
PY
)
want='L-BFGS-B squares float32 0.0 True
L-BFGS-B squares float64 3.0 True
L-BFGS-B squares_in_float32 float64 0.0 True
BFGS squares float32 0.0 True
BFGS squares float64 3.0 True
BFGS squares_in_float32 float64 0.0 True
CG squares float32 0.0 True
CG squares float64 3.0 True
CG squares_in_float32 float64 0.0 True
trust-constr squares float32 3.0 True
trust-constr squares float64 3.0 True
trust-constr squares_in_float32 float64 3.0 True'
if [ "$out" != "$want" ]; then
  echo "changed: scipy minimize from a float32 start:" $out
  exit 1
fi
echo "still so: L-BFGS-B, BFGS and CG do not move from a float32 start and report success"
