"""The real site, as built: every page on every backend, and what a learner takes home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import BACKENDS, ROOT, SHELL, clean, python_of, run
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from mithril_docs.backends import BACKENDS as BACKEND_TABLE
from nbclient import NotebookClient
from test_store import entries

#: Modules that only one environment may hold.
FRAMEWORKS = {"torch": "torch", "jax": "jax", "mlx": "mlx"}


def test_every_page_is_well_on_every_backend_it_declares(record: dict) -> None:
    assert set(record["environments"]) == set(BACKENDS)
    assert len(record["pages"]) >= 8
    for name, page in record["pages"].items():
        assert list(page["backends"]) and set(page["backends"]) == set(BACKENDS), name
        for backend, found in page["backends"].items():
            assert found["status"] in ("ok", "unsupported"), (name, backend, found)
        assert all(value["agrees"] for value in page["parity"].values()), name


def test_values_were_compared_on_all_backends(record: dict) -> None:
    compared = {name: page["parity"] for name, page in record["pages"].items() if page["parity"]}
    assert "tutorials/end_to_end/training" in compared
    for name, values in compared.items():
        ran = {b for b, found in record["pages"][name]["backends"].items() if found["status"] == "ok"}
        for value in values.values():
            assert set(value["values"]) == ran, name


def test_digits_are_read(record: dict) -> None:
    accuracy = record["pages"]["tutorials/end_to_end/training"]["parity"]["test_accuracy"]["values"]
    assert set(accuracy) == set(BACKENDS) and min(accuracy.values()) >= 0.95


@pytest.mark.parametrize("backend", BACKENDS)
def test_isolation(backend: str) -> None:
    """Each environment holds its own framework and none of the others."""
    code = "import importlib.util, sys; print([m for m in sys.argv[1:] if importlib.util.find_spec(m)])"
    found = run([str(python_of(backend)), "-c", code, *FRAMEWORKS.values()])
    own = [FRAMEWORKS[backend]] if backend in FRAMEWORKS else []
    assert found.stdout.strip() == str(own)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_forced_second_run_gives_the_same(backend: str, tmp_path: Path) -> None:
    """Timing cells aside, every output of every page is the same in two runs."""
    command = [
        str(python_of(backend)),
        "-m",
        "mithril_docs",
        "execute",
        backend,
        "--store",
        str(tmp_path / "store"),
        "--force",
    ]
    assert run(command, timeout=900).returncode == 0
    first, second = entries(ROOT / "build" / "store"), entries(tmp_path / "store")
    assert second and set(second) <= set(first)
    for name, result in second.items():
        page = (ROOT / "docs" / f"{result['page']}.md").read_text()
        timing = timing_cells(page)
        for number, outputs in result["outputs"].items():
            if int(number) not in timing:
                assert outputs == first[name]["outputs"][number], f"{name}, cell {number}"
        assert result["parity"] == first[name]["parity"], name


def timing_cells(page: str) -> set[int]:
    blocks = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return {number for number, block in enumerate(blocks, 1) if re.search(r"^:tags:.*\btiming\b", block, re.MULTILINE)}


@pytest.fixture(scope="module", params=BACKENDS)
def home(request: pytest.FixtureRequest, site: Path, tmp_path_factory: pytest.TempPathFactory):
    """A clean environment of a backend, made with the lines that the pages show, as a learner would."""
    backend = request.param
    folder = tmp_path_factory.mktemp(f"home-{backend}")
    subprocess.run([python_of("numpy"), "-m", "venv", folder / ".venv"], check=True)
    bin_folder = folder / ".venv" / "bin"
    lines = set()
    for path in sorted(site.rglob("*.html")):
        html = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        lines |= {
            pre.text.strip()
            for pre in html.select(f'[data-backends="{backend}"] pre')
            if pre.text.startswith("pip install")
        }
    assert lines
    # What a package is pinned to is the same in every line, so one call does what they do one after the other.
    words = sorted({word for line in lines for word in line.replace('"', "").split()[2:]})
    assert len({word.partition("==")[0] for word in words}) == len(words)
    env = clean(bin_folder) | {"PIP_NO_COMPILE": "1"}  # byte code of all of PyTorch would take minutes
    made = subprocess.run([bin_folder / "pip", "install", "--quiet", *words], env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    yield backend, bin_folder, folder
    shutil.rmtree(folder)


def test_install_lines_and_downloads(home: tuple[str, Path, Path], site: Path, record: dict) -> None:
    """Every page, taken home as a notebook and as a script, runs there and gives what the page shows."""
    backend, bin_folder, folder = home
    startup = BACKEND_TABLE[backend].startup
    python = str(bin_folder / "python")
    extra = [f"--IPKernelApp.exec_lines={'; '.join(startup.strip().splitlines())}"] if startup else []
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--InteractiveShell.xmode=Plain", *extra]
    spec = {"argv": argv, "display_name": "home", "language": "python"}
    (folder / "kernels" / "home").mkdir(parents=True)
    (folder / "kernels" / "home" / "kernel.json").write_text(json.dumps(spec))
    # JAX compiles each operation it meets; kept on disk, a page need not compile what another has.
    environ = clean(bin_folder) | dict(BACKEND_TABLE[backend].environ)
    environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "jax")
    kernels = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)

    def take_home(name: str) -> None:
        base = site / "_downloads" / "pages" / f"{name}-{backend}"
        shown = nbformat.read(base.with_suffix(".ipynb"), as_version=4)
        nbformat.validate(shown)
        work = folder / name
        work.mkdir(parents=True)
        ran = nbformat.from_dict(json.loads(json.dumps(shown)))
        # Files in place of ports, as in execute.py; their paths must be short.
        sockets = {"transport": "ipc", "connection_file": str(folder / f"{names.index(name)}.json")}
        manager = KernelManager(kernel_name="home", kernel_spec_manager=kernels, **sockets)
        resources = {"metadata": {"path": str(work)}}
        client = NotebookClient(ran, km=manager, timeout=600, coalesce_streams=True, resources=resources)
        try:
            client.execute(env=environ)
        finally:
            manager.shutdown_kernel(now=True)
        assert texts(ran) == texts(shown), f"{name} on {backend}"

        shutil.copy(base.with_suffix(".py"), work / "page.py")

    def run_scripts(names: list[str]) -> str:
        program = SCRIPTS.format(startup=startup, modules=BACKEND_TABLE[backend].modules)
        command = [python, "-c", program, *(str(folder / name) for name in names)]
        env = environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1800)
        return ran.stderr if ran.returncode or "failed" in ran.stderr else ""

    names = [name for name, page in record["pages"].items() if page["backends"][backend]["status"] == "ok"]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(take_home, names))
        failed = list(threads.map(lambda n: run_scripts(names[n :: os.cpu_count()]), range(os.cpu_count() or 1)))
    assert not any(failed), "\n".join(failed)


#: Runs scripts in the folders named, each in a process of its own, forked when what they all import has been imported.
SCRIPTS = """
import contextlib, importlib, os, runpy, sys, traceback
for module in ("mithril", "mithril.models", "matplotlib.pyplot", "sklearn.datasets", *{modules}):
    importlib.import_module(module)
for folder in sys.argv[1:]:
    if os.fork() == 0:
        os.chdir(folder)
        status = 1
        with contextlib.suppress(SystemExit), open("printed", "w") as printed, contextlib.redirect_stdout(printed):
            try:
                exec({startup!r})
                runpy.run_path("page.py", run_name="__main__")
                status = 0
            except Exception:
                print(folder, traceback.format_exc()[-2000:], file=sys.stderr, flush=True)
        os._exit(status)
    if os.wait()[1]:
        print(folder, "failed", file=sys.stderr)
"""


def texts(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What the cells print and raise, but for times."""
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "timing" not in cell.metadata.get("tags", ()):
            shown.append([text(output) for output in cell.outputs if output.get("name") != "stderr"])
    return shown


def text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return output.get("text") or output.get("data", {}).get("text/plain", "")


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
            cwd=folder, env=clean(Path("/usr/bin")), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
    assert found >= 2


def test_page_names_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:docs|tests|constraints|examples|\.ci|\.github)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
    assert sys.version_info[:2] == (3, 12)
