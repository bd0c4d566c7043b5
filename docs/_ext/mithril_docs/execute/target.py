"""What a forked process is told to run, named without importing it: only the forking process has IPython's shell."""

from __future__ import annotations

from multiprocessing.connection import Connection


def serve(pipe: Connection, folder: str, private: list[str]) -> None:
    """Be a page's process; see :func:`mithril_docs.execute.shell.serve`."""
    from mithril_docs.execute import shell

    shell.serve(pipe, folder, private)
