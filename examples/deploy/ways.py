"""The ways in which a model can leave the process that trained it.

Each way writes a form of the model into a folder. `export` makes a release
of the folder: it adds the program that predicts, rows with their scores, and
a manifest.
"""

from __future__ import annotations

import ctypes
import dis
import functools
import hashlib
import inspect
import json
import logging
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import mithril as ml
import numpy as np
from model import linear_for_c
from predict import import_file, make_backend
from training import compile_predictor, digits

HERE = Path(__file__).parent
#: The packages of which a release needs some.
PACKAGES = ("numpy", "scipy", "mithril", "torch", "jax", "mlx", "onnxruntime")
#: Runs a program as if some packages were not installed.
RUN = """
import runpy, sys
from importlib.machinery import PathFinder

_, names, *sys.argv = sys.argv
hidden = set(names.split(","))

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in hidden:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FRAMEWORKS = {"numpy": "scipy", "torch": "torch", "jax": "jax", "mlx": "mlx"}


class RefusedError(Exception):
    """A model cannot leave in this way. The message is one line."""


@dataclass(frozen=True)
class Trained:
    """A model by its name, the backend that trained it, and its weights."""

    model: str
    backend: str
    weights: dict[str, np.ndarray]


# One function for each way.


def export_rebuild(trained: Trained, folder: Path) -> None:
    """Copy the code that composes the model."""
    save_weights(trained, folder)
    shutil.copy(HERE / "model.py", folder)


def export_program(trained: Trained, folder: Path) -> None:
    """Write the generated program, and the constants that it reads."""
    save_weights(trained, folder)
    write_program(trained.model, trained.backend, folder)


def export_standalone(trained: Trained, folder: Path) -> None:
    """Write the program for NumPy, with copies of Mithril's operators."""
    save_weights(trained, folder)
    write_program(trained.model, "numpy", folder)
    path = folder / "program.py"
    path.write_text(with_own_operators(path))


def export_pickle(trained: Trained, folder: Path) -> None:
    """Pickle the compiled model, which holds no weights."""
    save_weights(trained, folder)
    compiled = compile_predictor(trained.model, make_backend(trained.backend))
    (folder / "compiled.pickle").write_bytes(pickle.dumps(compiled))


def export_torch(trained: Trained, folder: Path) -> None:
    """Save the graph that PyTorch traces, with the weights in it."""
    import torch

    torch.export.save(torch_program(trained), folder / "model.pt2")


def export_aotinductor(trained: Trained, folder: Path) -> None:
    """Compile the graph to a library. This takes half a minute."""
    import torch

    torch._inductor.aoti_compile_and_package(
        torch_program(trained), package_path=str(folder / "model.pt2")
    )


def export_onnx(trained: Trained, folder: Path) -> None:
    """Translate PyTorch's graph to ONNX, in one file."""
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.onnx.export(
        torch_program(trained),
        f=folder / "model.onnx",
        input_names=["pixels"],
        output_names=["scores"],
        external_data=False,
        verbose=False,
    )


def export_jax(trained: Trained, folder: Path) -> None:
    """Serialize what JAX compiles, for any number of rows."""
    import jax
    from jax import export

    backend = make_backend("jax")
    compiled = compile_predictor(trained.model, backend)
    weights = {k: backend.array(v) for k, v in trained.weights.items()}

    @jax.jit
    def scores(pixels):
        return compiled.evaluate(weights, {"pixels": pixels})["scores"]

    shape = export.symbolic_shape("rows, 64")
    exported = export.export(scores)(jax.ShapeDtypeStruct(shape, "float32"))
    (folder / "model.jax").write_bytes(exported.serialize())


def export_mlx(trained: Trained, folder: Path) -> None:
    """Write MLX's graph, for any number of rows."""
    import mlx.core as mx

    backend = make_backend("mlx")
    compiled = compile_predictor(trained.model, backend)
    weights = {k: backend.array(v) for k, v in trained.weights.items()}

    def scores(pixels):
        return compiled.evaluate(weights, {"pixels": pixels})["scores"]

    example = backend.ones(2, 64)
    path = str(folder / "model.mlxfn")
    mx.export_function(path, scores, example, shapeless=True)


