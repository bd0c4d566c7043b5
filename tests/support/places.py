"""Where things are in this checkout, and how its commands are run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from mithril_docs.backends import BACKENDS as _TABLE

ROOT = Path(__file__).parent.parent.parent
EXTENSION = ROOT / "docs" / "_ext"
STORE = ROOT / "build" / "store"
SITE = ROOT / "build" / "site"
BACKENDS = tuple(_TABLE)
#: Whether all is proved that is otherwise sampled.
PROVE = os.environ.get("MITHRIL_DOCS_PROVE") == "1"
#: A block of a page that a reader types into a shell.
SHELL = re.compile(r"^```shell\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def compiled() -> dict[str, str]:
    """Variables that say where programs are that frameworks compiled for the pages; none where all is proved.

    A framework finds them by their content, so what comes out is the same with them and without.
    """
    if PROVE:
        return {}
    cache = ROOT / "build" / "cache"
    folders = {
        "JAX_COMPILATION_CACHE_DIR": cache / "jax" / "jax",
        "TORCHINDUCTOR_CACHE_DIR": cache / "torch" / "torchinductor",
    }
    kept = {name: value for name, value in _TABLE["jax"].environ if "CACHE" in name}
    return kept | {name: str(path) for name, path in folders.items() if path.is_dir()}


def python_of(backend: str) -> Path:
    """The interpreter of a backend's environment, as nox made it."""
    return ROOT / ".nox" / f"execute-{backend}" / "bin" / "python"


def run(command: list[str], timeout: float = 300, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the project to its end, with its output as text."""
    env = {**os.environ, "PYTHONPATH": str(EXTENSION), "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=env, **kwargs)  # type: ignore[call-overload]


def clean(bin_folder: Path) -> dict[str, str]:
    """The environment variables of a learner's shell: nothing of this repository's."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "PYTEST", "VIRTUAL", "NOX", "JUPYTER", "IPYTHON", "MPL"))
    }
    # Nor a cap on versions that this machine's pip has: the line must do without.
    return kept | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "PIP_CONSTRAINT": os.devnull}
