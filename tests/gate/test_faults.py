"""The candidates of the gate's proof: enough of them, of enough kinds, and each makes a wheel that installers take.

What the candidates do is proven by ``python tests/gate/make_candidates.py all --check``, which takes minutes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from email.parser import HeaderParser
from pathlib import Path

import pytest

from gate.make_candidates import (
    BACKENDS,
    HERE,
    Candidate,
    CannotApplyError,
    Edit,
    edited,
    everything,
    faulty,
    installed,
    make,
    make_tree,
    read,
    sound,
)

#: Kinds of faults that the release gate is proven with; the issue of the gate names them.
ASKED = {
    "wrong formula",
    "wrong gradient",
    "ties",
    "wrong shape rule",
    "wrong type rule",
    "renamed model",
    "removed model",
    "renamed option",
    "removed key",
    "changed default",
    "swapped arguments",
    "reworded error",
    "lost error",
    "widened dtype",
    "only with jit",
    "only in inference",
    "only at 16 bits",
    "only for a second call",
    "only for an empty or size-1 axis",
    "backend unavailable",
    "nondeterminism",
    "state kept between calls",
    "dropped node",
    "duplicated node",
    "slow operator",
    "leak",
}
#: Where the code of a backend is.
HOMES = {
    "numpy": ("backends/with_manualgrad/", "framework/codegen/numpy_gen.py"),
    "torch": ("backends/with_autograd/torch_backend/",),
    "jax": ("backends/with_autograd/jax_backend/",),
    "mlx": ("backends/with_autograd/mlx_backend/",),
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one module, as if it were installed."""
    folder = tmp_path / "site-packages" / "mithril"
    (folder / "framework").mkdir(parents=True)
    (folder / "__init__.py").write_text("one = 1\ntwo = 1\n")
    (folder / "framework" / "__init__.py").write_text("")
    info = folder.parent / "mithril-0.1.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mithril\nVersion: 0.1.1\n\nVersion: of the text\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp312-none-manylinux1_x86_64\n")
    (info / "INSTALLER").write_text("pip")
    rows = [
        "mithril/__init__.py,,",
        "mithril/framework/__init__.py,,",
        "mithril/__pycache__/__init__.cpython-312.pyc,,",
    ]
    rows += [f"mithril-0.1.1.dist-info/{name},," for name in ("METADATA", "WHEEL", "INSTALLER", "RECORD")]
    (info / "RECORD").write_text("\n".join(rows) + "\n")
    return folder


def candidate(*edits: Edit) -> Candidate:
    """A candidate with these edits."""
    return Candidate("tried", "wrong formula", ("numpy",), edits, "show(1)")


def test_there_are_enough_of_enough_kinds() -> None:
    kinds = Counter(each.kind for each in faulty().values())
    assert len(faulty()) >= 90
    assert len(kinds) >= 22
    assert kinds.keys() >= ASKED
    assert len(sound()) >= 12


def test_each_backend_and_the_core_have_faults() -> None:
    files = {name: [edit.file for edit in each.edits] for name, each in faulty().items()}
    for backend, homes in HOMES.items():
        own = [name for name, paths in files.items() if any(path.startswith(homes) for path in paths)]
        assert len(own) >= 10, backend
    core = [name for name, paths in files.items() if not any(path.startswith("backends/with_") for path in paths)]
    assert len(core) >= 20


def test_names_are_unique() -> None:
    assert not faulty().keys() & sound().keys()


def test_kinds_are_those_that_the_file_lists() -> None:
    comment = (HERE / "faults.toml").read_text(encoding="utf-8").partition("\n\n# ---")[0]
    listed = " ".join(line.lstrip("# ") for line in comment.partition("Kinds:")[2].splitlines())
    assert {kind.strip() for kind in listed.split(",")} == {each.kind for each in faulty().values()}


