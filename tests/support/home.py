"""What a learner has at home: a clean environment, an empty folder, a Jupyter kernel, and what the site gave along."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lxml.html
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

from mithril_docs.backends import Backend
from mithril_docs.build.compare import apart, other_outputs
from mithril_docs.build.downloads import FILE, NO_FILE, download_path
from mithril_docs.execute.environment import SET
from mithril_docs.page import Page
from support.places import PROVE, clean, compiled
from support.tiny import make_environment

#: Of the build's variables those that a page's outputs depend on. With as many threads as a machine has cores, sums
#: come out in another order and so with other last digits; a learner's numbers agree with ours to those digits only.
#: The seed of hashes is none of them: no output may depend on the order of a set.
ALIKE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TZ")

#: How often a backend is chosen, against one that is not here: NumPy compiles nothing, and is the fastest at home.
SHARES = {"numpy": 4}

#: Where libraries keep files of their own; at home nothing is there yet, and no setting of this machine's user counts.
#: But see :func:`support.places.compiled`.
FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JAX_COMPILATION_CACHE_DIR": "jax",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
}


def shell_variables(bin_folder: Path = Path("/usr/bin")) -> dict[str, str]:
    """The variables of a learner's shell. pip writes no byte code there, which takes it longer than all else."""
    return clean(bin_folder) | {"PIP_COMPILE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def homes(page: Page, ran: list[str]) -> list[str]:
    """The backends on which a page is taken home, of those that it ran on: one, or all where all is proved.

    Of the long pages, those with a timeout of their own, two of three stay. Which ones, and on which backend the
    others go, says a digest of the page's name and of :meth:`Page.digest` on the first backend. So it is the same in
    every run until the page's code changes, and all backends have their :data:`SHARES`.
    """
    if PROVE or not ran:
        return ran
    number = _number(page, ran[0])
    if "timeout" in page.front and number // 100 % 3:
        return []
    shares = [name for name in ran for _ in range(SHARES.get(name, 1))]
    return [shares[number % len(shares)]]


def is_script_alone(page: Page, backend: str) -> bool:
    """Whether of a page whose script is another kind of program the script alone goes home: one in two does."""
    return _number(page, backend) // 1000 % 2 == 0


def _number(page: Page, backend: str) -> int:
    return int(hashlib.sha256(f"{page.name}{page.digest(backend)}".encode()).hexdigest(), 16)


def install_words(site: Path, backend: str) -> list[str]:
    """What the install lines of all pages of a site give to ``pip install`` for a backend.

    What a package is pinned to is the same in every line, so one call does what they do one after the other.
    """
    words: set[str] = set()
    for path in site.rglob("*.html"):
        for block in lxml.html.parse(str(path)).xpath(f'//*[@data-backends="{backend}"]//pre'):
            line = block.text_content().strip()
            if line.startswith("pip install "):
                words.update(line.replace('"', "").split()[2:])
    names = {word.partition("==")[0] for word in words}
    assert "ipykernel" in names and len(names) == len(words), sorted(words)
    return sorted(words)


@dataclasses.dataclass
class Home:
    """A folder with a clean environment of a backend, and what is taken there."""

    backend: Backend
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.folder / ".venv" / "bin" / "python"

    def install(self, words: list[str]) -> str:
        """Make the environment with what the words name; says which program installed it.

        The frameworks come with gigabytes that pip would load in every run; uv has kept them, and takes the same words.
        """
        if self.backend.framework and not PROVE:
            make_environment(self.folder / ".venv", *words)
            return "uv pip"
        subprocess.run([sys.executable, "-m", "venv", self.folder / ".venv"], check=True)
        command = [self.python.with_name("pip"), "install", "--quiet", *words]
        done = subprocess.run(command, env=shell_variables(self.python.parent), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return "pip"

    def take_notebooks(self, pages: list[Page], site: Path, record: dict[str, Any]) -> Iterator[str]:
        """Run the notebooks that a site gives, each in a new kernel and folder; what does not come out as shown.

        A kernel takes seconds to start, so the next page's starts while one runs.
        """
        self._describe_kernel()
        waiting = [self._start(pages[0])] if pages else []
        try:
            for page, following in zip(pages, [*pages[1:], None], strict=True):
                kernel = waiting[0]
                if following:
                    waiting.append(self._start(following))
                path = site / download_path(page.name, self.backend.name, "ipynb")
                for number, words in self._run(kernel, page, path, record["pages"][page.name]["parity"]):
                    yield f"{page.name} on {self.backend.title}, cell {number}: {words}"
                waiting.remove(kernel)
                _end(kernel)
        finally:
            for kernel in waiting:
                _end(kernel)

    def _describe_kernel(self) -> None:
        """The kernel of a notebook: IPython as it comes, but that pictures are as sharp as those of the site."""
        command = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        command.append("--InlineBackend.figure_formats=retina")
        if self.backend.startup:
            command.append(f"--IPKernelApp.exec_lines={'; '.join(self.backend.startup.strip().splitlines())}")
        spec = {"argv": command, "display_name": "home", "language": "python", "env": self._variables()}
        path = self.folder / "kernels" / "home" / "kernel.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(spec))

    def _variables(self) -> dict[str, str]:
        alike = {name: SET[name] for name in ALIKE} | dict(self.backend.environ)
        folders = {name: str(self.folder / folder) for name, folder in FOLDERS.items()}
        # The build's is 0.
        return clean(self.python.parent) | alike | folders | compiled() | {"PYTHONHASHSEED": "1"}

    def _work_folder(self, page: Page, what: str) -> Path:
        """An empty folder: what a page reads it brings along."""
        folder = self.folder / what / page.name
        folder.mkdir(parents=True)
        return folder

    def _start(self, page: Page) -> KernelManager:
        """Start a kernel for a page, and do not wait until it is ready."""
        specs = KernelSpecManager(kernel_dirs=[str(self.folder / "kernels")], ensure_native_kernel=False)
        folder = self._work_folder(page, "notebooks")
        # Sockets are files, so that no two runs want one port; a file's path must be short.
        file = str(self.folder / f"{hashlib.sha256(page.name.encode()).hexdigest()[:8]}.json")
        manager = KernelManager(kernel_name="home", kernel_spec_manager=specs, transport="ipc", connection_file=file)
        manager.start_kernel(cwd=str(folder), env=self._variables())
        return manager

    def _run(self, manager: KernelManager, page: Page, path: Path, parity: dict[str, Any]) -> Iterator[tuple[int, str]]:
        """Run a notebook to its end, or to the cell where Jupyter would stop; what differs from what it shows."""
        shown = nbformat.read(path, as_version=4)
        nbformat.validate(shown)
        came = nbformat.from_dict(json.loads(json.dumps(shown)))
        # What is missing is an output that differs, so a slow one is waited for.
        client = NotebookClient(came, km=manager, timeout=600, iopub_timeout=60, raise_on_iopub_timeout=True)
        client.kc = channels = manager.client()
        channels.start_channels(hb=False)  # its end would be waited for, a second a page
        own = iter(page.view(self.backend.name))
        ran = []
        try:
            channels.wait_for_ready(timeout=300)
            channels.allow_stdin = False
            for index, cell in enumerate(came.cells):
                if cell.cell_type != "code":
                    continue
                if cell.id.startswith(FILE):
                    client.execute_cell(cell, index)
                    continue
                written = next(own)
                assert written.source == cell.source, f"the site is older than {page.path}: run nox -s site"
                stopped = ""
                try:
                    client.execute_cell(cell, index)
                except CellExecutionError as error:
                    stopped = f"{error.ename}: {error.evalue}"
                except (CellControlSignal, DeadKernelError) as error:
                    stopped = str(error) or type(error).__name__
                ran.append((index, written.number, stopped))
                if stopped:
                    break
                compared = [name for name in written.metadata.get("parity", ()) if name in parity]
                for name, value in _values(channels, compared).items():
                    if words := apart(parity[name]["values"][self.backend.name], value, 0.0):
                        yield written.number, f"parity value '{name}' {words}"
        finally:
            channels.stop_channels()
        # In the end, for a cell may change what an earlier one displays.
        for index, number, stopped in ran:
            timing = "timing" in came.cells[index].metadata.get("tags", ())
            differs = "" if timing else other_outputs(shown.cells[index].outputs, came.cells[index].outputs)
            if words := differs or stopped:
                yield number, words

    def take_scripts(self, pages: list[Page], site: Path) -> Iterator[str]:
        """Run the scripts that a site gives, each in a folder of its own; what does not come out as the notebooks show.

        Each has a process of its own, forked when what they all import has been imported.
        """
        folders = []
        for page in pages:
            folders.append(self._work_folder(page, "scripts"))
            shutil.copy(site / download_path(page.name, self.backend.name, "py"), folders[-1] / "page.py")
        told = {"modules": self.backend.modules, "startup": self.backend.startup, "folders": list(map(str, folders))}
        # -P: this repository's folder is none that a script looks for modules in.
        command = [str(self.python), "-P", str(Path(__file__).with_name("forked.py")), json.dumps(told)]
        done = subprocess.run(
            command, cwd=self.folder, env=self._variables() | {"MPLBACKEND": "agg"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        for page, folder, status in zip(pages, folders, json.loads(done.stdout), strict=True):
            where = f"{page.name} on {self.backend.title}, as a script"
            if status:
                said = (folder / "stderr").read_text(errors="replace").strip().splitlines()
                yield f"{where}: ended with {status}: {said[-1] if said else 'it said nothing'}"
                continue
            shown = nbformat.read(site / download_path(page.name, self.backend.name, "ipynb"), as_version=4)
            printed, place = (folder / "stdout").read_text(errors="replace"), 0
            for cell in shown.cells:
                if cell.cell_type == "code" and "timing" not in cell.metadata.get("tags", ()):
                    text = _printed(cell)
                    place = printed.find(text, place)
                    if place < 0:
                        yield f"{where}: does not print {text[:400]!r}, or not in its turn"
                        break
                    place += len(text)


def is_another_kind(page: Page, backend: str, site: Path) -> bool:
    """Whether a page's script is more than the cells of its notebook one after the other.

    A cell that must fail is guarded there, a script that splits arrays hides its file, files lie beside it, and Python
    alone cannot run all that IPython can.
    """
    text = (site / download_path(page.name, backend, "py")).read_text(encoding="utf-8")
    cells = list(page.view(backend))
    return (
        bool(page.files) or NO_FILE in text or any(cell.raises(backend) or not _is_plain(cell.source) for cell in cells)
    )


def _is_plain(source: str) -> bool:
    try:
        compile(source, "cell", "exec", dont_inherit=True)
    except SyntaxError:  # a magic, or an await outside a function
        return False
    return True


def _printed(cell: nbformat.NotebookNode) -> str:
    """What a script prints where a notebook has the cell: the error of a guarded one too."""
    text = ""
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            text += output.text
        elif output.output_type == "error":
            text += f"{output.ename}: {output.evalue}\n"
    return text


def _end(manager: KernelManager) -> None:
    """End a kernel and the processes that its page started and left, which shutting down does not."""
    group = getattr(manager.provisioner, "pgid", None)
    manager.shutdown_kernel(now=True)
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _values(channels: Any, names: list[str]) -> dict[str, Any]:
    """What a page's parity values are worth in a kernel, as the build reads them."""
    if not names:
        return {}
    code = (
        "__import__('json').dumps(__import__('numpy').asarray("
        "({0}).detach().cpu() if hasattr(({0}), 'detach') else ({0})).astype('float64').tolist())"
    )
    asked = {name: code.format(name) for name in names}
    answer = channels.execute("", silent=True, user_expressions=asked, reply=True, timeout=60)
    told = answer["content"]["user_expressions"]
    return {name: json.loads(ast.literal_eval(told[name]["data"]["text/plain"])) for name in names}
