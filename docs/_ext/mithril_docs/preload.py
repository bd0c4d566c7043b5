"""What the forking process imports before the first fork. Imports only: nothing may be computed here."""

import importlib
import os
import threading

from mithril_docs.backends import BACKENDS

os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # no word of the debugger's on the terminal
# Not matplotlib_inline: it hooks into the shell when it is imported, and there is no shell yet.
_backend = BACKENDS[os.environ["MITHRIL_DOCS_PRELOAD"]]
for _name in (
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "mithril",
    "mithril.models",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    *_backend.modules,
):
    importlib.import_module(_name)
exec(_backend.startup)

assert threading.active_count() == 1, f"imports started threads, so forking is not safe: {threading.enumerate()}"
