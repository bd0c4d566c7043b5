"""What watching costs: cells in which many errors are raised and caught, with the recorder and without it.

Beside NumPy, ``python tests/bench/watching.py`` runs them in the shell of a page, by turns, and prints their seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ours import Run
    from report import Rows

#: Errors of a cell, runs of each cell on each side, and the most that the issue asks for.
ERRORS, PAIRS, ASKED = 20_000, 30, 1.2

#: What is caught, and the code that is run once before, and that which is measured.
CELLS = {
    "raised in the cell": (
        "",
        f"for n in range({ERRORS}):\n    try:\n        raise ValueError(n)\n    except ValueError:\n        pass",
    ),
    "raised by Python": (
        "",
        f"for n in range({ERRORS}):\n    try:\n        n / 0\n    except ZeroDivisionError:\n        pass",
    ),
    "from a function": (
        "def fail(n):\n    raise ValueError(n)",
        f"for n in range({ERRORS}):\n    try:\n        fail(n)\n    except ValueError:\n        pass",
    ),
    "from ten functions": (
        "def fail(n):\n    if n:\n        fail(n - 1)\n    raise ValueError('deep')",
        f"for _ in range({ERRORS}):\n    try:\n        fail(10)\n    except ValueError:\n        pass",
    ),
    "from a library": (
        "import json",
        f"for _ in range({ERRORS}):\n    try:\n        json.loads('[')\n    except ValueError:\n        pass",
    ),
    "caught in a library": (
        "import ipaddress",
        f"for _ in range({ERRORS} // 2):\n    try:\n        ipaddress.ip_address('x')\n    except ValueError:\n"
        "        pass",
    ),
    "of Mithril": (
        "import mithril as ml\nmodel = ml.models.Linear(2)",
        f"for _ in range({ERRORS}):\n    try:\n        model.unknown\n    except AttributeError:\n        pass",
    ),
}


def measure(run: Run) -> tuple[Rows, str]:
    """Seconds of the processor that each cell takes with the recorder and without it: the least of each side."""
    from ours import ROOT, isolated

    from support.places import python_of

    folders = os.pathsep.join(str(ROOT / part) for part in ("docs/_ext", "tests"))
    variables = isolated("numpy", run.work / "watching") | {"PYTHONPATH": folders}
    done = run("watching", [str(python_of("numpy")), __file__], variables, cwd=run.work)
    rows: Rows = {}
    for name, pairs in json.loads(done.printed or "{}").items():
        watched, alone = map(min, zip(*pairs, strict=True))
        rows[name] = {"watched": watched, "alone": alone, "ratio": watched / alone}
    note = f"{ERRORS} errors a cell, time of the processor, least of {PAIRS} pairs; asked: a ratio of {ASKED} at most"
    return rows, note


def main() -> None:
    """Run every cell, by turns with the recorder and without it, and print their seconds in JSON."""
    from mithril_docs.execute import shell
    from mithril_docs.execute.raised import Recorder

    page = shell.make()
    told: dict[str, list[tuple[float, float]]] = {}
    for name, (first, measured) in CELLS.items():
        page.run_cell(first)
        told[name] = []
        for pair in range(PAIRS):
            took = {}
            for watched in (True, False) if pair % 2 else (False, True):
                with Recorder() if watched else contextlib.nullcontext():
                    start = time.process_time()
                    result = page.run_cell(measured)
                    took[watched] = time.process_time() - start
                assert result.success, name
            told[name].append((took[True], took[False]))
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