@pytest.mark.parametrize("each", everything().values(), ids=everything().keys())
def test_an_entry_is_complete(each: Candidate) -> None:
    assert each.backends and set(each.backends) <= set(BACKENDS)
    assert "show(" in each.proof or "summary(" in each.proof
    compile(each.proof, each.name, "exec")
    if each.sound:
        assert each.asks in ("nothing", "documentation")
    else:
        assert each.edits and each.names and not each.metadata


@pytest.mark.parametrize("each", everything().values(), ids=everything().keys())
def test_its_edits_apply_and_change_the_package(each: Candidate) -> None:
    for path, text in edited(each, installed()).items():
        file = installed() / path
        assert not file.exists() or file.read_text(encoding="utf-8") != text


def test_a_wheel_is_what_installers_take(tmp_path: Path) -> None:
    wheel = make(sound()["metadata-declared"], installed(), tmp_path)
    assert wheel.name == "mithril-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    record = "mithril-0.1.2.dist-info/RECORD"
    rows = {path: (digest, size) for path, digest, size in csv.reader(io.StringIO(files[record].decode()))}
    assert rows.keys() == files.keys()
    for path, data in files.items():
        if path != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert rows[path] == (f"sha256={digest}", str(len(data)))
    metadata = HeaderParser().parsestr(files["mithril-0.1.2.dist-info/METADATA"].decode())
    assert metadata["Version"] == "0.1.2"
    assert metadata["License"] == "Apache-2.0"
    assert "numpy<2.2,>=1.26" in metadata.get_all("Requires-Dist", [])
    assert not [path for path in files if path.endswith((".pyc", "INSTALLER", "REQUESTED"))]
    sources = {path.relative_to(installed().parent).as_posix() for path in installed().rglob("*") if path.is_file()}
    assert {path for path in sources if not path.endswith(".pyc")} <= files.keys()


def test_a_wheel_differs_by_its_edits_alone(tmp_path: Path) -> None:
    each = faulty()["numpy-gelu-tanh"]
    wheels = [
        make(sound()["version-raised"], installed(), tmp_path / "sound"),
        make(each, installed(), tmp_path / "faulty"),
    ]
    contents = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            contents.append({name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")})
    before, after = contents
    assert before.keys() == after.keys()
    assert [path for path in before if before[path] != after[path]] == [f"mithril/{edit.file}" for edit in each.edits]


def test_a_wheel_is_the_same_each_time(package: Path, tmp_path: Path) -> None:
    each = candidate(Edit("__init__.py", "one = 1", "one = 2"))
    first, second = (make(each, package, tmp_path / name).read_bytes() for name in ("first", "second"))
    assert first == second


def test_a_wheel_holds_the_version_and_the_new_text(package: Path, tmp_path: Path) -> None:
    edits = Edit("__init__.py", "one = 1", "one = 2"), Edit("framework/more.py", "", "three = 3\n")
    wheel = make(candidate(*edits), package, tmp_path, version="0.2.0")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("mithril/__init__.py") == b"one = 2\ntwo = 1\n"
        assert archive.read("mithril/framework/more.py") == b"three = 3\n"
        metadata = archive.read("mithril-0.2.0.dist-info/METADATA").decode()
    assert metadata == "Metadata-Version: 2.1\nName: mithril\nVersion: 0.2.0\n\nVersion: of the text\n"
    assert (package / "__init__.py").read_text() == "one = 1\ntwo = 1\n"


def test_a_tree_is_what_the_wheel_holds(package: Path, tmp_path: Path) -> None:
    each = candidate(Edit("__init__.py", "one = 1", "one = 2"), Edit("framework/more.py", "", "three = 3\n"))
    tree = make_tree(each, package, tmp_path / "tree")
    with zipfile.ZipFile(make(each, package, tmp_path)) as archive:
        for path in (name for name in archive.namelist() if name.startswith("mithril/")):
            assert (tree / path).read_bytes() == archive.read(path)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("__init__.py", "= 1", "= 2"), "occurs 2 times"),
        (Edit("__init__.py", "three", "four"), "occurs 0 times"),
        (Edit("__init__.py", "one = 1", "one ="), "does not compile"),
        (Edit("missing.py", "one", "two"), "no file missing.py"),
        (Edit("__init__.py", "", "two = 2"), "is not new"),
    ],
)
def test_an_edit_that_does_not_fit_is_told(package: Path, tmp_path: Path, edit: Edit, words: str) -> None:
    with pytest.raises(CannotApplyError, match=words):
        make(candidate(edit), package, tmp_path / "wheels")
    assert not (tmp_path / "wheels").exists()


