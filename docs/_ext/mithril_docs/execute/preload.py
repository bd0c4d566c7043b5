"""What the forking process imports before the first fork. Imports only: nothing may be computed here.

It fails as an ImportError whatever goes wrong, which the forking process passes over; the build then asks why.
"""

import gc
import importlib
import os
import threading

from mithril_docs.backends import BACKENDS, Backend
from mithril_docs.execute import figures, shell, touched


def _prepare(backend: Backend) -> None:
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # no word of the debugger's on the terminal
    touched.recorder = touched.Touched()
    for name in (
        "matplotlib.backends.backend_agg",
        "matplotlib.pyplot",
        "mithril",
        "mithril.models",
        "sklearn.datasets",
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.model_selection",
        *backend.modules,
    ):
        importlib.import_module(name)
    exec(backend.startup)
    made = shell.make()
    # It hooks into the shell when it is imported.
    importlib.import_module("matplotlib_inline.backend_inline")
    figures.also_as_svg(made)
    # What is here now lives as long as a page, so a page's collector need not look at it, nor copy its memory.
    gc.collect()
    gc.freeze()
    threads = threading.enumerate()
    if len(threads) > 1:
        raise RuntimeError(f"imports started threads, so forking is not safe: {threads}")


try:
    _prepare(BACKENDS[os.environ["MITHRIL_DOCS_PRELOAD"]])
except Exception as error:
    raise ImportError(str(error)) from error
