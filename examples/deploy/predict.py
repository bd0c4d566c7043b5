"""Predict with a release: the folder that holds this file.

A release holds one model in one of several forms. This program loads any of
them, and imports only the packages that the form needs.
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import ctypes  # noqa: E402
import hashlib  # noqa: E402
import importlib  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

import numpy as np  # noqa: E402

#: (rows, 64) pixels from 0 to 16 to (rows, 10) scores.
Predict = Callable[[np.ndarray], np.ndarray]

#: Where Mithril keeps the class of each backend. `ml.MlxBackend` is missing
#: off macOS; this module is not.
BACKENDS = {
    "numpy": (
        "mithril.backends.with_manualgrad.numpy_backend",
        "NumpyBackend",
    ),
    "torch": ("mithril.backends.with_autograd.torch_backend", "TorchBackend"),
    "jax": ("mithril.backends.with_autograd.jax_backend", "JaxBackend"),
    "mlx": ("mithril.backends.with_autograd.mlx_backend", "MlxBackend"),
}
#: How far the scores of another machine may be from those of the training.
TOLERANCE = 1e-4


class ReleaseError(Exception):
    """A release that must not be used. The message is one line."""


def make_backend(name: str) -> Any:
    """A backend by its name. Raises ImportError without its framework."""
    module, cls = BACKENDS[name]
    return getattr(importlib.import_module(module), cls)()


def import_file(path: Path) -> Any:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arrays(path: Path, convert: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """The named arrays of a file."""
    with np.load(path) as file:
        return {key: convert(file[key]) for key in file.files}


# One function for each form of a model.


def load_rebuild(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Compose the model again, and compile it."""
    import mithril as ml

    backend = make_backend(manifest["backend"])
    model = import_file(folder / "model.py").MODELS[manifest["model"]]()
    compiled = ml.compile(
        model,
        backend,
        data_keys={"pixels"},
        inference=True,
        jit=manifest["backend"] == "jax",
    )
    weights = arrays(folder / "weights.npz", backend.array)
    return lambda pixels: compiled.evaluate(
        weights, {"pixels": backend.array(pixels)}
    )["scores"]


