"""The program ``examples/passes``, run as a process in the environment of each backend."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.places import PROVE, ROOT, python_of
from support.programs import assert_refuses, assert_succeeds, on_every_backend, run_program

PROGRAM = "passes/main.py"
MODELS = ROOT / "examples" / "onnx" / "models.toml"
LAST = r"(\d+) programs ran, (\d+) were changed, (\d+) became different\n$"

#: Models that passes change.
CHANGED = ("Linear", "Layer", "MLP", "LogisticRegression", "RNNCell", "TrainModel")

#: A pass that is wrong, and a model in which nobody would see it but by its numbers.
WRONG = """\
import mithril as ml
from conformance import outcome


def swap(program):
    for step in program.steps:
        if step.formula == "subtract":
            left, right = step.inputs.values()
            step.inputs = {"left": right, "right": left}
    return 1


words = "Subtract()", "left=normal(2, 3), right=normal(3)"
for way in ("serve", "train"):
    print(*sorted(outcome(ml.NumpyBackend(), "wrong", *words, way, [swap]).different))
"""


@on_every_backend
def test_help(backend: str) -> None:
    printed = assert_succeeds(run_program(PROGRAM, backend, "--help"))
    for option in ("models", "--backend", "--only"):
        assert option in printed


@on_every_backend
def test_no_model_becomes_different(backend: str) -> None:
    """Models of Mithril, to serve and to train: outputs and gradients stay equal.

    These are all models on NumPy, and under ``prove`` on every backend. Otherwise they are one in six on the others,
    and those that a pass changes most.
    """
    whole = PROVE or backend == "numpy"
    runnable = [name for name, line in tomllib.loads(MODELS.read_text("utf-8")).items() if line]
    names = [] if whole else ["--only", *sorted({*runnable[::6], *CHANGED})]
    done = run_program(PROGRAM, backend, MODELS, "--backend", backend, *names, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(LAST, done.stdout)
    assert found and int(found[1]) >= (200 if whole else 40) and int(found[2]) >= (20 if whole else 8)
    assert int(found[3]) == 0
    for name in ("Linear, serve", "MLP, train", "RNNCell, serve", "TrainModel, train"):
        assert f"{name}: merge_linear " in done.stdout


@on_every_backend
def test_models_of_ones_own(backend: str, tmp_path: Path) -> None:
    """Constant layers are folded; a line without inputs that fit is counted, but ran nowhere."""
    build = "Model() + Linear(9)(input='x', w='w', b='b') + Linear(2)(w='v', b='c', output=ml.IOKey('y'))"
    inputs = "x=normal(4, 3), w=normal(3, 9), b=normal(9), v=normal(9, 2), c=normal(2)"
    (tmp_path / "mine.toml").write_text(f'two = ["{build}", "{inputs}"]\nnone = ["Relu()", "wrong=1"]\n')
    printed = assert_succeeds(run_program(PROGRAM, backend, "mine.toml", "--backend", backend, folder=tmp_path))
    assert "two, serve: fold_linear 3, merge_linear 1: equal" in printed
    assert "two, train: merge_linear 2: equal" in printed
    assert "2 programs ran, 2 were changed, 0 became different" in printed
    done = run_program(PROGRAM, backend, "mine.toml", "--backend", backend, "--only", "none", folder=tmp_path)
    assert done.stdout == "0 programs ran, 0 were changed, 0 became different\n"


def test_a_wrong_pass_is_found() -> None:
    """Outputs and each gradient are told."""
    command = [str(python_of("numpy")), "-c", WRONG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT / "examples" / "passes")
    assert done.stdout == "output\nd left d right output\n", done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent.toml"], "main.py: absent.toml: "),
        ([str(MODELS), "--only", "Absent"], "there is no Absent"),
        ([str(MODELS), "--backend", "c"], "invalid choice: 'c'"),
        ([], "the following arguments are required: models"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], told: str) -> None:
    assert_refuses(run_program(PROGRAM, "numpy", *words), told)
