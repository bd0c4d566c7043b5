"""The environment that pages run in: its variables, what is in it, and whether Mithril works there."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from mithril_docs.backends import BACKENDS, Backend
from mithril_docs.execute import kernel
from mithril_docs.groups import distribution_name
from mithril_docs.results import Environment

#: Variables of the machine that kernels see. They say where things are and change no result.
PASSED = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "SSL_CERT_FILE", "CC", "CXX")

#: Variables that every kernel sees. One thread a kernel: pages run in parallel, and sums come out in one order.
SET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TZ": "UTC",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


def variables(backend: Backend) -> dict[str, str]:
    """The variables set for every kernel of a backend; they are part of what a result depends on."""
    return SET | dict(backend.environ)


def isolate(backend: Backend, cache: Path) -> None:
    """Give this process, and all that it starts, the environment variables of a kernel and nothing else.

    ``cache`` is where IPython, Matplotlib and compilers may keep files, so that no profile of the user's is read.
    """
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    folders = {
        "IPYTHONDIR": "ipython",
        "MPLCONFIGDIR": "matplotlib",
        "JUPYTER_CONFIG_DIR": "jupyter",
        "JUPYTER_DATA_DIR": "jupyter",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
        "JAX_COMPILATION_CACHE_DIR": "jax",
        "XDG_CACHE_HOME": "xdg",
    }
    os.environ.clear()
    os.environ.update(passed | variables(backend))
    for name, folder in folders.items():
        path = cache / backend.name / folder
        path.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(path)


def look(backend: Backend) -> Environment:
    """Look at the environment this runs in.

    Its digest covers every distribution and version, Python, the platform and the variables set.
    """
    versions = {distribution_name(dist.name): dist.version for dist in importlib.metadata.distributions()}
    versions["python"] = platform.python_version()
    content = [sorted(versions.items()), sys.platform, platform.machine(), sorted(variables(backend).items())]
    return Environment(hashlib.sha256(json.dumps(content).encode()).hexdigest(), versions)


def fault(backend: Backend, found: Environment) -> str:
    """Why no page can run in the environment that this runs in, in one line; empty where they can."""
    versions = found.versions
    pins = f"constraints/{backend.name}.txt"
    for other in BACKENDS.values():
        for module in other.modules:
            if other is not backend and importlib.util.find_spec(module):
                return f"'{module}' of the {other.title} backend can be imported; use an environment of {pins} alone"
    if "mithril" not in versions:
        return f"Mithril is not installed; install {pins}"
    if importlib.util.find_spec("mithril") is None:
        return f"mithril {versions['mithril']} holds no module (a hollow release); install mithril==0.1.1"
    if backend.framework and backend.framework not in versions:
        return f"{backend.title} is not installed; install {pins}"
    code = f"{backend.startup}\nimport mithril as ml\nml.{backend.cls}().array([1.0])"
    if kernel.try_out(code):
        return ""
    # Once more, in a process that says why.
    trial = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if trial.returncode == 0:
        return f"the imports of mithril_docs/execute/preload.py fail here; install {pins}"
    cause = trial.stderr.strip().splitlines()[-1]
    if "Backend is unavailable" in cause and backend.framework:
        # Mithril hides why the import failed behind a stand-in class; ask for the reason itself.
        module = f"mithril.backends.with_autograd.{backend.name}_backend"
        reason = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True)
        cause = (reason.stderr.strip().splitlines() or [cause])[-1]
    version = (
        f"{backend.framework} {versions[backend.framework]}" if backend.framework else f"numpy {versions.get('numpy')}"
    )
    return f"mithril {versions['mithril']} does not work with {version} here: {cause}; install {pins}"
