"""The backends of the site, one row each. Adding a backend is adding a row and ``constraints/<name>.txt``."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import sys
from pathlib import Path

#: What every environment holds beside the framework; the first words of every install line.
BASE = ("mithril", "numpy", "scipy")

#: The class that pages name; execution swaps it for the backend's own.
WRITTEN_CLASS = "NumpyBackend"


@dataclasses.dataclass(frozen=True)
class Backend:
    """One way to run a page.

    Attributes
    ----------
    name
        The word in URLs, file names and front matter.
    title
        What readers see.
    cls
        The class in the ``mithril`` module.
    framework
        The distribution that is this backend's framework, None where NumPy is it.
    requirement
        What ``pip install`` is given for the framework, without a version.
    modules
        Top-level modules of the framework; no other environment may hold them.
    startup
        Python that makes the class available where ``import mithril`` alone does not.
    environ
        Environment variables that every page of this backend sees.
    compiler
        Whether pages or models of it call a C++ compiler.
    """

    name: str
    title: str
    cls: str
    framework: str | None = None
    requirement: str | None = None
    modules: tuple[str, ...] = ()
    startup: str = ""
    environ: tuple[tuple[str, str], ...] = ()
    compiler: bool = False

    @property
    def distributions(self) -> tuple[str, ...]:
        """The distributions that a reader always installs for this backend."""
        return BASE + ((self.framework,) if self.framework else ())


#: mithril 0.1.1 hides MlxBackend unless the platform is Darwin, though it runs elsewhere.
MLX_STARTUP = """\
import mithril as ml
from mithril.backends.with_autograd.mlx_backend import MlxBackend
ml.MlxBackend = MlxBackend
"""

#: JAX compiles every operation it meets. Kept on disk, one page need not compile what another has.
JAX_ENVIRON = (
    ("JAX_PLATFORMS", "cpu"),
    ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0"),
    ("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1"),
)

_ROWS = (
    # Pages build the C backend in NumPy's environment, and PyTorch's jit calls the compiler.
    Backend("numpy", "NumPy", "NumpyBackend", compiler=True),
    Backend("torch", "PyTorch", "TorchBackend", "torch", "torch", ("torch",), compiler=True),
    Backend("jax", "JAX", "JaxBackend", "jax", "jax", ("jax", "jaxlib"), environ=JAX_ENVIRON),
    Backend(
        "mlx",
        "MLX",
        "MlxBackend",
        "mlx",
        "mlx" if sys.platform == "darwin" else "mlx[cpu]",
        ("mlx",),
        startup="" if sys.platform == "darwin" else MLX_STARTUP,
    ),
)

BACKENDS: dict[str, Backend] = {row.name: row for row in _ROWS}


@functools.cache
def mithril_folder() -> Path:
    """The folder of the installed Mithril, which is not imported for it."""
    spec = importlib.util.find_spec("mithril")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])