def export_c(trained: Trained, folder: Path) -> None:
    """Compile a library in C that holds the weights."""
    with tempfile.TemporaryDirectory() as name:
        write_c_library(trained.weights, c_backend(Path(name)), Path(name))
        shutil.copy(Path(name) / "libmodel.so", folder)


# What several ways need.


def save_weights(trained: Trained, folder: Path) -> None:
    """Save the weights as arrays of 32 bits, without a framework."""
    arrays = {k: np.float32(v) for k, v in trained.weights.items()}
    np.savez(folder / "weights.npz", **arrays)


def write_program(model: str, backend: str, folder: Path) -> None:
    """Write the generated program and the constants that it reads."""
    path = folder / "program.py"
    compiled = compile_predictor(
        model, make_backend(backend), file_path=str(path)
    )
    read = re.findall(r"cache\['(\w+)'\]", path.read_text())
    values = compiled.data_store.data_values
    np.savez(
        folder / "constants.npz",
        **{name: np.asarray(values[name]) for name in read},
    )


def with_own_operators(path: Path) -> str:
    """A generated program for NumPy that imports nothing of Mithril.

    Each function of Mithril that it calls, directly or not, is copied.
    Raises RefusedError if one needs other objects of Mithril.
    """
    program = import_file(path)
    sources: dict[str, str] = {}

    def copy(names: set[str], scope: dict[str, Any]) -> None:
        for name in sorted(names & scope.keys()):
            value = scope[name]
            if isinstance(value, functools.partial):
                value = value.func
            if name in sources:
                continue
            if inspect.isfunction(value):
                sources[name] = inspect.getsource(value)
                copy(names_in(value.__code__), value.__globals__)
            elif inspect.ismodule(value) and is_foreign(value.__name__):
                sources[name] = f"import {value.__name__} as {name}\n"
            elif inspect.isclass(value) and is_foreign(value.__module__):
                sources[name] = f"from {value.__module__} import {name}\n"
            else:
                raise RefusedError(f"standalone: {name} cannot be copied")

    copy(names_in(program.evaluate.__code__), vars(program))
    lines = path.read_text().splitlines(keepends=True)
    own = [line for line in lines if not line.startswith("from mithril")]
    header = (
        f"# Made from functions of Mithril {version('mithril')}, which are\n"
        "# Copyright 2022 Synnada, Inc., under the Apache License 2.0.\n\n"
        "from __future__ import annotations\n"
    )
    sources.setdefault("partial", "from functools import partial\n")
    parts = sorted(sources.values(), key=lambda text: "def " in text)
    return "\n\n".join([header, *parts, "".join(own).lstrip()])


def is_foreign(module: str) -> bool:
    """Whether a module is not part of Mithril."""
    return module.partition(".")[0] != "mithril"


def names_in(code: CodeType) -> set[str]:
    """The global names that code reads, in inner functions too."""
    inner = (c for c in code.co_consts if isinstance(c, CodeType))
    own = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname == "LOAD_GLOBAL"
    }
    return own.union(*map(names_in, inner))


def torch_program(trained: Trained) -> Any:
    """The graph that PyTorch traces, for any number of rows."""
    import torch

    backend = make_backend("torch")
    compiled = compile_predictor(trained.model, backend)

    class Exportable(torch.nn.Module):
        """The model, with the weights as buffers."""

        def __init__(self) -> None:
            super().__init__()
            for key, value in trained.weights.items():
                self.register_buffer(key, backend.array(value))

        def forward(self, pixels):
            weights = dict(self.named_buffers())
            return compiled.evaluate(weights, {"pixels": pixels})["scores"]

    rows = torch.export.Dim("rows")
    return torch.export.export(
        Exportable(),
        (backend.ones(2, 64),),
        dynamic_shapes={"pixels": {0: rows}},
    )


def called_operators(model: str) -> list[str]:
    """The operators that the program of a model calls."""
    with tempfile.TemporaryDirectory() as name:
        write_program(model, "numpy", Path(name))
        code = import_file(Path(name) / "program.py").evaluate.__code__
    return sorted({*code.co_names} - {"make_array"})


