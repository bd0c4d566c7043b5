"""Conformance finds what it is for: faults that show with some values of an option alone.

``options.toml`` lists them. A sample is tried: of each backend, the fault whose name has the smallest digest. With
``MITHRIL_DOCS_PROVE=1``, all are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gate.make_candidates import edited, installed
from mithril_docs.conformance import draw, judge
from mithril_docs.conformance.domain import domains
from mithril_docs.conformance.reference import right
from mithril_docs.conformance.run import FOLDER, write_cases
from mithril_docs.reference import package
from option_faults.try_options import read
from support.places import BACKENDS, EXTENSION, PROVE, ROOT, python_of

HERE = Path(__file__).parent
FAULTS = read()
package.installed()  # the domains import it too, and then the stand-ins would come too late
#: With all cases in which two values of options meet, of which landing runs some.
KNOWN = {name: dataclasses.replace(found, sample=10**6) for name, found in domains(ROOT / "docs" / FOLDER).items()}


def chosen(backend: str) -> list[str]:
    """The faults that are tried on a backend."""
    names = [name for name, fault in FAULTS.items() if fault["backend"] == backend]
    return names if PROVE else sorted(names, key=lambda name: zlib.crc32(name.encode()))[:1]


def test_there_are_enough_on_each_backend() -> None:
    assert len(FAULTS) >= 20
    for backend in BACKENDS:
        own = [fault for fault in FAULTS.values() if fault["backend"] == backend]
        assert len(own) >= 5 and len({fault["model"] for fault in own}) >= 4, backend


def test_every_model_has_a_domain() -> None:
    assert {fault["model"] for fault in FAULTS.values()} - KNOWN.keys() == set()


@pytest.mark.parametrize("name", FAULTS)
def test_an_entry_is_a_change_of_one_option(name: str) -> None:
    """It applies, in a file of its backend's, and what it tells of is some of the options' values, not all."""
    fault = FAULTS[name]
    assert fault.keys() == {"rule", "model", "backend", "when", "edits", "candidate"}
    texts = edited(fault["candidate"], installed(fault["backend"]))
    assert len(texts) == 1 and f"{fault['backend']}_backend" in next(iter(texts))
    domain = KNOWN[fault["model"]]
    told = [shows(fault, domain.chosen(case)) for case in draw.cases(domain)]
    assert any(told) and not all(told)


def shows(fault: dict[str, Any], options: dict[str, Any]) -> bool:
    return bool(eval(fault["when"], {"np": np}, dict(options)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.takes(60)
def test_a_fault_of_one_option_is_found(
    backend: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """By cases whose options show it, and by no other; the installed Mithril has none of these faults."""
    names = chosen(backend)
    record_property("said", f"options: {', '.join(names)} of {len(FAULTS)} faults on {backend}")
    folder = tmp_path / "domains"
    shutil.copytree(ROOT / "docs" / FOLDER, folder)
    cases = {name: draw.cases(KNOWN[name]) for name in {FAULTS[name]["model"] for name in names}}
    write_cases(folder / "cases.json", cases)
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env["PYTHONPATH"] = str(EXTENSION)
    command = [str(python_of(backend)), str(HERE / "try_options.py"), backend, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1500)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert [name for name, *_ in rows] == names
    for name, before, after in rows:
        fault = FAULTS[name]
        domain, tried = KNOWN[fault["model"]], cases[fault["model"]]
        new = set()
        for case, sound, changed in zip(tried, before, after, strict=True):
            known = right(domain, case)
            old, now = (
                {(one.kind, one.what) for one in judge.faults(domain, case, known, {backend: result})}
                for result in (sound, changed)
            )
            if now - old:
                new.add(case)
        assert new, f"{name}: {fault['rule']}"
        elsewhere = [case for case in new if not shows(fault, domain.chosen(case))]
        assert not elsewhere, (name, [domain.chosen(case) for case in elsewhere])
