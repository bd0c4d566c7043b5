"""A page's cells show what a Jupyter kernel shows, as a notebook of JupyterLab holds it at the end.

``programs.txt`` holds small programs. Each runs in a kernel of ipykernel, through nbclient, and as cells of a page.
What the two show is equal, but for the programs that say why it differs.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from mithril_docs.backends import BACKENDS
from mithril_docs.execute import environment
from mithril_docs.store import Store
from support.places import python_of
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("jupyter"), pytest.mark.takes(30)]

PROGRAMS = Path(__file__).with_name("programs.txt")
#: What no output of a cell may grow to in a message of a test.
SHOWN = 2_000

Output = dict[str, Any]


@dataclasses.dataclass
class Program:
    """Cells that run one after the other.

    Attributes
    ----------
    title
        What they show.
    differs
        Why the two sides do not show the same; empty where they do.
    shows
        What a page shows then, in JSON, a list for each cell, whose number is told as 0; empty where it is a picture.
    alone
        Whether they change their process, so that no other program may run in it.
    cells
        Their code, and how each fails, such as ``ValueError: words``; empty where it does not.
    """

    title: str
    differs: str = ""
    shows: str = ""
    alone: bool = False
    cells: list[tuple[str, str]] = dataclasses.field(default_factory=list)


def read(text: str) -> Iterator[Program]:
    """The programs of a file; its head says how it is written."""
    for section in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        head, *cells = re.split(r"^---", section, flags=re.MULTILINE)
        title, *rows = head.strip().splitlines()
        stated = dict(row.split(": ", 1) for row in rows if row != "alone")
        program = Program(title, **stated, alone="alone" in rows)
        for one in cells:
            fails, _, code = one.partition("\n")
            program.cells.append((code.strip("\n"), fails.strip()))
        yield program


ALL = list(read(PROGRAMS.read_text(encoding="utf-8")))
#: The programs in the pages, and the kernels, that they run in.
PAGES = {"shared": [program for program in ALL if not program.alone]} | {
    f"alone_{number}": [program] for number, program in enumerate(program for program in ALL if program.alone)
}


class Notebook(NotebookClient):
    """A notebook that takes what a cell gives when another one already runs, as JupyterLab does: nbclient drops it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places: dict[str, int] = {}

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        self._places[msg["parent_header"].get("msg_id", "")] = cell_index
        return super().process_message(msg, cell, cell_index)

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        iopub = self.kc.iopub_channel
        taken = iopub.get_msg

        async def get_msg(**kwargs: Any) -> dict[str, Any]:
            while True:
                message = await taken(**kwargs)
                parent = message["parent_header"].get("msg_id", "")
                place = self._places.get(parent, cell_index)
                if parent == parent_msg_id or place == cell_index or message["msg_type"] == "status":
                    return message
                self.process_message(message, self.nb.cells[place], place)

        with mock.patch.object(iopub, "get_msg", get_msg):
            await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)


