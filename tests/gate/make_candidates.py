"""Make candidates for the release gate: wheels of the installed Mithril with a fault, or with a change that is sound.

    python tests/gate/make_candidates.py NAME... --out FOLDER    # wheels
    python tests/gate/make_candidates.py NAME... --check         # proofs that the candidates do what they are named for

``all``, ``faulty`` and ``sound`` name many candidates.

``faults.toml`` and ``sound.toml`` say what a candidate changes. :func:`make` writes its wheel, :func:`make_tree` the
same files as a folder. Proofs run in the environments of the backends, several in one process (``prove.py``).
"""

from __future__ import annotations

import argparse
import base64
import csv
import dataclasses
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: What a wheel of a candidate says its version is, unless told otherwise: the one after the documented one.
VERSION = "0.1.2"
BACKENDS = ("numpy", "torch", "jax", "mlx")
#: Files of an installed distribution that its wheel does not hold.
_ADDED_BY_INSTALLERS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json")
#: Time stamps in wheels: equal candidates are equal files.
_EPOCH = (2020, 1, 1, 0, 0, 0)


class CannotApplyError(Exception):
    """An edit does not fit the package, or what it makes is no Python."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """A change of one file.

    Attributes
    ----------
    file
        Its path, relative to the folder of the package.
    old
        Text that stands in the file exactly once. Empty where the file is new.
    new
        What stands there instead.
    """

    file: str
    old: str
    new: str


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A changed Mithril.

    Attributes
    ----------
    name
        Short and unique.
    kind
        What sort of change it is; the kinds of ``faults.toml`` are listed at its top.
    backends
        The backends that the change touches. Its proof must hold on each.
    edits
        The changes, in this order.
    proof
        Python of a few lines that prints one value; ``prove.py`` says which names it may use.
    names
        Of a faulty candidate: words of which one must stand in the gate's first finding.
    asks
        Of a sound candidate: "nothing", or "documentation" where something was added that pages must tell of. Empty
        for a faulty one.
    metadata
        Header lines added to METADATA.
    """

    name: str
    kind: str
    backends: tuple[str, ...]
    edits: tuple[Edit, ...]
    proof: str
    names: tuple[str, ...] = ()
    asks: str = ""
    metadata: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether the gate must let it pass, or ask for documentation only."""
        return bool(self.asks)

    @property
    def prints_the_same(self) -> bool:
        """Whether its proof must print what it prints with the unchanged package."""
        return self.asks == "nothing"


def read(file: Path) -> dict[str, Candidate]:
    """The candidates of a file, ``faults.toml`` or ``sound.toml``, by name.

    Raises
    ------
    ValueError
        Two candidates have one name, or an entry lacks a field or has an unknown one.
    """
    found: dict[str, Candidate] = {}
    for entry in tomllib.loads(file.read_text(encoding="utf-8"))["candidate"]:
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        fields["edits"] = tuple(Edit(**edit) for edit in entry.get("edits", ()))
        try:
            candidate = Candidate(**fields)
        except TypeError as error:
            raise ValueError(f"{file.name}: {entry.get('name')}: {error}") from error
        if candidate.name in found:
            raise ValueError(f"{file.name}: two candidates are named {candidate.name}")
        found[candidate.name] = candidate
    return found


@functools.cache
def faulty() -> dict[str, Candidate]:
    """The candidates that the gate must block."""
    return read(HERE / "faults.toml")


@functools.cache
def sound() -> dict[str, Candidate]:
    """The candidates that the gate must let pass."""
    return read(HERE / "sound.toml")


def everything() -> dict[str, Candidate]:
    """All candidates, the faulty ones first."""
    return faulty() | sound()


def installed(backend: str = "numpy", nox: Path = ROOT / ".nox") -> Path:
    """The folder of the Mithril that a backend's environment holds."""
    return nox / f"execute-{backend}" / "lib" / "python3.12" / "site-packages" / "mithril"


def python_of(backend: str, nox: Path = ROOT / ".nox") -> Path:
    """The interpreter of a backend's environment."""
    return nox / f"execute-{backend}" / "bin" / "python"


