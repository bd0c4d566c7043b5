"""The registry of ``tutorials/production/versioning``: its version in a new environment, and on other backends."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mithril_docs.backends import BACKENDS as ROWS
from mithril_docs.page import Cell, read_page
from support.places import BACKENDS, ROOT, clean, python_of
from support.tiny import make_environment

PAGE = ROOT / "docs" / "tutorials" / "production" / "versioning.md"
#: The call that registers version 1, and what the cell after it does.
REGISTERS, LOADS = "register(weights, made)", "import mlflow\n"
#: What the fresh process has to meet: the outputs that the version had where it was made, for all test rows.
EXPECTED = "\nnp.save('x.npy', data['x'][test]), np.save('here.npy', logits(weights, data['x'][test]))\n"
#: Of the build's variables the one that the last digits of sums depend on.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}

#: Loads the version for a backend and saves its outputs.
OTHER = """\
import sys

import mlflow
import numpy as np

mlflow.set_tracking_uri("sqlite:///../mlflow.db")
config = {"module": sys.argv[1], "class": sys.argv[2], "precision": 32}
loaded = mlflow.pyfunc.load_model("models:/tumors@champion", model_config=config)
np.save("other.npy", loaded.predict(np.load("../x.npy")))
"""

Registry = Callable[[str], Path]


def run(python: Path, *words: str, folder: Path) -> None:
    """Run Python to its end, with the variables of a learner's shell."""
    done = subprocess.run(
        [str(python), *words], cwd=folder, env=clean(python.parent) | THREADS | QUIET,
        capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def program_of(cell: Cell) -> str:
    """The program that a cell writes to a file."""
    strings = [node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
    return next(text for text in strings if isinstance(text, str) and text.startswith(LOADS))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Makes the registry of a backend as the page does, and leaves nothing else but the program that loads it."""
    made: dict[str, Path] = {}

    def make(backend: str) -> Path:
        if backend in made:
            return made[backend]
        if not python_of(backend).exists():
            pytest.skip(f"the environment of {backend} was not made")
        folder = tmp_path_factory.mktemp(backend)
        cells = [cell for cell in read_page(PAGE, ROOT / "docs").view(backend) if not cell.raises(backend)]
        last = next(number for number, cell in enumerate(cells) if f"\n{REGISTERS}\n" in cell.source)
        sources = [ROWS[backend].startup, *(cell.source for cell in cells[: last + 1]), EXPECTED]
        (folder / "page.py").write_text("\n\n".join(sources))
        run(python_of(backend), "page.py", folder=folder)
        for name in ("page.py", "recipe.py", "predictor.py"):
            (folder / name).unlink()
        shutil.rmtree(folder / "bundle")
        (folder / "away").mkdir()
        (folder / "away" / "fresh.py").write_text(program_of(cells[last + 1]))
        (folder / "away" / "x.npy").write_bytes((folder / "x.npy").read_bytes())
        made[backend] = folder
        return folder

    return make


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=[pytest.mark.takes(60), pytest.mark.xdist_group(f"registry-{name}")])
        for name in BACKENDS
    ],
)
def test_a_new_environment_gives_the_same_outputs(backend: str, registry: Registry, tmp_path: Path) -> None:
    """An environment made from the version's requirements alone gives its outputs, and its weights when it trains."""
    folder = registry(backend)
    [stored] = (folder / "mlruns").rglob("manifest.json")
    manifest = json.loads(stored.read_text())
    pins = next((folder / "mlruns").rglob("requirements.txt")).read_text().split()
    assert sorted(pins) == sorted(f"{name}=={v}" for name, v in manifest["environment"]["packages"].items())
    away = folder / "away"
    try:
        run(make_environment(tmp_path / ".venv", *pins), "fresh.py", folder=away)
    finally:
        shutil.rmtree(tmp_path / ".venv", ignore_errors=True)
    here = np.load(folder / "here.npy")
    assert here.shape == (169, 1) and np.ptp(here) > 1
    np.testing.assert_array_equal(np.load(away / "own.npy"), here)
    np.testing.assert_allclose(np.load(away / "other.npy"), here, atol=1e-5)
    assert hashlib.sha256((away / "weights.safetensors").read_bytes()).hexdigest() == manifest["weights"]


@pytest.mark.takes(20)
@pytest.mark.xdist_group("registry-numpy")
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "numpy"])
def test_a_version_made_on_numpy_runs_on_other_backends(backend: str, registry: Registry) -> None:
    if not python_of(backend).exists():
        pytest.skip(f"the environment of {backend} was not made")
    folder = registry("numpy")
    work = folder / f"on-{backend}"
    work.mkdir()
    (work / "other.py").write_text(OTHER)
    run(
        python_of(backend), "other.py", f"mithril.backends.with_autograd.{backend}_backend", ROWS[backend].cls,
        folder=work,
    )  # fmt: skip
    np.testing.assert_allclose(np.load(work / "other.npy"), np.load(folder / "here.npy"), atol=1e-5)
