"""Conformance: cases a second, against a test of pytest for each case, which compiles the model and evaluates it.

All run the same cases in the environment of a backend, one at a time. Ours does more for each: it compiles for
inference and for gradients, evaluates twice, looks whether calls change their arguments, and keeps what came out. A
case that ends its process costs ours no other case. With pytest that takes a process for each: the second peer.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from ours import ROOT, Run, isolated
from report import Rows

from mithril_docs.conformance import draw
from mithril_docs.conformance.domain import domains
from mithril_docs.conformance.run import FOLDER, write_cases
from support.places import python_of

#: Whole models are taken, evenly spaced, so that they have about so many cases; so many run in a process each.
CASES, ALONE = 200, 10
#: At least so many times as fast as a process for each is asked.
ASKED = 5
#: What pytest is made of: no environment of a backend has it.
PYTEST = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")

TESTS = """\
import pathlib

import numpy as np
import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.conformance.domain import domains
from mithril_docs.conformance.reference import rounded, trainable, wave
from mithril_docs.conformance.run import read_cases

row = BACKENDS[{backend!r}]
exec(row.startup or "import mithril as ml")
import mithril as ml
from mithril import models

known = domains(pathlib.Path({folder!r}))
listed = [(name, case) for name, cases in read_cases(pathlib.Path({cases!r})).items() for case in cases]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "case"), listed, ids=range(len(listed)))
def test_case(name, case):
    domain = known[name]
    try:
        backend = getattr(ml, row.cls)(precision=case.bits)
    except Exception:
        pytest.skip("no such precision")
    arrays = {{key: rounded(value, case.bits) for key, value in domain.arrays(case).items()}}
    wanted = trainable(domain, arrays)
    given = {{key: backend.array(value) if hasattr(value, "shape") else value for key, value in arrays.items()}}
    params = {{key: given.pop(key) for key in wanted}}
    told = {{key: list(value.shape) for key, value in arrays.items() if hasattr(value, "shape")}}
    try:
        compiled = ml.compile(
            domain.build(models, **domain.chosen(case)), backend, data_keys=set(given), jit=False,
            shapes=told if case.told else None,
            **({{"trainable_keys": set(wanted)}} if wanted else {{"inference": True}}),
        )
        outputs = compiled.evaluate(params, given)
        if wanted:
            waves = {{key: backend.array(wave(tuple(value.shape))) for key, value in outputs.items()}}
            compiled.evaluate_gradients(params, given, output_gradients=waves)
    except Exception as error:
        pytest.skip(str(error))
"""


def measure(run: Run, backends: list[str]) -> tuple[Rows, str]:
    """Cases a second of both sides, the whole command taken."""
    known = domains(ROOT / "docs" / FOLDER)
    every = {name: draw.cases(domain) for name, domain in known.items()}
    step = max(1, sum(map(len, every.values())) // CASES)
    listed = {name: every[name] for name in list(every)[::step]}
    count = sum(map(len, listed.values()))
    folder = run.work / "conforming"
    cases, packages = folder / "cases.json", folder / "pytest"
    write_cases(cases, listed)
    packages.mkdir(parents=True)
    for name in PYTEST:
        (packages / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    rows: Rows = {}
    for backend in backends:
        store = folder / "store"
        variables = isolated(backend, folder / "cache") | {"PYTHONPATH": f"{ROOT / 'docs' / '_ext'}:{packages}"}
        places = ["--docs", str(ROOT / "docs"), "--store", str(store), "--jobs", "1"]
        start = [str(python_of(backend)), "-m", "mithril_docs"]
        run(
            f"conformance, {backend}, environment",
            [*start, "execute", backend, *places, "--look"],
            variables,
            cwd=folder,
        )
        command = [*start, "conform", backend, *places, "--cases", str(cases)]
        ours = run(f"conformance, {backend}", command, variables, cwd=folder)
        run.expect(f"{count} cases of" in ours.printed, f"conformance, {backend}: not all cases ran")
        test = folder / f"test_{backend}.py"
        test.write_text(TESTS.format(backend=backend, folder=str(ROOT / "docs" / FOLDER), cases=str(cases)))
        command = [str(python_of(backend)), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        theirs = run(f"pytest, {backend}", [*command, str(test)], variables, cwd=folder)
        spaced = [number * count // ALONE for number in range(ALONE)]
        alone = [
            run(
                f"pytest, {backend}, {number}", [*command, f"{test}::test_case[{number}]"], variables, cwd=folder
            ).seconds
            for number in spaced
        ]
        rows[backend] = {
            "ours": count / ours.seconds,
            "pytest": count / theirs.seconds,
            "ratio": theirs.seconds / ours.seconds,
            "a process each": len(alone) / sum(alone),
            "its ratio": sum(alone) / len(alone) * count / ours.seconds,
        }
    return rows, f"{count} cases of {len(listed)} models; asked: {ASKED} times as many as with a process each"