def edited(candidate: Candidate, package: Path) -> dict[str, str]:
    """The files that a candidate changes, relative to the package's folder, with their new text.

    Raises
    ------
    CannotApplyError
        The text to replace does not stand in the file exactly once, or the result does not compile.
    """
    texts: dict[str, str] = {}
    for edit in candidate.edits:
        file = package / edit.file
        if not edit.old:
            if file.exists() or edit.file in texts:
                raise CannotApplyError(f"{candidate.name}: {edit.file} exists, so it is not new")
            texts[edit.file] = edit.new
            continue
        if edit.file not in texts and not file.is_file():
            raise CannotApplyError(f"{candidate.name}: the package has no file {edit.file}")
        text = texts[edit.file] if edit.file in texts else file.read_text(encoding="utf-8")
        if (times := text.count(edit.old)) != 1:
            raise CannotApplyError(
                f"{candidate.name}: text of {edit.file} occurs {times} times, not once: {edit.old!r}"
            )
        texts[edit.file] = text.replace(edit.old, edit.new)
    for path, text in texts.items():
        if path.endswith(".py"):
            try:
                compile(text, path, "exec", dont_inherit=True)
            except SyntaxError as error:
                raise CannotApplyError(f"{candidate.name}: {path} does not compile: {error}") from error
    return texts


