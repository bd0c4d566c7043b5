"""The peer sphinx-gallery: the same pages on NumPy as scripts, several in a process, rendered with the same theme."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path

from ours import Run, Site, isolated
from report import Rows, ratio

from mithril_docs.build.downloads import notebook, script
from mithril_docs.build.records import collect
from mithril_docs.store import Store
from support.places import ROOT, python_of

CONF = f"""\
import pathlib, time
project = "Mithril"
extensions = ["sphinx_gallery.gen_gallery"]
html_theme = "sphinx_book_theme"
sphinx_gallery_conf = {{
    "examples_dirs": "../scripts",
    "gallery_dirs": "pages",
    "filename_pattern": "",
    "ignore_pattern": r"^(?!page__)",  # what pages write beside themselves
    "plot_gallery": True,
    "parallel": {os.cpu_count()},
    "download_all_examples": False,
    "inspect_global_variables": False,
    "show_signature": False,
    "write_computation_times": False,
}}
def executed(app):
    pathlib.Path(__file__).with_name("executed").write_text(str(time.time()))
def setup(app):
    app.connect("builder-inited", executed, priority=999)
"""
#: What the environment of a backend lacks.
PACKAGES = ("sphinx", "sphinx-gallery", "sphinx-book-theme")


def measure(run: Run, only: set[str] | None) -> tuple[Rows, str]:
    """Our execution of NumPy's pages and our HTML of them against sphinx-gallery's; and which pages were left out."""
    python = make_environment(run)
    whole = Site.copy(run, "gallery", only)
    # Scripts are made from results. A cell that must fail is in a `try` there, so it is no reason to leave a page out.
    whole.execute("numpy")
    build = collect(whole.docs, Store(whole.store()), ["numpy"])
    records = {name: record for name, record in build.records.items() if record.shown and record.runs["numpy"].result}
    scripts = {name: script(notebook("numpy", record, build)) for name, record in records.items()}
    chosen = {name: text for name, text in scripts.items() if is_plain(text)}
    if not chosen:
        run.fail("sphinx-gallery: there is no page that is plain Python")
        return {}, ""
    site = Site.copy(run, "gallery-ours", set(chosen))
    folder = run.work / "gallery-theirs"
    write(folder, chosen, [path for name in chosen for path in records[name].page.files])
    cache = run.work / "gallery-cache"
    warm = run.work / "gallery-warm"
    write(warm, {"index": chosen.get("index") or next(iter(chosen.values()))}, [])
    build_gallery(run, python, warm, cache)

    only_chosen = [word for name in chosen for word in ("--only", name)]
    site.warm("numpy")
    executed = site.execute("numpy", "--force", "--jobs", str(os.cpu_count()), *only_chosen)
    rendered = site.render("numpy")
    their_execution, their_build = build_gallery(run, python, folder, cache)
    again = site.execute("numpy", *only_chosen).seconds + site.render("numpy").seconds
    rows = {
        "execution": ratio(executed.seconds, their_execution, "gallery"),
        "execution, HTML": ratio(executed.seconds + rendered.seconds, their_build, "gallery"),
        "nothing changed": ratio(again, build_gallery(run, python, folder, cache)[1], "gallery"),
    }
    run.expect(executed.executed == len(chosen), f"ours executed {executed.executed} of {len(chosen)} pages")
    written = {path.stem for path in (folder / "out" / "pages").glob("*.html")} - {"index"}
    missing = {name for name in chosen if flat(name) not in written}
    run.expect(not missing, f"sphinx-gallery: no page for {', '.join(sorted(missing))}")
    left = sorted({*scripts} - {*chosen})
    return rows, f"{len(chosen)} pages; left out as no plain Python: {', '.join(left) or 'none'}"


def make_environment(run: Run) -> Path:
    """An environment with NumPy's pins, and with Sphinx and sphinx-gallery at the benchmark's; its interpreter."""
    pins = ROOT / "constraints" / "numpy.txt"
    theirs = set(map(name_of, pins.read_text().splitlines()))
    others = (ROOT / "constraints" / "bench.txt").read_text().splitlines()
    constraints = run.work / "gallery.txt"
    constraints.write_text("\n".join(line for line in others if name_of(line) not in theirs))
    folder = run.work / "gallery-venv"
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    label = "sphinx-gallery's environment"
    run(label, [*uv, "venv", "--quiet", "--python", str(python_of("numpy")), str(folder)], cwd=run.work)
    words = ["--quiet", "--compile-bytecode", "--python", str(python), "--constraints", str(constraints)]
    run(label, [*uv, "pip", "install", *words, "-r", str(pins), *PACKAGES], cwd=run.work)
    return python


def name_of(line: str) -> str:
    """The distribution that a line of a constraints file pins."""
    return re.split(r"[\s=\[;]", line, maxsplit=1)[0].lower()


def is_plain(text: str) -> bool:
    """Whether a script is Python alone: no magics, nothing awaited outside a function."""
    try:
        compile(text, "script", "exec")
    except SyntaxError:
        return False
    return True


def flat(page: str) -> str:
    """A page's name as a script's. All are in one folder, for the pages of a folder run side by side."""
    return f"page__{page.replace('/', '__')}"


def write(folder: Path, scripts: dict[str, str], files: list[Path]) -> None:
    """A project of scripts, with the files that they read beside them."""
    for name in ("docs", "scripts"):
        (folder / name).mkdir(parents=True)
    (folder / "docs" / "conf.py").write_text(CONF)
    (folder / "docs" / "index.rst").write_text("Mithril\n=======\n\n.. toctree::\n\n   pages/index\n")
    (folder / "scripts" / "GALLERY_HEADER.rst").write_text("Pages\n=====\n")
    for page, text in scripts.items():
        (folder / "scripts" / f"{flat(page)}.py").write_text(as_gallery(page, text))
    for path in files:
        shutil.copy(path, folder / "scripts")


def as_gallery(page: str, text: str) -> str:
    """A percent script as sphinx-gallery reads one: a title on top, and prose in reStructuredText."""
    parts = [f'"""\n{page}\n{"=" * len(page)}\n"""\n']
    _, *rest = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    for kind, body in zip(rest[::2], rest[1::2], strict=True):
        if "markdown" not in kind:
            parts.append(f"# %%\n\n{body}")  # the empty line keeps a comment at its head a comment
            continue
        # The words stay, as paragraphs. Their marks mean other things there, or nothing.
        rows = (re.sub(r"([\\*`|_])", r"\\\1", row.lstrip("# >-:").strip()) for row in body.splitlines())
        parts.append("# %%\n" + "\n".join(f"# {row}".rstrip() for row in rows) + "\n\n")
    return "".join(parts)


def build_gallery(run: Run, python: Path, folder: Path, cache: Path) -> tuple[float, float]:
    """The seconds until all scripts are executed, and of the whole build."""
    options = ["--quiet", "--no-color", "-j", "auto", "-d", str(folder / "doctrees")]
    command = [str(python), "-m", "sphinx", *options, str(folder / "docs"), str(folder / "out")]
    start = time.time()
    seconds = run(f"sphinx-gallery, {folder.name}", command, isolated("numpy", cache), cwd=folder).seconds
    mark = folder / "docs" / "executed"
    return (float(mark.read_text()) - start if mark.exists() else float("nan")), seconds
