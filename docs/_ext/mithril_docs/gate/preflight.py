"""What a look at a candidate's files tells, before any environment is made."""

from __future__ import annotations

import ast
import base64
import csv
import dataclasses
import hashlib
import re
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from mithril_docs.gate.candidate import PACKAGE, Candidate
from mithril_docs.gate.changes import package_files
from mithril_docs.gate.findings import BREAKS, CATCH_UP, NOTE, Finding

#: What the distributions are called whose modules have another name.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "jaxlib": "jax"}
#: Files that belong to a checkout and not to a package.
STRAY = re.compile(
    r"(^|/)(\.git|\.github|\.venv|\.env|\.idea|\.vscode|\.DS_Store|\.ipynb_checkpoints|__pycache__|node_modules)(/|$)"
    r"|\.(pyc|pyo|orig|rej|swp|bak|log|pem|key|pid|ipynb|tmp)$|(^|/)(tests?|benchmarks?)/|(^|/)test_[^/]*\.py$"
)
#: Content that only one platform can use.
BINARY = (".so", ".dylib", ".dll", ".pyd", ".a")


@dataclasses.dataclass(frozen=True)
class Preflight:
    """What was found: ``fatal`` where the candidate cannot be used at all, and ``findings``."""

    fatal: str
    findings: tuple[Finding, ...]


def look(candidate: Candidate, documented: Candidate) -> Preflight:
    """Look at a candidate. What holds of the documented version too is a note."""
    files = package_files(candidate.tree)
    if "__init__.py" not in files:
        held = len([path for path in candidate.tree.rglob("*") if path.is_file()])
        what = f"{candidate.wheel.name if candidate.wheel else candidate.requirement}"
        words = f"a hollow release: {what} holds {held} files and no module '{PACKAGE}', so it cannot be imported"
        return Preflight(words, ())
    if problem := _unparsable(files):
        return Preflight(problem, ())
    findings = [*_files(files, package_files(documented.tree)), *_record(candidate)]
    known = {found.what for found in _promises(documented)}
    for found in _promises(candidate):
        findings.append(dataclasses.replace(found, severity=NOTE) if found.what in known else found)
    findings += _version(candidate, documented)
    return Preflight("", tuple(findings))


def _finding(severity: str, what: str, where: str = "the wheel") -> Finding:
    return Finding("package", severity, where, "", 0, what)


