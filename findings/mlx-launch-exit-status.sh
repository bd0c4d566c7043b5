#!/usr/bin/env bash
# mlx 0.32.4 (mlx-cpu on Linux).
# `mlx.launch` ends with status 0 although a process that it started ended with another one: it prints a warning, stops the
# other processes, and reports success to the shell.
# Expected: a status other than 0, as torchrun and mpirun give, so that `set -e`, a job scheduler or CI sees the failure.
# Seen: "exited with code 3" on the terminal, and status 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
extra=$([ "$(uname)" = Linux ] && echo "[cpu]" || true)
"$dir/venv/bin/pip" install -q "mlx$extra==0.32.4"
cat > "$dir/fails.py" <<'PY'
import sys

import mlx.core as mx

group = mx.distributed.init()
sys.exit(3 if group.rank() == 1 else 0)
PY
status=0
"$dir/venv/bin/mlx.launch" -n 2 "$dir/venv/bin/python" "$dir/fails.py" > "$dir/log" 2>&1 || status=$?
if [ "$status" != 0 ] || ! grep -q "exited with code 3" "$dir/log"; then
  cat "$dir/log"
  echo "changed: mlx.launch ended with $status after a process had ended with 3"
  exit 1
fi
echo "still so: mlx.launch ends with 0 after a process has ended with 3"