def test_a_second_edit_sees_what_the_first_wrote(package: Path) -> None:
    edits = Edit("__init__.py", "one = 1", "one = 2"), Edit("__init__.py", "one = 2", "one = 3")
    assert edited(candidate(*edits), package) == {"__init__.py": "one = 3\ntwo = 1\n"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[candidate]]\nname = "a"\n', "missing"),
        ('[[candidate]]\nname = "a"\nkinds = "b"\n', "kinds"),
    ],
)
def test_an_entry_that_is_not_as_it_should_be_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "faults.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "faults.toml")


def test_two_entries_of_one_name_are_told(tmp_path: Path) -> None:
    entry = '[[candidate]]\nname = "a"\nkind = "b"\nbackends = []\nproof = "c"\n'
    (tmp_path / "faults.toml").write_text(entry * 2)
    with pytest.raises(ValueError, match="two candidates are named a"):
        read(tmp_path / "faults.toml")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    line = [sys.executable, str(HERE / "make_candidates.py"), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_the_command_writes_wheels(tmp_path: Path) -> None:
    done = command("numpy-gelu-tanh", "version-raised", "--out", str(tmp_path), "--version", "0.1.9")
    assert done.returncode == 0, done.stderr
    wheels = [tmp_path / name / "mithril-0.1.9-py3-none-any.whl" for name in ("numpy-gelu-tanh", "version-raised")]
    assert done.stdout.splitlines() == [str(wheel) for wheel in wheels]
    assert all(zipfile.is_zipfile(wheel) for wheel in wheels)


def test_the_command_says_that_there_is_no_such_candidate(tmp_path: Path) -> None:
    done = command("numpy-gelu", "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no candidate is named numpy-gelu")


def test_the_command_says_where_a_candidate_does_not_fit(package: Path, tmp_path: Path) -> None:
    done = command("numpy-gelu-tanh", "--out", str(tmp_path / "wheels"), "--package", str(package))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "the package has no file" in done.stderr


def test_proofs_tell_a_fault_from_a_refactoring() -> None:
    done = command("numpy-gelu-tanh", "numpy-softmax-helper", "--check", "--verbose", "--backend", "numpy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "2 proofs of 2 candidates, 0 failed"
    before, _, after = done.stdout.splitlines()[0].partition(" -> ")
    assert before.startswith("numpy-gelu-tanh on numpy: {output:") and not before.endswith(after)


def test_a_proof_that_proves_nothing_is_told(tmp_path: Path) -> None:
    for name in ("make_candidates.py", "prove.py", "sound.toml"):
        shutil.copy(HERE / name, tmp_path)
    text = (HERE / "faults.toml").read_text(encoding="utf-8")
    entry = text[text.index('[[candidate]]\nname = "numpy-gelu-tanh"') :].partition("\n[[candidate]]\n")[0]
    blind = entry.replace("[-2.0, 0.5, 3.0]", "[0.0]")
    assert blind != entry and tomllib.loads(blind)
    (tmp_path / "faults.toml").write_text(blind)
    line = "import sys, make_candidates as m; m.ROOT = m.Path(sys.argv.pop(1)); sys.exit(m.main(sys.argv[1:]))"
    words = ["numpy-gelu-tanh", "--check", "--backend", "numpy", "--nox", str(HERE.parent.parent / ".nox")]
    done = subprocess.run(
        [sys.executable, "-c", line, str(HERE.parent.parent), *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[0].startswith("FAILED numpy-gelu-tanh on numpy: prints '{output: [0]}' before")