def c_backend(build: Path) -> Any:
    """Mithril's C backend, whose library is built in a folder.

    The package ships the library as source only.
    """
    source = Path(ml.__file__).parent / "backends/with_manualgrad/c_backend"
    shutil.copytree(source / "src", build, dirs_exist_ok=True)
    name = "libmithrilc.so"
    run_compiler(build, "ops.c", "array.c", f"-Wl,-soname,{name}", "-o", name)
    library = ctypes.CDLL(str(build / name))
    with patch("ctypes.CDLL", lambda _: library):
        from mithril.backends.with_manualgrad.c_backend import CBackend
        from mithril.framework.codegen.c_gen import CGen
    ml.code_gen_map[CBackend] = CGen
    return CBackend()


def run_compiler(folder: Path, *words: str) -> None:
    """Compile and link a shared library in a folder."""
    command = ["cc", "-O2", "-shared", "-fPIC", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cc: {done.stderr}")


def write_c_library(
    weights: dict[str, np.ndarray], backend: Any, build: Path
) -> None:
    """Compile the linear classifier: `predict(pixels, rows, scores)`."""
    constants = {f"w_{i}": row / 16 for i, row in enumerate(weights["w"])}
    constants["b"] = weights["b"]
    shapes = {key: [1, 10] for key in constants}
    shapes |= {f"pixel_{i}": [1, 1] for i in range(64)}
    with patch.dict(os.environ, {"LIBRARY_PATH": str(build)}):
        ml.compile(
            linear_for_c(),
            backend,
            shapes=shapes,
            inference=True,
            jit=False,
            file_path=str(build / "model.c"),
        )
    program = (build / "model.c").read_text()
    names = re.findall(r"Array \* (\w+)", program[: program.index("{")])
    lines = [
        "int column[] = {rows, 1}, row[] = {1, 10}, table[] = {rows, 10};"
    ]
    for name in names:
        if name in constants:
            numbers = ", ".join(f"{v!r}f" for v in constants[name].tolist())
            lines.append(f"float v_{name}[] = {{{numbers}}};")
            made = f"create_struct(v_{name}, 2, row)"
        else:
            size = "column" if name.startswith("pixel_") else "table"
            made = f"create_empty_struct(2, {size})"
        lines.append(f"Array *{name} = {made};")
        if name.startswith("pixel_"):
            place = name.removeprefix("pixel_")
            lines.append(
                "for (int i = 0; i < rows; i++) "
                f"{name}->data[i] = pixels[64 * i + {place}];"
            )
    lines.append(f"evaluate({', '.join(names)});")
    lines.append("memcpy(result, scores->data, rows * 10 * sizeof(float));")
    lines += [f"delete_struct({name});" for name in names]
    body = "\n    ".join(lines)
    (build / "predict.c").write_text(
        '#include "model.c"\n\n'
        "void predict(const float *pixels, int rows, float *result)\n"
        f"{{\n    {body}\n}}\n"
    )
    run_compiler(build, "predict.c", "ops.c", "array.c", "-o", "libmodel.so")


# Releases.


@dataclass(frozen=True)
class Way:
    """A way out of the training process.

    Attributes
    ----------
    about
        What it is, in a few words.
    export
        The function that writes the form.
    modules
        What the export imports.
    needs
        The packages that the release needs beside NumPy; by default Mithril
        and the framework.
    copies
        Whether the release holds code of Mithril.
    """

    about: str
    export: Callable[[Trained, Path], None]
    modules: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None
    copies: bool = False


WAYS = {
    "rebuild": Way("its code and weights, compiled again", export_rebuild),
    "program": Way("the generated program", export_program),
    "pickle": Way("the compiled model, pickled", export_pickle),
    "standalone": Way(
        "a program for NumPy with its operators",
        export_standalone,
        needs=(),
        copies=True,
    ),
    "torch-export": Way(
        "a graph of torch.export",
        export_torch,
        modules=("torch",),
        needs=("torch",),
    ),
    "aotinductor": Way(
        "a library that PyTorch compiles (half a minute)",
        export_aotinductor,
        modules=("torch",),
        needs=("torch",),
    ),
    "onnx": Way(
        "an ONNX file, written by PyTorch",
        export_onnx,
        modules=("torch", "onnxscript", "onnxruntime"),
        needs=("onnxruntime",),
    ),
    "jax-export": Way(
        "a program of jax.export",
        export_jax,
        modules=("jax", "flatbuffers"),
        needs=("jax", "flatbuffers"),
    ),
    "mlx-export": Way(
        "a function of MLX", export_mlx, modules=("mlx",), needs=("mlx",)
    ),
    "c": Way(
        "a library in C, for products and sums",
        export_c,
        needs=(),
        copies=True,
    ),
}


def reason_against(way: str, model: str) -> str | None:
    """Why a model cannot leave in a way here; None if it can."""
    missing = [name for name in WAYS[way].modules if not find_spec(name)]
    if missing:
        return f"needs {' and '.join(missing)}, not installed here"
    if way == "aotinductor" and not shutil.which("c++"):
        return "needs a C++ compiler"
    if way != "c":
        return None
    # A product of matrices becomes products and sums.
    known = {"add", "multiplication", "matrix_multiplication"}
    missing = [name for name in called_operators(model) if name not in known]
    if missing:
        return f"Mithril's C library has no {' and no '.join(missing)}"
    if sys.platform != "linux" or not shutil.which("cc"):
        return "needs Linux and a C compiler"
    return None


def export(trained: Trained, way: str, folder: Path) -> dict[str, Any]:
    """Make a release of a folder: its manifest.

    Raises RefusedError if the model cannot leave in this way.
    """
    if reason := reason_against(way, trained.model):
        raise RefusedError(f"{way}: {reason}")
    folder.mkdir(parents=True)
    try:
        WAYS[way].export(trained, folder)
    except Exception:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    size = sum(path.stat().st_size for path in folder.iterdir())
    for name in ("predict.py", "Dockerfile"):
        shutil.copy(HERE / name, folder)
    for name in ("LICENSE", "NOTICE") if WAYS[way].copies else ():
        text = distribution("mithril").read_text(name)
        (folder / f"{name}.mithril").write_text(text or "")
    pixels = digits()[2][:32]
    np.savez(
        folder / "golden.npz", pixels=pixels, scores=scores(trained, pixels)
    )
    needs = {name: version(name) for name in needed(way, trained.backend)}
    extra = {"mlx": "mlx[cpu]"} if sys.platform == "linux" else {}
    lines = [
        f"{extra.get(name, name)}=={number}\n"
        for name, number in needs.items()
    ]
    (folder / "requirements.txt").write_text("".join(lines))
    manifest = {
        "way": way,
        "model": trained.model,
        "backend": trained.backend,
        "input": {"pixels": [None, 64], "dtype": "float32"},
        "output": {"scores": [None, 10], "dtype": "float32"},
        "needs": needs,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "bytes": size,
        "files": {
            path.name: {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in sorted(folder.iterdir())
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))
    return manifest


def needed(way: str, backend: str) -> list[str]:
    """The packages that a release imports."""
    needs = WAYS[way].needs
    if needs is None:
        needs = ("mithril", FRAMEWORKS[backend])
    return ["numpy", *needs]


def scores(trained: Trained, pixels: np.ndarray) -> np.ndarray:
    """The scores of the process that trains, on its backend."""
    backend = make_backend(trained.backend)
    compiled = compile_predictor(trained.model, backend)
    weights = {k: backend.array(v) for k, v in trained.weights.items()}
    found = compiled.evaluate(weights, {"pixels": backend.array(pixels)})
    return np.asarray(found["scores"])


def run_release(
    folder: Path, *words: object, hidden: tuple[str, ...] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program of a release in a new process.

    The process cannot import a package that the manifest does not name. Give
    other packages to hide, to see what happens without them.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    if hidden is None:
        own = {"scipy"} if "jax" in manifest["needs"] else set()
        hidden = tuple({*PACKAGES} - {*manifest["needs"]} - own)
    program = str(folder / "predict.py")
    command = [sys.executable, "-c", RUN, ",".join(hidden), program]
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    return subprocess.run(
        [*command, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
    )
