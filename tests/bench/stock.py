"""The peer stock myst-nb: the same pages as it can build them, a project a backend."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

from nbformat import v4, writes
from ours import Run, Site, isolated

from mithril_docs.backends import BACKENDS
from mithril_docs.execute import environment
from mithril_docs.page import Cell, Page
from support.places import python_of

CONF = """\
project = "Mithril"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
html_theme = "sphinx_book_theme"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_in_temp = True
"""
#: A line a page with myst-nb's own time of its execution, and the time of its cells, taken around the call that our
#: executor times too. Cell metadata would give the kernel's clock, and count messages for one side alone.
TIMERS = """
import json, pathlib, time, nbclient
from myst_nb.core.execute import direct
times = pathlib.Path(__file__).with_name("times")
times.write_text("")
run_page, run_cell, cells = direct.single_nb_execution, nbclient.NotebookClient.async_execute_cell, []
async def timed_cell(*args, **kwargs):
    start = time.perf_counter()
    reply = await run_cell(*args, **kwargs)
    cells.append(time.perf_counter() - start)
    return reply
def timed_page(*args, **kwargs):
    cells.clear()
    result = run_page(*args, **kwargs)
    times.write_text(times.read_text() + json.dumps([result.time, sum(cells)]) + "\\n")
    return result
nbclient.NotebookClient.async_execute_cell, direct.single_nb_execution = timed_cell, timed_page
"""


@dataclasses.dataclass
class Stock:
    """Projects of stock myst-nb, made from our copy of the pages."""

    run: Run
    folder: Path
    site: Site

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def write(self, pages: list[Page], backend: str, name: str, conf: str = CONF) -> Path:
        """A project of the pages that a backend's reader sees, with the files that lie beside them."""
        folder = self.folder / name / backend
        shutil.copytree(self.site.docs, folder / "docs", ignore=shutil.ignore_patterns("*.md", "_*"))
        (folder / "docs" / "conf.py").write_text(conf)
        for page in pages:
            if not page.runs or backend in page.backends:
                _write_page(page, backend, folder / "docs" / page.name)
        return folder

    def build(self, folder: Path, *options: str, jobs: str = "auto") -> float:
        """The seconds that the build of a project takes. Its kernels see the variables that our pages see."""
        backend = BACKENDS[folder.name]
        environ = isolated(backend.name, self.cache)
        command = [str(python_of(backend.name)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if backend.startup:
            command.append(f"--IPKernelApp.exec_lines={'; '.join(backend.startup.strip().splitlines())}")
        kernel = {"argv": command, "display_name": backend.title, "env": environment.variables(backend)}
        spec = Path(environ["JUPYTER_DATA_DIR"], "kernels", f"mithril-{backend.name}")
        spec.mkdir(parents=True, exist_ok=True)
        (spec / "kernel.json").write_text(json.dumps(kernel))
        places = ["-d", str(folder / "doctrees"), str(folder / "docs"), str(folder / "out" / "html")]
        command = [sys.executable, "-m", "sphinx", "--quiet", "-j", jobs, *options, *places]
        # With -j 2 a kernel of stock's dies at times before it answers ("Socket operation on non-socket").
        label = f"stock, {folder.parent.name}, {backend.name}"
        return self.run(label, command, environ, cwd=self.folder, tries=3).seconds

    def cached(self, folder: Path) -> list[str]:
        """Give jupyter-cache what the last build of a project executed; the options that make a build use it."""
        from jupyter_cache import get_cache

        for path in (folder / "out" / "jupyter_execute").rglob("*.ipynb"):
            get_cache(str(folder / "cache")).cache_notebook_file(str(path), check_validity=False, overwrite=True)
        return ["-D", "nb_execution_mode=cache", "-D", f"nb_execution_cache_path={folder / 'cache'}"]


def _write_page(page: Page, backend: str, path: Path) -> None:
    """A page for one backend with stock directives only, as a notebook without outputs; prose alone as Markdown."""

    view = {cell.number: cell for cell in page.view(backend)}
    cells = []
    for cell in page.cells:
        if not cell.code:
            cells.append(v4.new_markdown_cell(_stock(cell, backend)))
        elif cell.number in view:
            tags = cell.tags + ["raises-exception"] * bool(cell.raises(backend))
            metadata = {"tags": tags, "mystnb": cell.metadata.get("mystnb", {})}
            cells.append(v4.new_code_cell(view[cell.number].source, metadata=metadata))
    if not page.runs:
        path.with_name(f"{path.name}.md").write_text("\n\n".join(cell.source for cell in cells))
        return
    kernel = {"name": f"mithril-{backend}", "display_name": backend, "language": "python"}
    # Files that a page declares lie beside it.
    metadata = {"kernelspec": kernel, "mystnb": {"execution_in_temp": not page.files}}
    notebook = v4.new_notebook(cells=cells, metadata=metadata)
    path.with_name(f"{path.name}.ipynb").write_text(writes(notebook))


def _stock(cell: Cell, backend: str) -> str:
    """Prose with what the directives of ours come to for a backend."""
    rows = cell.source.split("\n")
    for block in reversed(cell.blocks):
        if block.name == "install":
            rows[block.line : block.end] = [
                "```shell",
                f"pip install {' '.join(BACKENDS[backend].distributions)}",
                "```",
            ]
        elif block.name == "backends" and backend in block.argument.split():
            rows[block.line : block.end] = block.body.split("\n")
        elif block.name in ("backends", "verification"):
            del rows[block.line : block.end]
    return "\n".join(rows)
