"""The C backend, which the wheel holds as source only: built in a copy of the package, for the matrix alone."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

from mithril_docs.backends import Backend, mithril_folder
from mithril_docs.models import cards

#: Not a row of the table: it runs no page, and it lives in NumPy's environment.
ROW = Backend(cards.C, "C", "CBackend")
#: Makes the copy the package that the process imports. Mithril 0.1.1 looks for its own sources from the folder above.
STARTUP = "import os, sys\nos.chdir({folder!r})\nsys.path.insert(0, {folder!r})\n"


def build(folder: Path) -> Backend | None:
    """The row of a C backend that works, whose library is built under ``folder``; None where no compiler is found."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    copy = folder / "mithril"
    shutil.copytree(mithril_folder(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [compiler, "ops.c", "array.c", "-shared", "-fPIC", "-o", "libmithrilc.so"]
    subprocess.run(command, cwd=copy / "backends" / "with_manualgrad" / "c_backend" / "src", check=True)
    return dataclasses.replace(ROW, startup=STARTUP.format(folder=str(folder)))
