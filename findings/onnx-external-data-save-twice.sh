#!/usr/bin/env bash
# onnx 1.23.2.
# onnx.save(model, path, save_as_external_data=True, location=...) replaces the model's own file without a word, but not
# the file of weights beside it: a second call with the same names raises FileExistsError, so a script that exports runs
# once. Without external data, the same script runs as often as one likes.
# Expected: that both files are replaced, as the one file is without external data.
# Seen: plain saved, saved; external saved, FileExistsError.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q onnx==1.23.2 numpy==2.1.3
out=$(cd "$dir" && "$dir/venv/bin/python" - <<'PY'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def made():
    weights = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    before = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])
    after = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])
    return helper.make_model(helper.make_graph([node], "one", [before], [after], [weights]))


for words in ({}, {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}):
    for _ in range(2):
        try:
            onnx.save(made(), f"{len(words)}.onnx", **words)
            print("saved")
        except Exception as error:
            print(type(error).__name__)
PY
)
want="saved
saved
saved
FileExistsError"
if [ "$out" != "$want" ]; then
  echo "changed:" $out
  exit 1
fi
echo "still so: external data is not saved a second time, and a plain file is"
