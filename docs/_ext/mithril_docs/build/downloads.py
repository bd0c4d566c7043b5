"""What a learner takes home: each page for one backend, as a notebook with its outputs and as a script."""

from __future__ import annotations

import ast
import inspect
import json
import re

from mithril_docs.backends import BACKENDS
from mithril_docs.build.measured import figures, quoted
from mithril_docs.build.notebook import Node, new_cell, new_notebook, view_notebook
from mithril_docs.build.records import Build, Record
from mithril_docs.page import Cell

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
    found = figures(build)
    for cell, outputs in view_notebook(record.page, result):
        identifier = f"c{len(cells)}"
        if cell.code:
            cells.append(new_cell("code", cell.source, identifier, {"tags": _tags(cell, backend)}, outputs))
        elif SITE not in cell.tags and (prose := plain_markdown(quoted(cell.source, found), backend, line)):
            cells.append(new_cell("markdown", prose, identifier, {}))
    head = f"The requirements of this notebook, for {BACKENDS[backend].title}:\n\n```shell\n{line} ipykernel\n```"
    cells.insert(1, new_cell("markdown", head, "install", {}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells, {"kernelspec": kernel, "language_info": {"name": "python"}})


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


#: Directives that a notebook has no use for, with all that is in them.
LEFT_OUT = {
    "toctree", "verification", "index", "button-ref", "facts", "measured", "gpu", "literalinclude", "ran", "raw",
}  # fmt: skip
#: Directives of which only the content counts.
PLAIN = {"backends", "install", "div", "tab-set", "tab-item"}


def plain_markdown(source: str, backend: str, line: str) -> str:
    """Prose for any Jupyter: passages of other backends left out, directives and roles made plain Markdown.

    ``line`` takes the place of ``{install}``.
    """
    rows: list[str] = []
    fences: list[tuple[str, str]] = []
    for row in source.splitlines():
        opening = re.match(r"^(:{3,}|`{3,})\{([\w-]+)\}\s*(.*)$", row)
        if fences and row.strip() == fences[-1][0]:
            fences.pop()
        elif opening:
            fence, name, argument = opening.groups()
            keep = name != "backends" or backend in argument.split()
            keep &= name not in LEFT_OUT and not any(kind == "drop" for _, kind in fences)
            kind = "drop" if not keep else "plain" if name in PLAIN else "quote"
            fences.append((fence, kind))
            if name == "install":
                rows += ["```shell", line, "```"] if keep and argument in ("", backend) else []
            elif kind == "quote":
                rows.append(f"> **{argument or name.capitalize()}**")
        elif any(kind == "drop" for _, kind in fences):
            continue
        elif any(kind == "quote" for _, kind in fences):
            rows.append(f"> {row}".rstrip())
        elif not re.match(r"^\([\w-]+\)=$", row):
            rows.append(row)
    text = re.sub(r"\{[\w:-]+\}`([^`<]+?)\s*(?:<[^>`]*>)?`", r"\1", "\n".join(rows))
    # A link to another page of the site leads nowhere from a notebook on its own.
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?![a-z]+://)[^)]*\)", r"\1", text).strip()
