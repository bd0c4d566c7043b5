"""Try Mithril on a device, and keep what happened as a record::

    python check.py torch cuda:0

It runs alone, in an environment with Mithril and one framework. The record is a JSON file of the device, the date, the
versions and each trial; ``docs/_gpu/records/`` holds those that the site shows. Results are compared with NumPy's.
"""

import argparse
import datetime
import importlib
import json
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
from mithril.models import CrossEntropy, Linear, LSTMCell, MatrixMultiply, Mean, Model, Relu, SquaredError, TrainModel

#: Backend to the module that defines it; mithril itself hides the one of MLX on Linux.
MODULES = {
    "numpy": "mithril.backends.with_manualgrad.numpy_backend",
    "torch": "mithril.backends.with_autograd.torch_backend",
    "jax": "mithril.backends.with_autograd.jax_backend",
    "mlx": "mithril.backends.with_autograd.mlx_backend",
}
#: Sizes of the data, of the hidden layer and of the output.
ROWS, INPUTS, HIDDEN, OUTPUTS = 64, 8, 16, 2


def make_backend(name: str, device: str, **options: Any) -> ml.Backend:
    """A backend on a device. MLX takes no device, so its default device is set."""
    if name == "mlx":
        mx = importlib.import_module("mlx.core")
        mx.set_default_device(mx.cpu if device == "cpu" else mx.gpu)
    else:
        options["device"] = device
    kind = next(kind for key, kind in vars(importlib.import_module(MODULES[name])).items() if key.endswith("Backend"))
    made: ml.Backend = kind(**options)
    return made


def place_of(name: str, array: Any) -> str:
    """The device that holds an array, in the framework's words."""
    if name == "mlx":
        return str(importlib.import_module("mlx.core").default_device())
    return str(next(iter(array.devices())) if name == "jax" else array.device)


def describe(name: str, device: str, array: Any) -> str:
    """The name of the hardware, as the framework tells it; empty for a CPU of which it tells none."""
    if name == "torch" and device.startswith("cuda"):
        return str(importlib.import_module("torch").cuda.get_device_name(device))
    if name == "jax":
        return str(next(iter(array.devices())).device_kind)
    if name == "mlx":
        mx = importlib.import_module("mlx.core")
        return str(mx.device_info().get("device_name", "") if hasattr(mx, "device_info") else "")
    return platform.processor()


def to_numpy(name: str, array: Any) -> np.ndarray:
    """An array of any device as NumPy's. PyTorch wants it on the CPU first."""
    return np.asarray(array.cpu() if name == "torch" else array)


def network() -> Model:
    model = Model()
    model += Linear(dimension=HIDDEN)(input="x", w="w1", b="b1")
    model += Relu()
    model += Linear(dimension=OUTPUTS)(w="w2", b="b2", output=ml.IOKey("y"))
    return model


