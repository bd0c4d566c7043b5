"""The release gate on a site of a few pages: what it says of sound, faulty and misbehaving candidates.

``nox -s gate_proof`` holds it against all candidates of ``faults.toml`` and ``sound.toml``, on the whole site.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from gate.make_candidates import Candidate, Edit, faulty, installed, make, sound
from mithril_docs.conformance.run import FOLDER
from mithril_docs.store import Store
from support.places import EXTENSION, ROOT
from support.tiny import BACKEND, IMPORT, TinySite, cell

NUMPY_OPS = "backends/with_manualgrad/numpy_backend/ops.py"
#: How ``relu`` of NumPy begins, and the whole of it.
#: Without what one test looks at.
SHORT = ("--skip", "site", "speed")
HEAD = "def relu(input: np.ndarray, cache: CacheType | None = None) -> np.ndarray:\n"
RELU = f"{HEAD}    return np.maximum(np.array(0.0, dtype=input.dtype), input)"
MODELS = cell("from mithril.models import *", "")


def card(name: str) -> str:
    """The card of a model without options, with its example."""
    told = f":::{{model}} {name}\n:build: {name}()\n:inputs: input=normal(2, 3)\n:harmless: it takes anything.\n:::\n"
    return f"## {name}\n\n{told}\n" + cell(f"model = {name}()") + f":::{{options}} {name}\n:::\n"


#: More than the card of Relu says, and options of a model that has none.
DOMAINS = """\
import numpy as np
from mithril_docs.conformance.domain import model
from mithril_docs.conformance.values import integers, normal


@model("Relu", inputs={"input": [normal(2, 3), normal(0, 3), integers(-3, 4, 5)]})
def relu(input):
    return np.maximum(input, 0)


@model("Softmax", options={"axis": [-1, 0]}, inputs={"input": [normal(2, 3), normal(3, 3)]})
def softmax(input, axis):
    raised = np.exp(input - np.max(input, axis=axis, keepdims=True))
    return raised / np.sum(raised, axis=axis, keepdims=True)
