#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU), onnx 1.23.2, numpy 2.1.3.
# ReduceMax and ReduceMin of onnxruntime return nan only where nan comes first (seen with one nan in a row); elsewhere it
# is passed over. Max of two tensors and ReduceSum keep nan at every place.
# Expected: nan at any place gives nan, as numpy.max and onnx's own reference have it. A guard exported with
# a model that looks for nan in its maximum works for one position and not for the others.
# Seen: [nan, 1, 2] -> nan, [1, nan, 2] -> 2.0, [1, 2, nan] -> 2.0; the reference: nan, nan, nan.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
for operator in ("ReduceMax", "ReduceMin", "ReduceSum"):
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "graph", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = []
    for place in range(3):
        row = np.insert(np.array([1, 2], np.float32), place, np.nan)
        found.append(f"{ReferenceEvaluator(model).run(None, {'x': row})[0][0]}/{session.run(None, {'x': row})[0][0]}")
    print(operator, *found)
PY
)
want='ReduceMax nan/nan nan/2.0 nan/2.0
ReduceMin nan/nan nan/1.0 nan/1.0
ReduceSum nan/nan nan/nan nan/nan'
if [ "$out" != "$want" ]; then
  echo "changed: reference/onnxruntime with nan first, second, third:" $out
  exit 1
fi
echo "still so: onnxruntime's ReduceMax passes over a nan that is not first"
