"""Run cases of conformance with changed copies of Mithril, on the backend of this environment.

``python try_options.py BACKEND FOLDER NAME...``: for each fault of ``options.toml``, a line of JSON that holds its name
and what its model's cases give with the installed Mithril and with the changed one. ``FOLDER`` holds the domains.

The framework is imported once. Mithril is imported in a fork, from the copy.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "gate"))
from make_candidates import Candidate, Edit, make_tree  # noqa: E402
from prove import FRAMEWORK, TIMEOUT, in_fork  # noqa: E402

from mithril_docs.backends import BACKENDS, mithril_folder  # noqa: E402


def read() -> dict[str, dict[str, Any]]:
    """The faults by name, each with a candidate that is changed so."""
    found = tomllib.loads((HERE / "options.toml").read_text(encoding="utf-8"))
    for name, fault in found.items():
        edits = tuple(Edit(**edit) for edit in fault["edits"])
        fault["candidate"] = Candidate(name, "option", (fault["backend"],), edits, "")
    return found


def main(backend: str, folder: Path, names: list[str]) -> None:
    """Print what the cases give, a line a fault."""
    os.environ.update(BACKENDS[backend].environ)
    os.environ.update(OMP_NUM_THREADS="1", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false")
    for name in ["numpy", *FRAMEWORK[backend]]:
        importlib.import_module(name)
    sound: dict[str, Any] = {}
    for name in names:
        fault = read()[name]
        run = functools.partial(_run, backend, folder, fault["model"])
        if fault["model"] not in sound:
            sound[fault["model"]] = _of(in_fork(run, TIMEOUT))
        with tempfile.TemporaryDirectory(prefix="option-") as copy:
            tree = make_tree(fault["candidate"], mithril_folder(), Path(copy))
            changed = _of(in_fork(functools.partial(run, tree), TIMEOUT))
        print(json.dumps([name, sound[fault["model"]], changed]), flush=True)


def _of(said: str) -> Any:
    if said.startswith("BROKEN"):
        raise RuntimeError(said)
    return json.loads(said)


def _run(backend: str, folder: Path, model: str, tree: Path | None = None) -> str:
    """What the sampled cases of a model give, with the Mithril of a folder where one is named, as JSON."""
    if tree:
        sys.path.insert(0, str(tree))
    exec(BACKENDS[backend].startup or "import mithril", {})
    from mithril_docs.conformance.domain import domains
    from mithril_docs.conformance.run import read_cases, run_cases

    used = Path(sys.modules["mithril"].__file__ or "")
    if tree and not used.is_relative_to(tree):
        raise RuntimeError(f"{used} was imported, not the changed one")
    cases = read_cases(folder / "cases.json")[model]
    with warnings.catch_warnings(action="ignore"):
        return json.dumps(run_cases(domains(folder)[model], cases, BACKENDS[backend]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