"""


class Trial:
    """A site of a few pages, its results with the documented version, and the gate."""

    def __init__(self, folder: Path) -> None:
        self.tiny = TinySite(folder)
        self.wheels = folder / "wheels"
        run = "print(compiled.evaluate({}, {'input': backend.array([-1.0, 0.5])})['output'])"
        for name in ("Relu", "Tanh"):
            model = (
                f"compiled = ml.compile(ml.models.{name}(), backend, data_keys={{'input'}}, inference=True, jit=False)"
            )
            self.tiny.page(name.lower(), IMPORT, BACKEND, cell(f"import mithril.models\n\n{model}"), cell(run))
        self.tiny.page("plain", IMPORT, BACKEND, cell("print(backend.array([1.0]).shape)"))
        self.tiny.page("cards", IMPORT, MODELS, BACKEND, card("Relu"), card("Tanh"))
        assert self.tiny.execute().returncode == 0
        assert self.tiny.run_models("numpy").returncode == 0
        index = self.tiny.docs / "index.md"
        index.write_text("---\nroadmap: []\ndescription: x\n---\n# Index\n\n```{toctree}\n:glob:\n**\n```\n")

    def with_cases(self, folder: Path) -> Trial:
        """The same once more, with domains of two models and what their cases give with the documented version."""
        other = object.__new__(Trial)
        other.tiny, other.wheels = TinySite(folder), folder / "wheels"
        for part in ("docs", "build/store"):
            shutil.copytree(self.tiny.folder / part, folder / part)
        (other.tiny.docs / FOLDER).mkdir()
        (other.tiny.docs / FOLDER / "cards.py").write_text(DOMAINS)
        done = other.tiny.conform()
        assert done.returncode == 0, done.stdout + done.stderr
        return other

    def wheel(self, name: str, *edits: Edit, version: str = "0.1.2") -> Path:
        """The wheel of a candidate that is edited so."""
        candidate = Candidate(name, "of a test", ("numpy",), edits, "")
        return make(candidate, installed(), self.wheels / name, version)

    def relu(self, name: str, code: str) -> Path:
        """The wheel of a candidate whose ``relu`` on NumPy runs some code first."""
        return self.wheel(name, Edit(NUMPY_OPS, RELU, RELU.replace(HEAD, f"{HEAD}{code}\n")))

    def command(self, requirement: str, *options: str, out: str = "gate") -> list[str]:
        places = ["--docs", str(self.tiny.docs), "--store", str(self.tiny.store), "--out", str(self.tiny.folder / out)]
        words = ["--root", str(ROOT), "--pythons", str(ROOT / ".nox"), "--backends", "numpy", *options]
        return [sys.executable, "-m", "mithril_docs", "gate", requirement, *places, *words]

    def gate(self, requirement: str | Path, *options: str, out: str = "gate") -> tuple[int, dict]:
        """Run the gate; its status and report."""
        done = run_gate(self.command(str(requirement), *options, out=out))
        report = self.tiny.folder / out / "report.json"
        assert report.is_file(), done.stdout + done.stderr
        print(done.stdout, done.stderr)  # shown where a test fails
        return done.returncode, json.loads(report.read_text())


def run_gate(command: list[str]) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(EXTENSION), "PYTHONDONTWRITEBYTECODE": "", "SECRET_TOKEN": "of the caller"}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=ROOT, env=env)


pytestmark = [pytest.mark.xdist_group("gate"), pytest.mark.takes(150)]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("gate"))


def every_finding(report: dict) -> list[dict]:
    return [finding for cause in report["causes"] for finding in cause["findings"]]


def test_a_fault_is_found_where_it_is(trial: Trial, browser: Browser) -> None:
    """One operator of NumPy is wrong: its model and its page are told of under it, and nothing else ran."""
    status, report = trial.gate(trial.wheel("wrong", Edit(NUMPY_OPS, RELU, RELU.replace("0.0,", "0.01,"))))
    assert status == 1 == report["status"]
    [cause] = [cause for cause in report["causes"] if cause["severity"] == "breaks"]
    assert cause["title"].startswith("relu in mithril/" + NUMPY_OPS) and "0.01" in cause["diff"]
    first = cause["findings"][0]
    assert (first["area"], first["where"], first["backend"]) == ("model", "Relu", "numpy")
    assert {finding["where"] for finding in cause["findings"]} == {"Relu", "relu"}
    assert report["counts"]["run"] == 2 and report["counts"]["reused"] == 4, report["counts"]
    # The program shows it, in the environment of a reader.
    python = ROOT / ".nox" / "execute-numpy" / "bin" / "python"
    done = subprocess.run([str(python), "-c", cause["program"]], capture_output=True, text=True)
    assert done.returncode == 0 and "output" in done.stdout, done.stderr
    folder = trial.tiny.folder / "gate"
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert int(suite.get("failures", 0)) == len(suite.findall(".//failure")) - 1 > 0
    assert "**relu in mithril/" in (folder / "summary.md").read_text()
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((folder / "report.html").as_uri())
    assert page.locator("h1").inner_text() == "Breaks documented behavior"
    assert page.locator("article h3").first.inner_text().startswith("relu in mithril/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


SOFTMAX = '    write_into_cache(cache, "axis", axis)\n    input_tensor = input'
UNSEEN = {
    "relu": (
        Edit(NUMPY_OPS, RELU, RELU.replace(HEAD, f"{HEAD}    if input.dtype.kind == 'i':\n        return input\n")),
        "Relu",
    ),
    "softmax": (Edit(NUMPY_OPS, SOFTMAX, f"    axis = axis or -1\n{SOFTMAX}"), "Softmax"),
}


@pytest.fixture(scope="module")
def tried(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return trial.with_cases(tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("operator", UNSEEN)
def test_a_fault_that_no_page_meets_is_found(tried: Trial, operator: str) -> None:
    """By the cases of conformance: it shows with an input, or an option, that no card and no page uses."""
    edit, model = UNSEEN[operator]
    status, report = tried.gate(tried.wheel(f"unseen-{operator}", edit), *SHORT)
    assert status == 1 == report["status"]
    [cause] = [cause for cause in report["causes"] if cause["severity"] == "breaks"]
    assert cause["title"].startswith(f"{operator} in mithril/{NUMPY_OPS}")
    told = {(finding["area"], finding["where"], finding["backend"]) for finding in cause["findings"]}
    assert told == {("conformance", model, "numpy")}
    assert re.search(r"\(in \d+ of \d+ cases\)$", cause["findings"][0]["what"])
    python = ROOT / ".nox" / "execute-numpy" / "bin" / "python"
    done = subprocess.run([str(python), "-c", cause["program"]], capture_output=True, text=True)
    assert done.returncode == 0 and ("output" in done.stdout or "input" in done.stdout), done.stderr


def test_cases_that_nothing_reaches_are_not_run(tried: Trial) -> None:
    """And those of an operator that gives the same are run, and nothing is found."""
    tidied = Edit(NUMPY_OPS, RELU, RELU.replace(HEAD, f"{HEAD}    assert input is not None\n"))
    status, report = tried.gate(tried.wheel("tidied", tidied), *SHORT)
    assert status == 0, report["causes"]
    store = Store(next((tried.tiny.folder / "gate" / "candidates").glob("*/store")))
    assert {path.stem for path in store.root.glob("numpy/conformance/*.json")} == {"Relu", "Softmax"}
    assert report["counts"]["run"] == 3 and report["counts"]["reused"] == 5, report["counts"]


def test_a_second_time_gives_the_same(trial: Trial) -> None:
    """And from results of two shards, and with what the first run kept left aside."""
    wheel = trial.wheel("wrong", Edit(NUMPY_OPS, RELU, RELU.replace("0.0,", "0.01,")))
    _, first = trial.gate(wheel, *SHORT)
    folders = []
    for number in (1, 2):
        done = run_gate(trial.command(str(wheel), "--shard", f"{number}/2", out=f"shard{number}"))
        assert done.returncode == 0, done.stdout + done.stderr
        folders += [str(path) for path in (trial.tiny.folder / f"shard{number}" / "candidates").glob("*/store")]
    assert len(folders) == 2
    status, merged = trial.gate(wheel, *SHORT, "--results", *folders, out="merged")
    assert status == 1 and merged["counts"]["run"] == 0
    assert merged["causes"] == first["causes"]


@pytest.mark.parametrize("name", ["version-raised", "numpy-softmax-helper"])
def test_a_sound_candidate_may_ship(trial: Trial, name: str) -> None:
    wheel = make(sound()[name], installed(), trial.wheels / name)
    # In a folder that is too deep for the path of a socket.
    status, report = trial.gate(wheel, "--skip", "site", out="deep" * 30)
    assert status == 0 == report["status"], report
    assert report["verdict"] == "may ship; nothing found"


def test_what_is_new_asks_for_documentation(trial: Trial) -> None:
    new = Edit("models/more.py", "", "def triple(value: float) -> float:\n    return 3 * value\n")
    status, report = trial.gate(trial.wheel("new", new), *SHORT)
    assert status == 3, report["causes"]
    assert any("triple" in finding["what"] for finding in every_finding(report))


def test_a_removed_model_is_named(trial: Trial) -> None:
    candidate = next(one for one in faulty().values() if one.kind == "removed model")
    status, report = trial.gate(make(candidate, installed(), trial.wheels / candidate.name), "--quick")
    told = report["causes"][0]["title"] + report["causes"][0]["findings"][0]["what"]
    assert status == 1 and any(name in told for name in candidate.names), report["causes"][:2]


def test_a_hollow_release(trial: Trial) -> None:
    status, report = trial.gate("mithril==0.1.2")
    assert status == 4 and "hollow release" in report["verdict"]


@pytest.mark.parametrize(
    ("requirement", "words"),
    [("no such thing", "is no file here and no requirement"), ("torch==2.0", "the gate is for mithril")],
)
def test_a_bad_requirement_is_one_line(trial: Trial, requirement: str, words: str) -> None:
    done = run_gate(trial.command(requirement))
    assert done.returncode == 4 and len(done.stdout.splitlines()) == 1 and words in done.stdout


def test_bad_options_are_one_line(trial: Trial) -> None:
    done = run_gate(trial.command("0.1.1", "--shard", "5/4"))
    assert done.returncode == 2 and "'5/4' is no part: write 1/4" in done.stderr


MISBEHAVING = {
    "hangs": ("    while True:\n        pass", "did not end within"),
    "crashes": ("    import os\n    os.abort()", "died (signal SIGABRT)"),
    "exits": ("    import os\n    os._exit(3)", "died (exit status 3)"),
    "fills memory": ("    held = [bytearray(1 << 30) for _ in range(100)]", "MemoryError"),
    "prints without end": ("    print('x' * 100_000_000)", "wrote over 10 MB"),
    "opens files": ("    held = [open('/dev/null') for _ in range(100_000)]", "Too many open files"),
}


@pytest.mark.parametrize("what", MISBEHAVING)
def test_what_misbehaves_is_contained(trial: Trial, what: str) -> None:
    """It is reported under the operator, with what it did, and the pages that do not use it are as they were."""
    code, words = MISBEHAVING[what]
    patience = "5" if what == "hangs" else "60"  # to touch all memory that it may have takes a busy machine seconds
    status, report = trial.gate(trial.relu(what.replace(" ", "-"), code), *SHORT, "--patience", patience)
    assert status == 1
    [cause] = [cause for cause in report["causes"] if cause["severity"] == "breaks"]
    assert cause["title"].startswith("relu in "), report["causes"]
    assert any(words in finding["what"] for finding in cause["findings"]), cause["findings"]
    assert not any(finding["where"] in ("tanh", "plain", "Tanh") for finding in cause["findings"])


def test_a_candidate_sees_and_reaches_nothing(trial: Trial, tmp_path: Path) -> None:
    """No variable of the caller's, no home of the user's, no file outside its folder, and no network."""
    target = tmp_path / "outside.txt"
    code = f"""\
    import os
    import socket
    assert "SECRET_TOKEN" not in os.environ, "sees a secret"
    assert not os.path.samefile(os.path.expanduser("~"), {str(Path.home())!r}), "sees the home"
    try:
        open({str(target)!r}, "w").close()
    except OSError:
        pass
    names = socket.if_nameindex()
    assert [name for _, name in names] == ["lo"], "sees a network"
