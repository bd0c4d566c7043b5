"""What a learner takes home: each page for one backend, as a notebook with its outputs and as a script."""

from __future__ import annotations

import ast
import base64
import inspect
import json

from mithril_docs.backends import BACKENDS
from mithril_docs.build.measured import figures
from mithril_docs.build.notebook import Node, new_cell, new_notebook, view_notebook
from mithril_docs.build.prose import Reader
from mithril_docs.build.records import Build, Record
from mithril_docs.page import Cell, Page

FOLDER = "_downloads/pages"
#: The tag of prose that a notebook has no use for.
SITE = "site"


def download_path(page: str, backend: str, ending: str) -> str:
    """Where a download lies, relative to the site's root."""
    return f"{FOLDER}/{page}-{backend}.{ending}"


def install_line(backend: str, record: Record, build: Build) -> str:
    """What to type to run the page on the backend: the very versions that ran here.

    Source: the imports of the page and the versions of the environment that executed it.
    """
    row = BACKENDS[backend]
    versions = build.environments[backend].versions
    result = record.runs[backend].result
    names = list(row.distributions) + sorted(set(result.distributions if result else ()) - set(row.distributions))
    words = []
    for name in names:
        written = row.requirement if name == row.framework else name
        pinned = f"{written}=={versions[name]}" if name in versions else str(written)
        words.append(f'"{pinned}"' if "[" in pinned else pinned)
    return "pip install " + " ".join(words)


def notebook(backend: str, record: Record, build: Build) -> Node:
    """The page as a notebook for one backend, with its outputs; it needs nothing but the install line."""
    result = record.runs[backend].result
    assert result is not None
    line = install_line(backend, record, build)
    cells: list[Node] = []
    reader = Reader(backend, line, figures(build), record.page.path.parent)
    for cell, outputs in view_notebook(record.page, result):
        identifier = f"c{len(cells)}"
        if cell.code:
            cells.append(new_cell("code", cell.source, identifier, {"tags": _tags(cell, backend)}, outputs))
        elif SITE not in cell.tags and (prose := reader.prose(cell.source)):
            cells.append(new_cell("markdown", prose, identifier, {}))
    head = f"The requirements of this notebook, for {BACKENDS[backend].title}:\n\n```shell\n{line} ipykernel\n```"
    cells[1:1] = [new_cell("markdown", head, "install", {}), *file_cells(record.page)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells, {"kernelspec": kernel, "language_info": {"name": "python"}})


#: How the names of cells begin that write a file.
FILE = "file-"


def file_cells(page: Page) -> list[Node]:
    """Cells that write the files which the page reads, so that what is taken home needs nothing beside it."""
    cells = []
    for number, (place, path) in enumerate(page.copies.items()):
        content = path.read_bytes()
        try:
            imports, written = "", f"'''\\\n{_inside_quotes(content.decode())}'''.encode()"
        except UnicodeDecodeError:
            imports, written = "import base64\n", f"base64.b64decode({base64.b64encode(content).decode()!r})"
        source = f"# A file that this page uses.\n{imports}from pathlib import Path\n\n"
        if "/" in place:
            source += f"Path({place!r}).parent.mkdir(parents=True, exist_ok=True)\n"
        source += f"_ = Path({place!r}).write_bytes({written})"
        cells.append(new_cell("code", source, f"{FILE}{number}", {"tags": ["hide-input"]}))
    return cells


def _inside_quotes(text: str) -> str:
    """Text as it stands between three single quotes in Python."""
    escapes: dict[str, str | int | None] = {"\\": "\\\\", "'": "\\'", "\r": "\\r", "\0": "\\x00"}
    plain = "'''" not in text and not text.endswith("'")
    return text.translate(str.maketrans({k: v for k, v in escapes.items() if k != "'" or not plain}))


def notebook_text(made: Node) -> str:
    """A notebook as its file holds it."""
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _tags(cell: Cell, backend: str) -> list[str]:
    kept = [tag for tag in cell.tags if tag == "timing"]
    # Jupyter goes on after such a cell.
    return kept + (["raises-exception"] if cell.raises(backend) else [])


#: For scripts that split arrays with PyTorch. A notebook has no file.
NO_FILE = """\
# The processes that PyTorch starts for a mesh would import this file, and so run it once more each.
import __main__

__main__.__file__ = None"""


def has_script(backend: str, record: Record) -> bool:
    """Whether the page can be a script: none awaits outside a function, as a notebook may."""
    sources = (cell.source for cell in record.page.view(backend))
    # Compiling every cell takes a thirtieth of a render.
    return not any(_awaits(source) for source in sources if "await" in source or "async" in source)


def _awaits(source: str) -> bool:
    try:
        tree = compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(tree.co_flags & inspect.CO_COROUTINE)


def script(made: Node) -> str:
    """A page's notebook as a Python script in the percent format, which editors know.

    It goes on after a cell that must fail, as Jupyter does.
    """
    parts = []
    for cell in made["cells"]:
        source = cell["source"]
        if cell["cell_type"] == "markdown":
            parts.append("\n".join(["# %% [markdown]", *(f"# {row}".rstrip() for row in source.splitlines())]))
            continue
        if "raises-exception" in cell["metadata"]["tags"]:
            source = _guarded(source)
        parts.append(f"# %%\n{source}")
    code = [cell["source"] for cell in made["cells"] if cell["cell_type"] == "code"]
    if any("TorchBackend" in source for source in code) and any("device_mesh=" in source for source in code):
        parts.insert(0, f"# %%\n{NO_FILE}")
    return "\n\n".join(parts) + "\n"


def _guarded(source: str) -> str:
    """Code in a block that prints its error; what it did before the error stays done."""
    inside: set[int] = set()  # lines that go on with a string, which an indentation would change
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno is not None:
            inside |= set(range(node.lineno + 1, node.end_lineno + 1))
    rows = [row if number in inside else f"    {row}" for number, row in enumerate(source.splitlines(), 1)]
    printed = 'print(f"{type(_error).__name__}: {_error}")'
    return "\n".join(["try:", *rows, "except Exception as _error:", f"    {printed}"])