def load_program(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Import the generated program."""
    backend = make_backend(manifest["backend"])
    program = import_file(folder / "program.py")
    weights = arrays(folder / "weights.npz", backend.array)
    constants = arrays(folder / "constants.npz", backend.array)
    return lambda pixels: program.evaluate(
        weights, {"pixels": backend.array(pixels)}, constants
    )["scores"]


def load_standalone(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Import the generated program that has its own operators."""
    program = import_file(folder / "program.py")
    weights = arrays(folder / "weights.npz", np.asarray)
    constants = arrays(folder / "constants.npz", np.asarray)
    return lambda pixels: program.evaluate(
        weights, {"pixels": pixels}, constants
    )["scores"]


def load_pickle(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Unpickle the compiled model. This runs code that is in the file."""
    compiled = pickle.loads((folder / "compiled.pickle").read_bytes())
    array = compiled.backend.array
    weights = arrays(folder / "weights.npz", array)
    return lambda pixels: compiled.evaluate(
        weights, {"pixels": array(pixels)}
    )["scores"]


def load_torch_export(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Load what `torch.export` saved."""
    import torch

    module = torch.export.load(folder / "model.pt2").module()
    return torch.no_grad()(lambda pixels: module(torch.from_numpy(pixels)))


def load_aotinductor(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Load the library that AOTInductor compiled."""
    import torch

    module = torch._inductor.aoti_load_package(str(folder / "model.pt2"))
    return torch.no_grad()(lambda pixels: module(torch.from_numpy(pixels)))


def load_onnx(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Open the file in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return lambda pixels: session.run(["scores"], {"pixels": pixels})[0]


def load_jax_export(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Load what `jax.export` serialized."""
    import jax
    from jax import export

    blob = bytearray((folder / "model.jax").read_bytes())
    return jax.jit(export.deserialize(blob).call)


def load_mlx_export(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Load what `mx.export_function` wrote."""
    import mlx.core as mx

    function = mx.import_function(str(folder / "model.mlxfn"))
    return lambda pixels: function(mx.array(pixels))[0]


def load_c(folder: Path, manifest: dict[str, Any]) -> Predict:
    """Load the C library, which holds the weights too."""
    library = ctypes.CDLL(str(folder / "libmodel.so"))
    floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    library.predict.argtypes = [floats, ctypes.c_int, floats]
    library.predict.restype = None

    def predict(pixels: np.ndarray) -> np.ndarray:
        scores = np.empty((len(pixels), 10), np.float32)
        library.predict(pixels, len(pixels), scores)
        return scores

    return predict


LOADERS = {
    "rebuild": load_rebuild,
    "program": load_program,
    "standalone": load_standalone,
    "pickle": load_pickle,
    "torch-export": load_torch_export,
    "aotinductor": load_aotinductor,
    "onnx": load_onnx,
    "jax-export": load_jax_export,
    "mlx-export": load_mlx_export,
    "c": load_c,
}


# What all forms share.


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a release, after a look at each of its files.

    Raises ReleaseError if a file is missing or has changed.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, told in manifest["files"].items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != told["sha256"]:
                raise ReleaseError(f"{name} is not the file of this release")
    except (OSError, ValueError, KeyError) as error:
        raise ReleaseError(f"no complete release: {error}") from error
    return manifest


def load(folder: Path) -> Predict:
    """The model of a release. It takes and returns NumPy arrays.

    It raises ValueError for input of another shape, and for NaN. Some forms
    compute wrong numbers from such input.
    """
    manifest = read_manifest(folder)
    model = LOADERS[manifest["way"]](folder, manifest)

    def predict(pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim != 2 or pixels.shape[1] != 64:
            raise ValueError(f"pixels: {pixels.shape}, expected (rows, 64)")
        if not np.isfinite(pixels).all():
            raise ValueError("pixels: there are values that are no numbers")
        return np.asarray(model(np.ascontiguousarray(pixels, np.float32)))

    return predict


def check(folder: Path, predict: Predict | None = None) -> float:
    """The largest difference from the scores of the training.

    A release holds some rows and their scores. Raises ReleaseError if a
    score differs by more than the tolerance.
    """
    predict = predict or load(folder)
    golden = arrays(folder / "golden.npz", np.asarray)
    gaps = np.abs(predict(golden["pixels"]) - golden["scores"])
    if not gaps.max() <= TOLERANCE:  # true for NaN too
        raise ReleaseError(f"scores differ by {gaps.max():.2g}")
    return float(gaps.max())


def in_batches(
    predict: Predict, pixels: np.ndarray, size: int
) -> Iterator[np.ndarray]:
    """Scores, batch by batch. Each batch has the same number of rows.

    The last batch is filled with zeros: JAX compiles again for each new size.
    """
    for start in range(0, len(pixels), size):
        rows = np.asarray(pixels[start : start + size])
        filled = np.zeros((size, rows.shape[1]), np.float32)
        filled[: len(rows)] = rows
        yield predict(filled)[: len(rows)]


def batched(predict: Predict, pixels: np.ndarray, size: int) -> np.ndarray:
    """Scores of rows in memory, computed in batches of one size."""
    none = np.empty((0, 10), np.float32)
    return np.concatenate([none, *in_batches(predict, pixels, size)])


def predict_file(
    predict: Predict, source: Path, target: Path, size: int
) -> int:
    """Predict the rows of a file of any length: how many there were.

    The scores appear under their name only when all of them are there.
    """
    pixels = np.load(source, mmap_mode="r")
    if pixels.dtype.kind not in "fiu" or pixels.ndim != 2:
        raise ValueError(f"{source}: no rows of numbers")
    part = target.with_name(target.name + ".part")
    try:
        scores = np.lib.format.open_memmap(
            part, "w+", np.float32, (len(pixels), 10)
        )
        done = 0
        for batch in in_batches(predict, pixels, size):
            scores[done : done + len(batch)] = batch
            done += len(batch)
        scores.flush()
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return done


def measure(folder: Path) -> dict[str, float]:
    """Seconds of what a user waits for, in this process."""
    clock = time.perf_counter
    predict = load(folder)
    found = {"start": clock() - STARTED}
    pixels = arrays(folder / "golden.npz", np.asarray)["pixels"]

    def seconds(rows: np.ndarray) -> float:
        begun = clock()
        predict(rows)
        return clock() - begun

    found["first call"] = seconds(pixels)
    found["later calls"] = min(seconds(pixels) for _ in range(50))
    found["new size"] = min(seconds(pixels[:-1]), seconds(pixels[:-2]))
    begun = clock()
    load(folder)
    return found | {"load": clock() - begun}


def refuse(message: object) -> NoReturn:
    """End with one line that says what is wrong."""
    told = " ".join(str(message).split())
    print(f"predict.py: {told}", file=sys.stderr)
    sys.exit(2)


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def whole(word: str) -> int:
    """A whole number from 1 up, for an option."""
    if int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is less than 1")
    return int(word)


def main() -> None:
    """Predict the rows of a file, check the release, or measure it."""
    parser = Parser(
        prog="predict.py", description="Predict the digits in a file."
    )
    parser.add_argument(
        "rows", type=Path, nargs="?", help="a .npy file, (rows, 64) pixels"
    )
    parser.add_argument(
        "scores", type=Path, nargs="?", help="the .npy file to write"
    )
    parser.add_argument(
        "--batch",
        type=whole,
        default=256,
        help="rows at a time (default 256)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare with the scores of the training, and end",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="print times in seconds as JSON",
    )
    given = parser.parse_args()
    folder = Path(__file__).resolve().parent
    try:
        if given.check:
            check(folder)
            print(f"healthy: no score differs by more than {TOLERANCE}")
            return
        if given.measure:
            print(json.dumps(measure(folder)))
        elif given.scores is None:
            refuse("name a file of rows and a file for the scores")
        if given.scores is not None:
            count = predict_file(
                load(folder), given.rows, given.scores, given.batch
            )
            print(f"{count} rows predicted")
    except (ReleaseError, ImportError, OSError, ValueError) as error:
        refuse(error)


if __name__ == "__main__":
    main()
