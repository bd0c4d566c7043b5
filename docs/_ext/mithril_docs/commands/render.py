"""Render what the store holds with Sphinx, unless nothing changed since that was done.

Sphinx takes seconds to find out that there is nothing to do, most of them for its imports. What a render depends on,
and what it made, are some thousand files: looking at their sizes and times takes a fraction of a second.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mithril_docs.backends import BACKENDS
from mithril_docs.build import npm
from mithril_docs.build.provenance import commit_date


def main(argv: list[str]) -> int:
    """Render, strictly: a warning fails. Returns the exit status of Sphinx, 0 where nothing changed."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs render", description=__doc__)
    names = ", ".join(BACKENDS)
    parser.add_argument("backends", nargs="+", choices=BACKENDS, metavar="BACKEND", help=f"some of {names}")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of conf.py")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--out", type=Path, default=Path("build/site"), help="folder of what is made")
    parser.add_argument("--doctrees", type=Path, default=Path("build/doctrees/site"), help="what Sphinx keeps")
    parser.add_argument("--sphinx", action="append", default=[], metavar="OPTION", help="such as --sphinx=-Dname=value")
    options = parser.parse_args(argv)
    arguments = ["--quiet", "--nitpicky", "--fail-on-warning", "--jobs", "auto", "-c", str(options.root)]
    arguments += ["-d", str(options.doctrees), "-D", f"mithril_backends={','.join(options.backends)}"]
    arguments += ["-D", f"mithril_store={options.store.resolve()}", *options.sphinx]
    arguments += [str(options.docs), str(options.out)]
    stamp = options.doctrees.with_name(f"{options.doctrees.name}.json")
    read = [options.docs, options.store, options.root / "conf.py"]
    # What pages say of the site as a whole.
    said = [os.environ.get("MITHRIL_DOCS_URL", ""), commit_date(options.root)]
    before = _digest(arguments + said, read)
    if stamp.is_file() and json.loads(stamp.read_text()) == [before, _digest([], [options.out])]:
        print(f"nothing changed since {options.out} was rendered")
        return 0
    try:
        npm.check()
    except npm.MissingPackageError as error:
        print(f"the search of {options.out} cannot be made: {error}", file=sys.stderr)
        return 1
    from sphinx.cmd.build import build_main

    stamp.unlink(missing_ok=True)
    status = build_main(arguments)
    if status == 0:
        stamp.write_text(json.dumps([_digest(arguments + said, read), _digest([], [options.out])]))
    return status


def _digest(words: list[str], places: list[Path]) -> str:
    """A digest of words, of the files at places by name, size and time, and of what is installed here."""
    content = [words, [line for place in places for line in _lines(place)], _installed(), sys.version]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@functools.cache
def _installed() -> list[str]:
    return sorted(f"{found.name} {found.version}" for found in importlib.metadata.distributions())


def _lines(place: Path) -> Iterator[str]:
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    for file in files:
        # What the build itself writes while it reads: byte code, and the pages as they were parsed.
        if file.suffix != ".pickle" and "__pycache__" not in file.parts and file.is_file():
            status = file.stat()
            yield f"{file} {status.st_size} {status.st_mtime_ns}"
