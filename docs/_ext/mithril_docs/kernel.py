"""Kernels that start at once: forked from a process in which Mithril and the framework are imported already.

The standard library's ``forkserver`` keeps that process. Nothing has been computed in it, so a page cannot tell its
kernel from one that was started for it alone. ``jupyter_client`` is told of it as a kernel provisioner.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from mithril_docs import raised
from mithril_docs.backends import Backend

_FORKSERVER = multiprocessing.get_context("forkserver")
_PRELOAD = "MITHRIL_DOCS_PRELOAD"


def use_forked_kernels(backend: Backend) -> None:
    """Make every kernel that ``jupyter_client`` starts in this process a fork with the backend imported.

    Returns when the imports are done, so that no page waits for them.
    """
    os.environ[_PRELOAD] = backend.name
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    _FORKSERVER.set_forkserver_preload(["mithril_docs.preload"])
    first = _FORKSERVER.Process(target=_check_preload)
    with contextlib.suppress(EOFError):  # the imports failed; their traceback is on the terminal
        first.start()
        first.join()
    if first.exitcode != 0:
        raise RuntimeError("no kernel can be forked: mithril_docs.preload cannot be imported")
    del os.environ["PYTHONPATH"]
    factory = KernelProvisionerFactory.instance(default_provisioner_name="forked")
    factory.provisioners["forked"] = EntryPoint("forked", f"{__name__}:ForkedProvisioner", factory.GROUP_NAME)


def _check_preload() -> None:
    # The forking process passes over modules that it cannot import, without a word.
    sys.exit(0 if "mithril_docs.preload" in sys.modules else 1)


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel by forking; all else is as for a local kernel."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel. ``cmd`` is the usual command; what stands behind its ``-m module`` is for the kernel."""
        folder = str(kwargs.get("cwd") or Path.cwd())
        process = _FORKSERVER.Process(target=_run, args=(cmd[cmd.index("-m") + 2 :], folder))
        process.start()
        self.process = _Forked(process)  # type: ignore[assignment]
        self.pid = self.pgid = process.pid
        return self.connection_info


class _Forked:
    """A forked process with the methods of :class:`subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


def _run(arguments: list[str], folder: str) -> None:
    """Be a kernel, in a process group of its own, until told to stop or until the build is gone."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.chdir(folder)
    # A page imports nothing of this repository: a kernel must not find what a reader does not have.
    sys.path[:] = [path for path in sys.path if path != os.environ["PYTHONPATH"]]
    del os.environ[_PRELOAD], os.environ["PYTHONPATH"]
    threading.Thread(target=_die_with_the_build, daemon=True).start()
    app = IPKernelApp.instance()
    # Level 50: no banner on the terminal, which shows the progress of the build. Retina: pictures sharp on a phone.
    options = ["--HistoryManager.enabled=False", "--log-level=50", "--InlineBackend.figure_formats=retina"]
    # Plain tracebacks: IPython's take seconds for a long one of JAX's, and readers see the last line alone.
    options += ["--InteractiveShell.xmode=Plain"]
    app.initialize([*arguments, *options])
    raised.watch(app.shell, str(Path(tempfile.gettempdir(), "ipykernel_")))
    app.start()


def _die_with_the_build() -> None:
    build = multiprocessing.parent_process()
    assert build is not None
    build.join()
    os.killpg(0, signal.SIGKILL)
