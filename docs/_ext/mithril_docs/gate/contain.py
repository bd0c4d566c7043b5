"""Limits for code of a stranger: a candidate runs with nothing of the caller's, and can harm nothing beside its folder.

Where the system permits it, a command gets namespaces of its own: a network with nothing but itself, and a file system
that can only be read, its own folder aside. Everywhere it gets limits on memory, processes, files and time, no variable
of the caller's but where programs are, and a home and a temporary folder of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

#: Variables of the caller that a command sees.
PASSED = ("PATH", "LANG", "SSL_CERT_FILE", "CC", "CXX")
#: Bytes of the text that is kept of what a command prints: its beginning and its end.
PRINTED = 1_000_000
#: What this interpreter runs first in new namespaces: it shuts the file system, and opens the network's own address.
_ENTER = """\
import fcntl, os, socket, struct, subprocess, sys
work, temporary, command = sys.argv[1], sys.argv[2], sys.argv[3:]
run = lambda *words: subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
run('mount', '--make-rprivate', '/')
for own in (work, temporary):
    run('mount', '--bind', own, own)
kinds = ('proc', 'sysfs', 'devtmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2')
places = [row.split() for row in open('/proc/self/mounts')]
inside = (os.path.realpath(work), os.path.realpath(temporary), '/dev')
for _, place, kind, *_ in places:
    place = place.encode().decode('unicode_escape')
    if kind not in kinds and not any(place == path or place.startswith(path + '/') for path in inside):
        subprocess.run(['mount', '-o', 'remount,bind,ro', place], stderr=subprocess.DEVNULL)
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack('16sh', b'lo', 1))  # SIOCSIFFLAGS, IFF_UP
os.chdir(work)
os.execvp(command[0], command)
"""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a command may use.

    Attributes
    ----------
    seconds
        Of time, all in all.
    memory
        Of address space for each process, in bytes; 0 for no limit.
    processes, files
        How many processes the user may have, and how many files a process may have open.
    file_bytes
        How large a file may become.
    """

    seconds: float = 3600
    memory: int = 0
    processes: int = 4096
    files: int = 4096
    file_bytes: int = 4 << 30


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended: its status, what it printed, and whether it was out of time."""

    status: int
    printed: str
    late: bool


def half_of_memory() -> int:
    """Bytes of address space that a process may have: half of the machine's memory, and what a framework needs."""
    return max(12 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


@functools.cache
def refused() -> str:
    """Why no command gets namespaces of its own here; empty where they do.

    It is tried with a command that does nothing but write to its folder, for systems refuse each step in their own way.
    """
    for program in ("unshare", "mount"):
        if not shutil.which(program):
            return f"{program} is not installed"
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        work, mark = Path(folder), Path(folder, "entered")
        write = [sys.executable, "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", str(mark)]
        done = subprocess.run(
            _entered(work, work, write),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            preexec_fn=functools.partial(_limit, Limits(memory=half_of_memory())),
        )
        entered = mark.exists()
    if done.returncode == 0 and entered:
        return ""
    rows = [row for row in done.stderr.splitlines() if row.strip()]
    return rows[-1] if rows else f"a command in them ends with {done.returncode}"


def _entered(work: Path, temporary: Path, command: list[str]) -> list[str]:
    """A command in namespaces of its own, which may write to two folders."""
    return [*_unshare(), sys.executable, "-c", _ENTER, str(work), str(temporary), *command]


def _unshare() -> list[str]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    # With a table of processes of its own, nothing of it outlives it.
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *user]


def run(command: list[str], work: Path, environ: dict[str, str], limits: Limits, own: bool = True) -> Ended:
    """Run a command to its end, within limits.

    Parameters
    ----------
    command
        The program and its arguments.
    work
        The folder that it may write to; its home is made there. Its temporary folder is one of the system's, for
        the path of a socket must be short, and is removed when the command has ended.
    environ
        Variables that it is given beside :data:`PASSED`.
    limits
        What it may use.
    own
        Whether it gets namespaces of its own, where that can be.
    """
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="gate-"))
    given = {name: os.environ[name] for name in PASSED if name in os.environ}
    given |= {"HOME": str(home), "TMPDIR": str(temporary), "USER": "gate"} | environ
    if own and not refused():
        command = _entered(work, temporary, command)
    process = subprocess.Popen(
        command,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=functools.partial(_limit, limits),
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    clock = threading.Timer(limits.seconds, end)
    clock.start()
    try:
        printed = _read(process)
        status = process.wait()
    finally:
        clock.cancel()
        _kill(process)
        process.wait()
        shutil.rmtree(temporary, ignore_errors=True)
    return Ended(status, printed, late.is_set())


def _read(process: subprocess.Popen[bytes]) -> str:
    """All that is printed, of which the middle is dropped where it is too much."""
    assert process.stdout is not None
    first, last = bytearray(), bytearray()
    while chunk := os.read(process.stdout.fileno(), 65536):
        room = PRINTED // 2 - len(first)
        first += chunk[:room] if room > 0 else b""
        last = (last + chunk[max(room, 0) :])[-PRINTED // 2 :]
    process.stdout.close()
    return (first + last).decode(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _limit(limits: Limits) -> None:
    """In the child: set its limits, none of them above what this process has."""
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
    ]
    if limits.memory:
        wanted.append((resource.RLIMIT_AS, limits.memory))
    for what, most in wanted:
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (allowed, allowed))