"""
    status, report = trial.gate(trial.relu("curious", code), *SHORT)
    if report["refused"]:
        pytest.skip(f"this system gives no namespaces: {report['refused']}")
    assert status == 0, report
    assert not target.exists()


def test_without_results_of_the_documented_version_nothing_is_said(trial: Trial, tmp_path: Path) -> None:
    wheel = trial.wheel("wrong", Edit(NUMPY_OPS, RELU, RELU.replace("0.0,", "0.01,")))
    status, report = trial.gate(wheel, "--quick", "--store", str(tmp_path))
    assert status == 5
    assert f"{tmp_path} holds no results of the documented version; run nox -s site" in report["verdict"]


def test_a_system_that_gives_no_namespaces_is_told_of(trial: Trial) -> None:
    """Where one step into them is refused, the candidate is judged without them, and the report says why."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can lose a capability here")
    wheel = trial.wheel("wrong", Edit(NUMPY_OPS, RELU, RELU.replace("0.0,", "0.01,")))
    done = run_gate(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", *trial.command(str(wheel), "--quick")])
    report = json.loads((trial.tiny.folder / "gate" / "report.json").read_text())
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not permitted" in report["refused"]
    assert report["refused"] in (trial.tiny.folder / "gate" / "report.html").read_text()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler of Dask and two workers, each a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(EXTENSION)}
    place = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    command += ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(place)]
    processes = [subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)]
    try:
        deadline = time.monotonic() + 60
        while not place.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        address = json.loads(place.read_text())["address"]
        for number in range(2):
            command = [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                address,
                "--nthreads",
                "1",
                "--no-dashboard",
            ]
            command += ["--resources", "numpy=1", "--local-directory", str(tmp_path / f"worker{number}"), "--nanny"]
            processes.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, start_new_session=True))
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_on_a_cluster_of_which_a_worker_is_lost(
    trial: Trial, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    """The results are those of one machine, though a worker is killed while it runs."""
    address, processes = cluster
    wheel = trial.wheel("wrong", Edit(NUMPY_OPS, RELU, RELU.replace("0.0,", "0.01,")))
    _, alone = trial.gate(wheel, *SHORT)
    shutil.rmtree(trial.tiny.folder / "clustered", ignore_errors=True)
    command = trial.command(str(wheel), *SHORT, "--scheduler", address, out="clustered")
    env = {**os.environ, "PYTHONPATH": str(EXTENSION)}
    gate = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    time.sleep(8)
    os.killpg(processes[1].pid, signal.SIGKILL)
    said, _ = gate.communicate(timeout=600)
    assert gate.returncode == 1, said
    report = json.loads((trial.tiny.folder / "clustered" / "report.json").read_text())
    assert report["causes"] == alone["causes"]
    assert report["counts"]["run"] == 2


def test_what_results_touch_is_what_ran(trial: Trial) -> None:
    """Every function of Mithril that a page calls stands in its record: another way of finding them out agrees."""
    package = installed()
    edits = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).as_posix()
        text = path.read_text()
        if "/jax_backend/" in place or "/torch_backend/" in place or "/mlx_backend/" in place:
            continue
        told = tell(text, place)
        if told != text:
            edits.append((place, told))
    folder = trial.tiny.folder / "telling"
    shutil.copytree(package, folder / "mithril")
    for place, text in edits:
        (folder / "mithril" / place).write_text(text)
    store = Store(trial.tiny.store)
    page = (trial.tiny.docs / "tanh.md").read_text()
    code = "\n".join(re.findall(r"```\{code-cell\} ipython3\n(?::tags:[^\n]*\n)?(.*?)```", page, re.DOTALL))
    python = ROOT / ".nox" / "execute-numpy" / "bin" / "python"
    told_file = trial.tiny.folder / "told.txt"
    env = {**os.environ, "PYTHONPATH": str(folder), "TOLD": str(told_file)}
    done = subprocess.run([str(python), "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ran = set(told_file.read_text().splitlines())
    noted = store.read_file("numpy/pages/tanh.touched")
    assert noted is not None and not noted["beyond"]
    known = {f"{file}:{name}" for file, names in noted["functions"].items() for name in names if name}
    assert len(ran) > 100 and ran <= known, sorted(ran - known)[:10]


def tell(text: str, place: str) -> str:
    """A module whose functions write their names to a file when they are first called."""
    import ast

    tree = ast.parse(text)

    def visit(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                skip = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                line = (
                    f"open(__import__('os').environ['TOLD'], 'a').write({place + ':' + prefix + node.name!r} + chr(10))"
                )
                node.body.insert(1 if skip else 0, ast.parse(line).body[0])
            elif isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            else:
                for field in ("body", "orelse", "finalbody"):
                    inner = getattr(node, field, None)
                    if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                        visit(inner, prefix)

    visit(tree.body, "")
    return ast.unparse(ast.fix_missing_locations(tree))