def make_tree(candidate: Candidate, package: Path, folder: Path) -> Path:
    """Write the package of a candidate into a folder, which then stands on the path in place of the installed one.

    Byte code that was made for unchanged files is copied too, which saves seconds at each import.

    Returns
    -------
    Path
        The folder, which holds ``mithril/``.
    """
    texts = edited(candidate, package)
    shutil.copytree(package, folder / package.name)
    for path, text in texts.items():
        file = folder / package.name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def make(candidate: Candidate, package: Path, folder: Path, version: str = VERSION) -> Path:
    """Write the wheel of a candidate.

    It holds all that the installed distribution recorded, so it differs from it by the edits and the version alone.
    Two wheels of one candidate are equal, byte by byte.

    Parameters
    ----------
    candidate
        What to change.
    package
        The folder of an installed Mithril, beside its ``dist-info``.
    folder
        Where the wheel goes; made where it is missing.
    version
        The version that the wheel claims to be.

    Returns
    -------
    Path
        ``mithril-<version>-py3-none-any.whl`` in the folder.

    Raises
    ------
    CannotApplyError
        An edit does not fit the package.
    """
    (info,) = package.parent.glob(f"{package.name}-*.dist-info")
    home = f"{package.name}-{version}.dist-info"
    files = {path: (package.parent / path).read_bytes() for path in _recorded(info)}
    files |= {f"{package.name}/{path}": text.encode() for path, text in edited(candidate, package).items()}
    files = {path.replace(f"{info.name}/", f"{home}/", 1): data for path, data in files.items()}
    files[f"{home}/METADATA"] = _metadata(files[f"{home}/METADATA"].decode(), version, candidate.metadata).encode()
    files[f"{home}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: make_candidates\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    rows.writerows([path, f"sha256={_digest(data)}", len(data)] for path, data in sorted(files.items()))
    rows.writerow([f"{home}/RECORD", "", ""])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{package.name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in [*sorted(files.items()), (f"{home}/RECORD", record.getvalue().encode())]:
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return wheel


def _recorded(info: Path) -> Iterator[str]:
    """The files of a wheel, as its installed RECORD names them."""
    with (info / "RECORD").open(encoding="utf-8", newline="") as lines:
        for path, *_ in csv.reader(lines):
            of_installer = path.startswith(f"{info.name}/") and path.split("/")[-1] in _ADDED_BY_INSTALLERS
            if not (of_installer or path.endswith(".pyc") or path.startswith("..")):
                yield path


def _metadata(text: str, version: str, lines: Iterable[str]) -> str:
    """METADATA with another version, and with header lines added."""
    head, gap, body = text.partition("\n\n")
    headers = [f"Version: {version}" if line.startswith("Version:") else line for line in head.splitlines()]
    return "\n".join([*headers, *lines]) + gap + body


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@dataclasses.dataclass(frozen=True)
class Proof:
    """What a proof printed on one backend.

    Attributes
    ----------
    before
        With the unchanged package, in two processes.
    after
        With the candidate.
    """

    candidate: Candidate
    backend: str
    before: tuple[str, str]
    after: str

    @property
    def problem(self) -> str:
        """Why this proves nothing; empty where all is well."""
        where = f"{self.candidate.name} on {self.backend}"
        first, second = self.before
        if broken := [said for said in (first, second, self.after) if said.startswith("BROKEN")]:
            return f"{where}: {broken[0]}"
        if first != second:
            return f"{where}: two runs with the unchanged package differ: {first!r}, {second!r}"
        if first.startswith("RAISED"):
            return f"{where}: fails with the unchanged package: {first}"
        if not first:
            return f"{where}: prints nothing"
        if (first == self.after) != self.candidate.prints_the_same:
            return f"{where}: prints {first!r} before and {self.after!r} after"
        return ""


def check(
    candidates: Iterable[Candidate], nox: Path = ROOT / ".nox", backends: Iterable[str] = BACKENDS
) -> Iterator[Proof]:
    """Run proofs, a process a backend, one backend after the other."""
    candidates = list(candidates)
    for backend in backends:
        names = [candidate.name for candidate in candidates if backend in candidate.backends]
        if not names:
            continue
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        env["PYTHONPATH"] = str(ROOT / "docs" / "_ext")
        command = [str(python_of(backend, nox)), str(HERE / "prove.py"), backend, *names]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdout
            for line in process.stdout:
                name, *before, after = json.loads(line)
                yield Proof(everything()[name], backend, (before[0], before[1]), after)
        if process.returncode:
            raise RuntimeError(f"prove.py ended with status {process.returncode} on {backend}")


def main(argv: list[str]) -> int:
    """Write wheels or run proofs. Returns 1 if a proof fails, 2 if a candidate cannot be made, otherwise 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="candidates; all, faulty or sound for many")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write wheels there, in a folder for each candidate")
    parser.add_argument("--check", action="store_true", help="run the proofs")
    parser.add_argument(
        "--backend", action="append", choices=BACKENDS, help="run proofs on this one only; may be repeated"
    )
    parser.add_argument("--nox", type=Path, default=ROOT / ".nox", metavar="FOLDER", help="where nox made environments")
    parser.add_argument(
        "--package", type=Path, help="an installed mithril folder (default: that of NumPy's environment)"
    )
    parser.add_argument("--version", default=VERSION, help=f"version of the wheels (default: {VERSION})")
    parser.add_argument("--verbose", action="store_true", help="show what the proofs print")
    options = parser.parse_args(argv)
    if not (options.out or options.check):
        parser.error("say --out FOLDER, --check, or both")
    many = {"all": everything(), "faulty": faulty(), "sound": sound()}
    if unknown := [name for name in options.names if name not in many and name not in everything()]:
        parser.error(f"no candidate is named {', '.join(unknown)}")
    chosen = {
        key: each for name in options.names for key, each in (many.get(name) or {name: everything()[name]}).items()
    }
    if options.out:
        package = options.package or installed(nox=options.nox)
        for name, candidate in chosen.items():
            try:
                print(make(candidate, package, options.out / name, options.version))
            except CannotApplyError as error:
                print(error, file=sys.stderr)
                return 2
    return _report(chosen, options) if options.check else 0


def _report(chosen: dict[str, Candidate], options: argparse.Namespace) -> int:
    """Run proofs and print those that fail."""
    problems, proofs = 0, 0
    for proof in check(chosen.values(), options.nox, options.backend or BACKENDS):
        proofs += 1
        problems += bool(proof.problem)
        if proof.problem:
            print(f"FAILED {proof.problem}", flush=True)
        elif options.verbose:
            print(f"{proof.candidate.name} on {proof.backend}: {proof.before[0]} -> {proof.after}", flush=True)
    print(f"{proofs} proofs of {len(chosen)} candidates, {problems} failed")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