def _unparsable(files: dict[str, Path]) -> str:
    """The first module that is no Python of this version, in words; empty where all are."""
    for place, path in files.items():
        if place.endswith(".py"):
            try:
                compile(path.read_bytes(), place, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                return f"mithril/{place} is no Python {sys.version_info.major}.{sys.version_info.minor}: {error}"
    return ""


def _files(files: dict[str, Path], before: dict[str, Path]) -> Iterator[Finding]:
    """Files that are missing against the documented version, and files that should not ship."""
    for place in before:
        if place not in files:
            kind = "module" if place.endswith(".py") else "file"
            yield _finding(BREAKS, f"the {kind} mithril/{place} of the documented version is missing", place)
    for place in files:
        if STRAY.search(place) and place not in before:
            yield _finding(CATCH_UP, f"mithril/{place} should not ship", place)


def _record(candidate: Candidate) -> Iterator[Finding]:
    """Whether the wheel's list of files is true."""
    if candidate.wheel is None:
        return
    listed = next(iter(candidate.tree.glob("*.dist-info/RECORD")), None)
    if listed is None:
        yield _finding(BREAKS, "the wheel holds no RECORD, so no installer takes it")
        return
    named = set()
    with listed.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            named.add(row[0])
            path = candidate.tree / row[0]
            if not path.is_file():
                yield _finding(BREAKS, f"RECORD names {row[0]}, which the wheel does not hold", row[0])
            elif len(row) > 1 and row[1]:
                kind, _, told = row[1].partition("=")
                digest = hashlib.new(kind, path.read_bytes()).digest()
                if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != told:
                    yield _finding(BREAKS, f"{row[0]} is not what RECORD says it is", row[0])
    for path in candidate.tree.rglob("*"):
        place = path.relative_to(candidate.tree).as_posix()
        if path.is_file() and place not in named and not place.endswith((".jws", ".p7s")):
            yield _finding(BREAKS, f"the wheel holds {place}, which RECORD does not name", place)


def _metadata(candidate: Candidate) -> Message:
    path = next(iter(candidate.tree.glob("*.dist-info/METADATA")))
    return HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"))


def _promises(candidate: Candidate) -> Iterator[Finding]:
    """What the metadata and the tags promise, against the content."""
    declared = set()
    for written in candidate.requires:
        try:
            declared.add(canonicalize_name(Requirement(written).name))
        except InvalidRequirement:
            yield _finding(BREAKS, f"Requires-Dist: {written} is no requirement")
    for name, place in sorted(_imported(candidate).items()):
        if name not in declared:
            yield _finding(CATCH_UP, f"mithril imports '{name}' and does not declare it", place)
    told = _metadata(candidate)
    licensed = [told.get(name) for name in ("License", "License-Expression", "License-File")]
    classified = any(row.startswith("License ::") for row in told.get_all("Classifier") or ())
    shipped = any("licen" in path.name.lower() for path in candidate.tree.glob("*.dist-info/**/*"))
    if not any(licensed) and not classified and not shipped:
        yield _finding(CATCH_UP, "neither the metadata nor a file of the wheel names a license")
    try:
        if candidate.python and not SpecifierSet(candidate.python).contains("3.12.1"):
            yield _finding(BREAKS, f"Requires-Python is '{candidate.python}', and the documentation is for Python 3.12")
    except InvalidSpecifier:
        yield _finding(BREAKS, f"Requires-Python is '{candidate.python}', which is no version specifier")
    top = {path.name for path in candidate.tree.iterdir() if path.is_dir() and not path.name.endswith(".dist-info")}
    for name in sorted(top - {PACKAGE, f"{PACKAGE}.libs"}):
        yield _finding(CATCH_UP, f"the wheel also installs '{name}'", name)
    yield from _tags(candidate)


def _tags(candidate: Candidate) -> Iterator[Finding]:
    """Whether the tags of the wheel's name promise what it holds."""
    told = next(iter(candidate.tree.glob("*.dist-info/WHEEL")), None)
    rows = told.read_text(encoding="utf-8", errors="replace").splitlines() if told else []
    tags = {row.partition(":")[2].strip() for row in rows if row.startswith("Tag:")}
    if candidate.wheel is not None:
        named = {str(tag) for tag in parse_wheel_filename(candidate.wheel.name)[3]}
        if tags and not named <= tags:
            what = f"its name says {', '.join(sorted(named))}, and the file WHEEL says {', '.join(sorted(tags))}"
            yield _finding(BREAKS, what)
        tags = named
    binary = [path.name for path in candidate.tree.rglob("*") if path.suffix in BINARY]
    everywhere = any(tag.endswith("-none-any") for tag in tags)
    if binary and everywhere:
        yield _finding(BREAKS, f"it is tagged for every platform and holds {binary[0]}, which is for one")
    if tags and not binary and not everywhere:
        yield _finding(CATCH_UP, "it is tagged for one platform or Python and holds nothing that only that can use")


def _imported(candidate: Candidate) -> dict[str, str]:
    """What the package imports when it is imported, distribution to the first file that does; not what it may lack."""
    found: dict[str, str] = {}
    for place, path in package_files(candidate.tree).items():
        if not place.endswith(".py") or "backends/" in place:  # a backend is imported where its framework is
            continue
        tree = ast.parse(path.read_bytes())
        tried = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
        for node in tree.body:
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.If) or id(inner) in tried:
                    break
                names: list[str] = []
                if isinstance(inner, ast.Import):
                    names = [alias.name for alias in inner.names]
                elif isinstance(inner, ast.ImportFrom) and inner.module and not inner.level:
                    names = [inner.module]
                for name in names:
                    module = name.partition(".")[0]
                    if module not in sys.stdlib_module_names and module != PACKAGE:
                        found.setdefault(canonicalize_name(DISTRIBUTIONS.get(module, module)), f"mithril/{place}")
    return found


def _version(candidate: Candidate, documented: Candidate) -> Iterator[Finding]:
    if candidate.digest != documented.digest and candidate.version <= documented.version:
        what = f"its version {candidate.version} is not above the documented {documented.version}"
        yield _finding(NOTE, f"{what}, and its content is another")
