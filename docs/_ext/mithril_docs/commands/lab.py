"""JupyterLab on the pages themselves: one folder and one kernel a backend, over one set of files.

Opened in ``jax/``, a page shows ``ml.JaxBackend()`` and runs in JAX's environment; saved there, its file says
``ml.NumpyBackend()`` as before. Front matter is never touched, and outputs are not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import jupytext
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from nbformat import NotebookNode

from mithril_docs.backends import BACKENDS, WRITTEN_CLASS
from mithril_docs.blocks import split_front
from mithril_docs.execute.environment import variables
from mithril_docs.swap import swap_class


def main(argv: list[str]) -> int:
    """Lay out a folder for JupyterLab and be JupyterLab there. Its own options, such as ``--port``, are handed on."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs lab", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "pythons", nargs="+", metavar="BACKEND=PYTHON", help="the interpreter of a backend's environment"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--out", type=Path, default=Path("build/lab"), help="folder of what is laid out")
    options, handed_on = parser.parse_known_args(argv)
    folder = options.out.resolve()
    lay_out(folder, options.docs.resolve(), dict(word.split("=", 1) for word in options.pythons))
    os.environ.update(JUPYTER_PATH=str(folder / "share"), JUPYTER_CONFIG_DIR=str(folder / "config"))
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder / 'pages'}", "--allow-root"]
    os.execv(sys.executable, [*command, *handed_on])


def lay_out(folder: Path, docs: Path, pythons: dict[str, str]) -> None:
    """Write what JupyterLab finds: a kernel for each backend, a folder for it that is the pages', and settings."""
    for name, python in pythons.items():
        backend = BACKENDS[name]
        command = [str(Path(python).absolute()), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if backend.startup:
            lines = "; ".join(backend.startup.strip().splitlines())
            command.append(f"--IPKernelApp.exec_lines={lines}")
        kernel = {"argv": command, "display_name": backend.title, "language": "python", "env": variables(backend)}
        _write(folder / "share" / "kernels" / f"mithril-{name}" / "kernel.json", kernel)
        link = folder / "pages" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(docs)
    config = {
        "ServerApp": {
            "contents_manager_class": "mithril_docs.commands.lab.PagesManager",
            # jupytext's own server extension would put its contents manager in the place of ours.
            "jpserver_extensions": {"jupytext": False, "jupyterlab_jupytext": False},
        }
    }
    _write(folder / "config" / "jupyter_server_config.json", config)
    viewers = {"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Jupytext Notebook"}}}
    _write(folder / "config" / "labconfig" / "default_setting_overrides.json", viewers)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


class PagesManager(LargeFileManager):
    """Opens MyST pages as notebooks of the backend in whose folder they are opened."""

    def get(  # type: ignore[override]
        self, path: str, content: bool = True, type: Any = None, format: Any = None, **kwargs: Any
    ) -> Any:
        """The file or folder at a path; a page is a notebook unless its text is asked for."""
        backend = self._backend(path)
        if backend is None or type in ("file", "directory"):
            return super().get(path, content, type, format, **kwargs)
        model = super().get(path, content=True, type="file", **kwargs)
        text = model["content"]
        model |= {"type": "notebook", "format": None, "mimetype": None, "content": None}
        if content:
            notebook = jupytext.reads(text, fmt="md:myst")
            _swap(notebook, WRITTEN_CLASS, BACKENDS[backend].cls)
            kernel = {"name": f"mithril-{backend}", "display_name": BACKENDS[backend].title, "language": "python"}
            notebook.metadata = NotebookNode(kernelspec=kernel)
            model |= {"format": "json", "content": notebook}
        return model

    def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a page as MyST, with the front matter that its file has."""
        backend = self._backend(path)
        if backend is None or model.get("type") != "notebook":
            return super().save(model, path)
        notebook = NotebookNode(json.loads(json.dumps(model["content"]), object_hook=NotebookNode))
        _swap(notebook, BACKENDS[backend].cls, WRITTEN_CLASS)
        front, _ = split_front(super().get(path, type="file")["content"])
        _, body = split_front(jupytext.writes(notebook, fmt="md:myst"))
        text = front + "\n" + body.lstrip("\n")
        super().save({"type": "file", "format": "text", "content": text}, path)
        return self.get(path, content=False)

    def _backend(self, path: str) -> str | None:
        """The backend in whose folder a page lies, None for what is no page."""
        name, _, rest = path.strip("/").partition("/")
        return name if name in BACKENDS and rest.endswith(".md") else None


def _swap(notebook: NotebookNode, old: str, new: str) -> None:
    for cell in notebook.cells:
        if "backend" in cell.metadata.get("tags", ()):
            cell.source = swap_class(cell.source, old, new)
