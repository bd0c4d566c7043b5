#!/usr/bin/env bash
# onnx 1.23.2, onnxruntime 1.32.0, numpy 2.1.3.
# onnx.reference.ReferenceEvaluator normalizes a BatchNormalization of opset 9 to 13 with a blend of the stored statistics and
# those of the batch, although the node has one output, which means inference. The result depends on the rest of the batch.
# Expected: the stored mean and variance alone, as with opset 14 and in onnxruntime. Whoever checks an exported model against
# the reference finds the right runtime wrong.
# Seen, x = [1, 3], mean 0, variance 1: opset 13 reference [0.8, 2.8], onnxruntime [1.0, 3.0]; opset 14 [1.0, 3.0] in both.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.1.3
out=$("$dir/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

feed = {"x": np.array([[1], [3]], np.float32)}
feed |= {name: np.array([value], np.float32) for name, value in (("scale", 1), ("bias", 0), ("mean", 0), ("var", 1))}
inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in feed.items()]
output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 1))
graph = helper.make_graph([helper.make_node("BatchNormalization", list(feed), ["y"])], "graph", inputs, [output])
for opset in (9, 13, 14):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    (reference,) = ReferenceEvaluator(model).run(None, feed)
    (runtime,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
    print(opset, [round(float(v), 3) for v in reference[:, 0]], [round(float(v), 3) for v in runtime[:, 0]])
PY
)
want='9 [0.8, 2.8] [1.0, 3.0]
13 [0.8, 2.8] [1.0, 3.0]
14 [1.0, 3.0] [1.0, 3.0]'
if [ "$out" != "$want" ]; then
  echo "changed: opset, reference, onnxruntime:" $out
  exit 1
fi
echo "still so: onnx's reference normalizes with batch statistics before opset 14"
