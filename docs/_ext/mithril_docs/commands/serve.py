"""A live preview: what is written into a page is executed, rendered and shown by the browser a moment later.

sphinx-autobuild watches, serves and reloads. Between them stands a process that has imported all that a build needs,
and forks a child for each build, so that no build waits for imports and none leaves anything behind.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from sphinx.cmd.build import build_main
from sphinx.config import Config
from sphinx.util.tags import Tags
from sphinx_autobuild.filter import IgnoreFilter
from sphinx_autobuild.middleware import JavascriptInjectorMiddleware
from sphinx_autobuild.server import RebuildServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

from mithril_docs.store import code_digest

#: What a change of does not show: byte code, editors' own files, Jupyter's copies.
IGNORED = [r"__pycache__", r"\.pyc$", r"~$", r"\.sw[a-p]$", r"/\.#", r"\.ipynb_checkpoints"]
#: The rooms whose code a build imports.
ROOMS = ("execute", "models", "build", "site", "reference", "errors")


def main(argv: list[str]) -> int:
    """Build what is there, then serve it until interrupted, and build again after each change."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs serve", description=__doc__)
    parser.add_argument(
        "pythons", nargs="+", metavar="BACKEND=PYTHON", help="the interpreter of a backend's environment"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--out", type=Path, default=Path("build/serve"), help="folder of what is built")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--port", type=int, default=8000, help="port to serve on, on this machine alone")
    options = parser.parse_args(argv)
    pythons = dict(word.split("=", 1) for word in options.pythons)
    address = f"127.0.0.1:{options.port}"
    preview = Preview(
        Path.cwd(), options.docs.resolve(), options.out.resolve(), options.store.resolve(), pythons, address
    )
    preview([])
    preview.warm()
    watcher = RebuildServer([preview.docs], IgnoreFilter([], IGNORED), change_callback=preview)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket-reload", watcher, name="reload"),
            Mount("/", app=StaticFiles(directory=preview.out, html=True), name="static"),
        ],
        middleware=[Middleware(JavascriptInjectorMiddleware, ws_url=address)],
        lifespan=watcher.lifespan,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
    return 0


@dataclasses.dataclass
class Preview:
    """Builds the preview; sphinx-autobuild calls it after each change, in a child process.

    Attributes
    ----------
    root
        The folder of ``conf.py``.
    docs, out, store
        Where the pages are, what is built goes, and the results are kept.
    pythons
        Backend to the interpreter of its environment.
    address
        Host and port that the preview is served on.
    code
        The digest of the code that this process has imported.
    """

    root: Path
    docs: Path
    out: Path
    store: Path
    pythons: dict[str, str]
    address: str
    code: str = ""

    def warm(self) -> None:
        """Import what a build imports, and read the installed package."""
        for name in Config.read(self.root, overrides={}, tags=Tags()).extensions:
            importlib.import_module(name)
        from mithril_docs.errors import raises
        from mithril_docs.reference import package

        logging.getLogger("fontTools").setLevel(logging.WARNING)
        package.names()
        raises.places()
        self.code = code_digest(*ROOMS)

    def __call__(self, changed_paths: Sequence[Path]) -> None:
        """Execute and render what changed."""
        for path in changed_paths[:5]:
            print(f"changed: {path}", flush=True)
        for name, python in self.pythons.items():
            for command in self._commands(changed_paths):
                places = ["--docs", str(self.docs), "--store", str(self.store)]
                subprocess.run([python, "-m", "mithril_docs", command, name, *places], check=False)
        self._render(in_this_process=bool(changed_paths))
        print(f"Serving on http://{self.address}", flush=True)

    def _commands(self, changed: Sequence[Path]) -> Iterator[str]:
        yield "execute"
        texts = [path.read_text(errors="replace") for path in changed if path.suffix == ".md" and path.is_file()]
        if not changed or any("{model}" in text for text in texts):
            yield "models"

    def _render(self, in_this_process: bool) -> None:
        """Render as nox does, but for links that lead nowhere and the like: they are told, and the page is shown.

        All pages take two processes of Sphinx's own; what changed is quicker in the one that has all imported.
        """
        arguments = ["--quiet", "--nitpicky", "-c", str(self.root), "-d", str(self.out.with_name("doctrees") / "serve")]
        chosen = ["-D", f"mithril_backends={','.join(self.pythons)}", "-D", f"mithril_store={self.store}"]
        words = [*arguments, *chosen, str(self.docs), str(self.out)]
        code_digest.cache_clear()
        if in_this_process and code_digest(*ROOMS) == self.code:  # else it has imported what is no longer there
            build_main(words)
        else:
            subprocess.run([sys.executable, "-m", "sphinx", "--jobs", "auto", *words], check=False)