def trials(name: str, device: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is tried, each with a function that raises where it does not work and may say something where it does."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (INPUTS, HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN, OUTPUTS), "b2": (OUTPUTS,)}
    start = {key: rng.normal(scale=0.3, size=shape).astype("float32") for key, shape in shapes.items()}
    x = rng.normal(size=(ROWS, INPUTS)).astype("float32")
    target = x[:, :OUTPUTS] * 2
    slope = np.ones((ROWS, OUTPUTS), "float32")

    def run(backend: ml.Backend, *, jit: bool) -> tuple[Any, dict[str, Any]]:
        form = ml.compile(network(), backend, data_keys={"x"}, jit=jit)
        params, data = {k: backend.array(v) for k, v in start.items()}, {"x": backend.array(x)}
        return form.evaluate(params, data)["y"], form.evaluate_gradients(params, data, {"y": backend.array(slope)})

    expected, expected_gradients = run(ml.NumpyBackend(), jit=False)

    def an_array() -> str:
        return place_of(name, make_backend(name, device).array([1.0, 2.0]))

    def compare(*, jit: bool) -> str:
        found, gradients = run(make_backend(name, device), jit=jit)
        pairs = [(found, expected), *((gradients[key], expected_gradients[key]) for key in expected_gradients)]
        # GPUs may round the factors of products to fewer bits.
        for one, other in pairs:
            np.testing.assert_allclose(to_numpy(name, one), other, rtol=1e-2, atol=1e-2)
        return ""

    def training() -> str:
        backend = make_backend(name, device)
        model = TrainModel(network())
        model.add_loss(SquaredError(), input="y", target="target", reduce_steps=[Mean()])
        form = ml.compile(model, backend, data_keys={"x", "target"}, jit=False)
        params = {key: backend.array(value) for key, value in start.items()}
        data = {"x": backend.array(x), "target": backend.array(target)}
        losses = []
        for _ in range(50):
            outputs, gradients = form.evaluate_all(params, data)
            losses.append(float(outputs["final_cost"]))
            params = {key: value - 0.1 * gradients[key] for key, value in params.items()}
        assert losses[-1] < 0.5 * losses[0], f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}"
        return ""

    def half_precision() -> str:
        return str(make_backend(name, device, precision=16).array([1.5]).dtype)

    def to_and_from() -> str:
        backend = make_backend(name, device)
        moved = to_numpy(name, backend.array(x))
        np.testing.assert_array_equal(moved, x)
        return ""

    def like_numpy(model: Callable[[], Any], inputs: dict[str, Any]) -> Callable[[], str]:
        def outputs(backend: ml.Backend) -> list[Any]:
            whole = Model()
            whole += model()(**{key: key for key in inputs}, output=ml.IOKey("result"))
            form = ml.compile(whole, backend, data_keys=set(inputs), inference=True, jit=False)
            found = form.evaluate({}, {key: backend.array(value) for key, value in inputs.items()})
            return [found[key] for key in sorted(found)]

        def trial() -> str:
            for one, other in zip(outputs(make_backend(name, device)), outputs(ml.NumpyBackend()), strict=True):
                np.testing.assert_allclose(to_numpy(name, one), other, rtol=1e-2, atol=1e-2)
            return ""

        return trial

    yield "an array on the device", an_array
    yield "output and gradients, jit off", lambda: compare(jit=False)
    yield "output and gradients, jit on", lambda: compare(jit=True)
    yield "training with TrainModel", training
    yield "16 bits", half_precision
    yield "to the device and back", to_and_from
    square = np.array([[1, 2], [3, 4]])
    yield "product of integers", like_numpy(MatrixMultiply, {"left": square, "right": square})
    scores = {"input": rng.normal(size=(4, 3)), "target": np.array([0, 2, 1, 1])}
    yield "CrossEntropy with weights", like_numpy(lambda: CrossEntropy(weights=[1.0, 2.0, 3.0]), scores)
    sizes = {"input": (2, 1, 3), "prev_hidden": (2, 1, 4), "prev_cell": (2, 1, 4), "w_out": (4, 5), "bias_out": (5,)}
    sizes |= {f"w_{gate}": (7, 4) for gate in "fico"} | {f"bias_{gate}": (4,) for gate in "fico"}
    yield "LSTMCell", like_numpy(LSTMCell, {key: rng.normal(size=size) for key, size in sizes.items()})


def check(name: str, device: str, *, jit: bool = True) -> dict[str, Any]:
    """The record of a backend on a device. Without ``jit`` nothing is compiled, which takes most of the time."""
    record: dict[str, Any] = {
        "backend": name,
        "device": device,
        "hardware": "",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            **{key: version(key) for key in sorted({"mithril", "numpy", name})},
        },
        "trials": [],
    }
    for title, trial in trials(name, device):
        if title.endswith("jit on") and not jit:
            continue
        try:
            works, says = True, trial()
        except Exception as error:
            works, says = False, f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
        record["trials"].append({"title": title, "works": works, "says": says})
    if record["trials"][0]["works"]:
        record["hardware"] = describe(name, device, make_backend(name, device).array([1.0]))
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description="Try Mithril on a device, and keep what happened.")
    parser.add_argument("backend", choices=sorted(MODULES))
    parser.add_argument("device", help="such as cuda:0 on PyTorch, gpu on MLX, or a name that JAX lists")
    parser.add_argument("--out", type=Path, help="the file of the record; BACKEND-DEVICE.json if left out")
    parser.add_argument("--no-jit", action="store_true", help="leave out what compiles, for a quick look")
    words = parser.parse_args()
    record = check(words.backend, words.device, jit=not words.no_jit)
    first = record["trials"][0]
    if not first["works"]:
        raise SystemExit(f"no record: {words.backend} has no device '{words.device}' here: {first['says']}")
    out = words.out or Path(f"{words.backend}-{words.device.replace(':', '')}.json")
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for trial in record["trials"]:
        print("works" if trial["works"] else "FAILS", "-", trial["title"], trial["says"] and f"({trial['says']})")


if __name__ == "__main__":
    main()
