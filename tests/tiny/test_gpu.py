"""Records of GPUs: what the page shows of them, and the program that makes them."""

from __future__ import annotations

import json
import os

import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.build.gpu import FOLDER
from support.places import ROOT, python_of, run
from support.tiny import TinySite

pytestmark = [pytest.mark.xdist_group("gpu"), pytest.mark.takes(30)]

PROGRAM = ROOT / "docs" / "_gpu" / "check.py"
#: Made up: no such device was ever tried.
RECORD = {
    "backend": "jax",
    "device": "cuda:0",
    "hardware": "Example 9000",
    "date": "2001-02-03",
    "system": "Linux x86_64",
    "versions": {"python": "3.12.9", "jax": "0.6.0"},
    "trials": [
        {"title": "an array on the device", "works": True, "says": "cuda:0"},
        {"title": "product of integers", "works": False, "says": "RuntimeError: not on this device"},
    ],
}


def rows(tiny: TinySite) -> list[list[str]]:
    return [[part.text.strip() for part in row.select("th, td")] for row in tiny.html("gpus").select(".mb-gpu tr")]


def keep(tiny: TinySite, **changed: object) -> None:
    folder = tiny.docs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made-up.json").write_text(json.dumps(RECORD | changed), encoding="utf-8")


def test_the_page_shows_records_and_nothing_else(tiny: TinySite) -> None:
    tiny.page("gpus", ":::{gpu}\n:::\n")
    tiny.page("other", "Words.\n")
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr
    head, *body = rows(tiny)
    assert head == ["Backend", "Device", "Date", "Versions", "Works", "Does not work"]
    assert body == [["JAX", "not checked", "–", "–", "–", "–"]]
    before = (tiny.out / "other.html").stat().st_mtime_ns

    keep(tiny)  # without a change of the page
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr
    assert rows(tiny)[1:] == [
        [
            "JAX",
            "Example 9000 (cuda:0), Linux x86_64",
            "2001-02-03",
            "python 3.12.9, jax 0.6.0",
            "an array on the device",
            "product of integers: RuntimeError: not on this device",
        ]
    ]
    assert (tiny.out / "other.html").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"device": "cpu"}, "made-up.json: 'cpu' is no GPU; keep records of GPUs only"),
        ({"backend": "abacus"}, "made-up.json: there is no backend 'abacus'; name one of numpy, torch, jax, mlx"),
        ({"trials": [{}]}, "made-up.json is no record of docs/_gpu/check.py"),
    ],
)
def test_a_record_that_cannot_be_shown(tiny: TinySite, changed: dict[str, object], said: str) -> None:
    tiny.page("gpus", ":::{gpu}\n:::\n")
    assert tiny.execute("numpy").returncode == 0
    keep(tiny, **changed)
    built = tiny.build("numpy")
    assert built.returncode == 1
    assert said in built.stderr


def test_no_record_of_a_cpu_is_kept() -> None:
    kept = [json.loads(path.read_text()) for path in (ROOT / "docs" / FOLDER).glob("*.json")]
    assert not [record for record in kept if record["device"].startswith("cpu")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_program_makes_a_record(backend: str, tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, where everything that it tries is known to work, but for one thing on MLX."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    out = tiny.folder / "record.json"
    done = run([os.fspath(python_of(backend)), os.fspath(PROGRAM), backend, "cpu", "--out", os.fspath(out)])
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    failed = {trial["title"] for trial in record["trials"] if not trial["works"]}
    assert len(record["trials"]) == 9
    assert failed == ({"product of integers"} if backend == "mlx" else set()), record["trials"]
    assert record["versions"]["mithril"] == "0.1.1"
    tiny.page("gpus", ":::{gpu}\n:::\n")
    keep(tiny, **record | {"device": "made-up:0"})
    assert tiny.execute("numpy").returncode == 0
    assert tiny.build("numpy").returncode == 0  # it has all that the page asks of a record


def test_a_device_that_is_not_there_gives_no_record(tiny: TinySite) -> None:
    out = tiny.folder / "record.json"
    done = run([os.fspath(python_of("numpy")), os.fspath(PROGRAM), "numpy", "cuda:0", "--out", os.fspath(out)])
    assert done.returncode == 1 and not out.exists()
    assert "no record: numpy has no device 'cuda:0' here: RuntimeError: Specified device" in done.stderr
