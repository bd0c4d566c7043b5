"""What a page shows is the same in every run and on every machine, or it fails with a line that says what is not."""

from __future__ import annotations

import pytest

from mithril_docs.store import Store
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("stable"), pytest.mark.takes(15)]

EVERY_RUN = ", which differs in every run; leave it out, or tag the cell 'timing'"
ELSEWHERE = ", which another machine lacks; leave it out"

#: Cells that show what differs from run to run: a page of each fails, and a page of each tagged ``timing`` does not.
RUNS = {
    "address": ("object()", "'0x"),
    "address_on_standard_error": ("import sys\nprint(object(), file=sys.stderr)", "'0x"),
    "address_in_html": ("from IPython.display import HTML\nHTML(f'<b>{object()}</b>')", "'0x"),
    "address_in_json": ("from IPython.display import JSON\nJSON({'a': [repr(object())]})", "'0x"),
    "address_as_a_number": ("x = object()\nid(x)", "'"),
    "process": ("import os\nos.getpid()", "'"),
    "process_in_a_sentence": ("import os\nprint('process', os.getpid(), 'runs')", "'"),
    "process_above": ("import os\nprint(os.getppid())", "'"),
    "process_of_a_program": ("import subprocess\nsubprocess.Popen(['true']).pid", "'"),
    "number_of_a_thread": ("import threading\nthreading.get_native_id()", "'"),
    "thread": ("import threading\nthreading.get_ident()", "'"),
    "process_that_it_starts": (
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print)\n"
        "p = multiprocessing.get_context('fork').Process(target=print)\np.start()\np.join()\np",
        "'pid=",
    ),
    "moment": ("import datetime\nprint(datetime.datetime.now())", "'2"),
    "moment_of_a_log": (
        "import logging\nlogging.basicConfig(format='%(asctime)s %(message)s', force=True)\nlogging.warning('x')", "'2",
    ),
    "moment_in_words": ("import time\ntime.ctime()", "'"),
    "moment_as_a_number": ("import time\ntime.time()", "'1"),
    "day": ("import datetime\ndatetime.date.today().isoformat()", "'2"),
    "progress": ("import sys\nprint('\\r100%|###| 10/10 [00:00<00:00, 912.31it/s]', file=sys.stderr)", "'00:00<"),
    "measured": ("get_ipython().run_line_magic('timeit', '-n1 -r2 1 + 1')", "'± "),
}  # fmt: skip

#: Cells that show a path of this machine, and how the line names it.
MACHINE = {
    "folder": ("import os\nos.getcwd()", "'…/mithril-docs-"),
    "file_there": ("import pathlib\npathlib.Path('data.csv').resolve()", "'…/data.csv', the folder"),
    "standard_library": ("import os\nos.__file__", "'…/os.py', a path of this machine"),
    "library": ("import numpy\nnumpy.__file__", "'…/__init__.py', a path of this machine"),
    "interpreter": ("import sys\nsys.executable", "'…/python"),
    "error_in_a_thread": (
        "import threading\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()",
        "'…/threading.py', a path of this machine",
    ),
    "traceback": (
        "import json, traceback\ntry:\n    json.loads('{')\nexcept ValueError:\n    traceback.print_exc()",
        "'…/__init__.py', a path of this machine",
    ),
    "warning_of_a_library": ("import warnings\nwarnings.warn('x', stacklevel=2)", "'…/"),
    "temporary_file": ("import tempfile\nhandle, name = tempfile.mkstemp()\nname", "'…/tmp"),
}

#: Cells that show what looks like it and is the same in every run.
SAME = {
    "address_of_a_page": "print('see https://example.org/root/lib/python3.12/os.py')",
    "number_in_base_16": "print(hex(3054), 0xBEEF)",
    "long_number": "print(123456789012345, 10**15)",
    "date": "import datetime\nprint(datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5))",
    "seconds": "print(1_000_000_000, 1234567890.5)",
    "warning": "import warnings\nwarnings.warn('careful')",
    "relative_path": "import pathlib\nprint(pathlib.Path('data.csv'), '/tmp/model.py')",
    "speed_in_words": "print('12 it, 3 s')",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The failures of the pages, by name."""
    tiny = TinySite(tmp_path_factory.mktemp("stable"))
    for name, (code, _) in (RUNS | MACHINE).items():
        tiny.page(name, IMPORT, BACKEND, cell(code))
        tiny.page(f"timing/{name}", IMPORT, BACKEND, cell(code, ":tags: [timing]"))
    for name, code in SAME.items():
        tiny.page(name, IMPORT, BACKEND, cell(code))
    tiny.execute("numpy")
    names = [*RUNS, *MACHINE, *SAME, *(f"timing/{name}" for name in RUNS | MACHINE)]
    results = {name: Store(tiny.store).read(name, "numpy") for name in names}
    return {name: [str(failure) for failure in result.failures] for name, result in results.items() if result}


@pytest.mark.parametrize("name", RUNS)
def test_what_differs_from_run_to_run(failures: dict[str, list[str]], name: str) -> None:
    (words,) = failures[name]
    assert words.startswith(f"cell 3: its output holds {RUNS[name][1]}") and words.endswith(EVERY_RUN)
    assert failures[f"timing/{name}"] == []


@pytest.mark.parametrize("name", MACHINE)
def test_what_differs_from_machine_to_machine(failures: dict[str, list[str]], name: str) -> None:
    (words,) = failures[name]
    assert words.startswith(f"cell 3: its output holds {MACHINE[name][1]}") and words.endswith(ELSEWHERE)
    (timed,) = failures[f"timing/{name}"]  # such a cell may differ from run to run alone
    assert timed.startswith(f"cell 3: its output holds {MACHINE[name][1]}")


@pytest.mark.parametrize("name", SAME)
def test_what_is_the_same(failures: dict[str, list[str]], name: str) -> None:
    assert failures[name] == []
