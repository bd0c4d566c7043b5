"""What a learner takes home: each page as a notebook and as a script, the lines for a shell, an environment."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mithril_docs.backends import BACKENDS as ROWS
from mithril_docs.page import Page, find_pages
from support.home import Home, homes, install_words, is_another_kind, is_script_alone, shell_variables
from support.places import BACKENDS, PROVE, ROOT, SHELL, python_of, run
from support.tiny import BACKEND, IMPORT, TinySite, cell

#: Modules that only one environment may hold.
FRAMEWORKS = {"torch": "torch", "jax": "jax", "mlx": "mlx"}
#: Seconds that the pages of a backend take, so that the longest begins first.
TAKES = {"numpy": 100, "torch": 200, "jax": 180, "mlx": 90}


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    """The pages of the site."""
    return find_pages(ROOT / "docs")


@pytest.mark.timeout(5400 if PROVE else 1800)
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=[pytest.mark.takes(TAKES.get(name, 100)), pytest.mark.xdist_group(f"home-{name}")])
        for name in BACKENDS
    ],
)
def test_pages_give_at_home_what_they_show(
    backend: str, site: Path, record: dict, pages: list[Page], record_property: Callable[[str, object], None]
) -> None:
    """Every page, taken home, gives there what the site shows: its text, errors, HTML and pictures, but for timings.

    The environment is clean and made by the install lines that the site shows. A notebook runs in a kernel of
    Jupyter's, so this is also the second run of every page: the order of sets is another one than in the build.

    A page goes home on one of the backends that it ran on, or, if it is long, perhaps not at all, as
    :func:`support.home.homes` chooses by the page's digest; ``nox -s prove`` takes each page home on all of them. A
    script has the same cells as its notebook, as ``tests/unit/test_downloads.py`` holds. Where it is more than that,
    either the notebook or the script goes home, as the digest says. Under ``prove`` both always do.
    """
    taken = [page for page in pages if backend in homes(page, ran_on(record, page))]
    notebooks = scripts = taken
    if not PROVE:
        scripts = [p for p in taken if is_another_kind(p, backend, site) and is_script_alone(p, backend)]
        notebooks = [page for page in taken if page not in scripts]
    with tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True) as folder:
        home = Home(ROWS[backend], Path(folder))
        installer = home.install(install_words(site, backend))
        record_property("said", said(ROWS[backend].title, installer, notebooks, scripts))
        failures = [*home.take_notebooks(notebooks, site, record), *home.take_scripts(scripts, site)]
    assert not failures, "\n".join(failures)


PICTURE = """\
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(2, 1))
axes.plot([0, {0}])
plt.show()"""
RAISES = ":raises: {all: {ValueError: no number}}"


@pytest.mark.takes(20)
def test_what_differs_at_home_is_told(tiny: TinySite) -> None:
    """Of three pages one gives the same in a second run, one gives something else in every cell, and one ends early."""
    tiny.page(
        "same", IMPORT, BACKEND, cell("print(open('data.txt').read())"), cell(PICTURE.format(1)),
        cell("print('before')\nraise ValueError('no number')", RAISES), cell("print(hash('a'))", ":tags: [timing]"),
        cell("x = 3.0\nprint(x)", ":parity: {x: 1.0e-9}"),
        extra="files: [data.txt]",
    )  # fmt: skip
    (tiny.docs / "data.txt").write_text("one line\nand another")
    tiny.page(
        "other", IMPORT, BACKEND, cell("print(hash('a'))"), cell(PICTURE.format("hash('b')")),
        cell("from IPython.display import HTML\n\nHTML(f'<b>{hash(str(7))}</b>')"),
        cell("print('before')\nraise ValueError(f'no number {hash(str(8))}')", RAISES),
        cell("x = hash('c') / 2**64", ":parity: {x: 1.0e-9}"),
    )  # fmt: skip
    tiny.page(
        "ends", IMPORT, BACKEND, cell("raise ValueError('no number')", RAISES),
        cell("import sys\n\nassert sys.flags.hash_randomization == 0"), cell("print('Nobody comes here.')"),
    )  # fmt: skip
    assert tiny.execute().returncode == 0
    built = tiny.build()
    assert built.returncode == 0, built.stderr
    pages = [page for page in find_pages(tiny.docs) if page.runs]
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        home = Home(ROWS["numpy"], Path(folder))
        (home.folder / ".venv").symlink_to(python_of("numpy").parent.parent)
        cells = [line.partition(": ")[0] for line in home.take_notebooks(pages, tiny.out, tiny.record())]
        other = [f"other on NumPy, cell {number}" for number in (7, 3, 4, 5, 6)]
        assert cells == ["ends on NumPy, cell 4", *other]
        assert all(is_another_kind(page, "numpy", tiny.out) for page in pages)
        ended, differs = home.take_scripts(pages, tiny.out)
    assert ended == "ends on NumPy, as a script: ended with 1: AssertionError"
    assert differs.startswith("other on NumPy, as a script: does not print ")


def ran_on(record: dict, page: Page) -> list[str]:
    """The backends that a page ran on, in the order of the table."""
    found = record["pages"].get(page.name, {"backends": {}})["backends"]
    return [name for name in BACKENDS if found.get(name, {}).get("status") == "ok"]


def said(title: str, installer: str, notebooks: list[Page], scripts: list[Page]) -> str:
    """What stands in the summary of a run."""
    names = ", ".join([page.name for page in notebooks] + [f"{page.name}*" for page in scripts])
    counts = f"{len(notebooks)} notebooks and {len(scripts)} scripts (*)"
    return f"taken home on {title}, installed by {installer}: {counts}: {names}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_isolation(backend: str) -> None:
    """Each environment holds its own framework and none of the others."""
    code = "import importlib.util, sys; print([m for m in sys.argv[1:] if importlib.util.find_spec(m)])"
    found = run([str(python_of(backend)), "-c", code, *FRAMEWORKS.values()])
    own = [FRAMEWORKS[backend]] if backend in FRAMEWORKS else []
    assert found.stdout.strip() == str(own)


@pytest.mark.takes(20)
def test_shell_commands(tmp_path: Path) -> None:
    """The commands on the pages, typed in order in a clean folder, page by page."""
    found = 0
    for path in sorted((ROOT / "docs").rglob("*.md")):
        blocks = SHELL.findall(path.read_text(encoding="utf-8"))
        if not blocks or path.stem == "installation_troubleshooting":  # test_installation.py types these
            continue
        found += len(blocks)
        folder = tmp_path / path.stem
        folder.mkdir()
        (folder / ".python-version").write_text("3.12\n")
        install = "python -m pip install --quiet mithril==0.1.1 numpy==2.1.3 scipy==1.18.1\n"
        rows = [block + (install if "venv" in block else "") for block in blocks]
        script = "set -e\n" + "".join(f"{row}\n" if "activate" in row else f"({row})\n" for row in rows)
        done = subprocess.run(
            ["bash", "-c", script + "python -c 'import mithril as ml; ml.CBackend()'"],
            cwd=folder, env=shell_variables(), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
    assert found >= 2
