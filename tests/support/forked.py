"""Runs scripts beside a framework, each in a process forked when what they all import has been imported.

It is told ``{"modules": …, "startup": …, "folders": …}`` in JSON, runs the ``page.py`` of each folder in that
folder, and tells their exit statuses. What they print is in ``stdout`` and ``stderr`` beside them. The standard
library is all it has.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import sys
import traceback

SHARED = ("mithril", "mithril.models", "matplotlib.pyplot", "sklearn.datasets")
#: Seconds that a script may take.
LIMIT = 600


def main() -> None:
    """Run them one after the other."""
    told = json.loads(sys.argv[1])
    del sys.modules["__main__"].__file__  # libraries would remember it as a script's own
    for module in (*SHARED, *told["modules"]):
        importlib.import_module(module)
    statuses = []
    for folder in told["folders"]:
        if (child := os.fork()) == 0:
            os._exit(_run(folder, told["startup"]))
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        with contextlib.suppress(ProcessLookupError):  # processes that it started and left
            os.killpg(child, signal.SIGKILL)
    print(json.dumps(statuses))


def _run(folder: str, startup: str) -> int:
    os.setsid()
    signal.alarm(LIMIT)
    os.chdir(folder)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        # Processes that a script starts write there too, so each appends.
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
        setattr(sys, name, open(descriptor, "w", buffering=1, closefd=False))  # noqa: SIM115
    sys.path.insert(0, folder)
    sys.argv = ["page.py"]
    try:
        exec(startup, {})
        runpy.run_path("page.py", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