def run_in_jupyter(programs: list[Program], folder: Path, cache: Path) -> list[list[Output]]:
    """What each cell gives in a kernel of ipykernel, with the variables and the settings of a page's."""
    backend = BACKENDS["numpy"]
    with mock.patch.dict(os.environ):
        environment.isolate(backend, cache)
        variables = dict(os.environ)
    options = ["--ZMQInteractiveShell.xmode=Plain", "--HistoryManager.enabled=False"]
    command = [str(python_of("numpy")), "-m", "ipykernel_launcher", "-f", "{connection_file}", *options]
    codes = [code for program in programs for code, _ in program.cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    manager = AsyncKernelManager(kernel_name="python3")
    manager.kernel_spec.argv = command
    client = Notebook(notebook, km=manager, allow_errors=True, timeout=60, shutdown_kernel="immediate")
    asyncio.run(client.async_execute(cwd=str(folder), env=variables))
    return [in_lab([told(output) for output in one.outputs]) for one in notebook.cells]


def told(output: Output) -> Output:
    """What an output shows, in a form that can be compared."""
    kind = output["output_type"]
    if kind == "stream":
        return {"name": output["name"], "text": output["text"]}
    if kind == "error":
        return {"error": output["ename"], "message": output["evalue"]}
    return {kind: dict(output["data"]), "metadata": dict(output["metadata"])}


def in_lab(outputs: list[Output]) -> list[Output]:
    """What JupyterLab makes of outputs: streams of one name grow together, and control characters do their work."""
    shown: list[Output] = []
    for output in outputs:
        if shown and "name" in output and shown[-1].get("name") == output["name"]:
            shown[-1]["text"] += output["text"]
        else:
            shown.append(output)
    return [output | {"text": settled(output["text"])} if "text" in output else output for output in shown]


def settled(text: str) -> str:
    """What JupyterLab makes of the control characters in a stream: the steps of its ``processText``, one by one."""
    made: list[str] = []
    place = 0
    for character in text:
        if character == "\n":
            made.append("\n")
            place = len(made)
        elif character == "\r":
            while place and made[place - 1] != "\n":
                place -= 1
        elif character == "\b":
            if place and made[place - 1] != "\n":
                del made[place - 1 : place + 1]
                place -= 1
        else:
            made[place : place + 1] = [character]
            place += 1
    return "".join(made)


def run_in_pages(folder: Path) -> dict[str, list[list[Output]]]:
    """What each cell gives in a page, by page."""
    tiny = TinySite(folder)
    for name, programs in PAGES.items():
        cells = [one for program in programs for one in program.cells]
        tiny.page(name, IMPORT, BACKEND, *(cell(code, *declared(fails)) for code, fails in cells))
    executed = tiny.execute("numpy")
    found = {}
    for name, programs in PAGES.items():
        result = Store(tiny.store).read(name, "numpy")
        assert result is not None, executed.stderr[:SHOWN]
        failed = "\n".join(map(str, result.failures))[:SHOWN]
        assert not failed
        count = sum(len(program.cells) for program in programs)
        found[name] = [list(map(told, result.outputs[number])) for number in range(3, 3 + count)]
    return found


def declared(fails: str) -> list[str]:
    """The option of a cell that fails so."""
    kind, _, words = fails.partition(":")
    return [f":raises: {{all: {{{kind}: {json.dumps(words.strip())}}}}}"] if fails else []


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[list[Output]], list[list[Output]]]]:
    """What each program shows in Jupyter and on a page, cell by cell, by its title."""
    folder = tmp_path_factory.mktemp("jupyter")
    ours = run_in_pages(folder / "pages")
    both = {}
    for page, programs in PAGES.items():
        (folder / page).mkdir()
        theirs = run_in_jupyter(programs, folder / page, folder / "cache")
        first = 0
        for program in programs:
            place = slice(first, first + len(program.cells))
            both[program.title] = theirs[place], ours[page][place]
            first = place.stop
    return both


def test_there_are_many() -> None:
    titles = [program.title for program in ALL]
    assert len(titles) >= 60 and len(set(titles)) == len(titles)


@pytest.mark.parametrize("program", ALL, ids=lambda program: program.title)
def test_a_page_shows_what_jupyter_shows(shown: Any, program: Program) -> None:
    theirs, ours = shown[program.title]
    told_apart = "\n".join(differences(theirs, ours))[:SHOWN]
    if not program.differs and told_apart:
        pytest.fail(told_apart)
    if program.differs and not told_apart and not program.differs.startswith("at times, "):
        pytest.fail("the two are equal, so the difference that the program states is none")
    page = re.sub(r"(<ipython-input-)\d+", r"\g<1>0", json.dumps(ours))  # it counts the cells of all programs
    if program.shows and json.loads(program.shows) != json.loads(page):
        pytest.fail(f"a page shows {page[:SHOWN]}")


def differences(theirs: list[list[Output]], ours: list[list[Output]]) -> Iterator[str]:
    """The cells that differ, with the beginning of what both show: an output may be large."""
    for number, (first, second) in enumerate(itertools.zip_longest(theirs, ours), 1):
        if first != second:
            yield f"cell {number}"
            yield f"  in Jupyter: {json.dumps(first)[:500]}"
            yield f"  on a page:  {json.dumps(second)[:500]}"
