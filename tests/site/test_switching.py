"""A trained model goes from every backend to every other: by the scripts that the page on switching gives to readers.

Each view of the page has one framework beside NumPy, so the page itself reads six of the twelve ordered pairs.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mithril_docs.backends import BACKENDS as ROWS
from mithril_docs.build.downloads import download_path
from support.places import BACKENDS, clean, python_of

PAGE = "backends/switching"
AGREES = re.compile(r"^(\w+) +-> (\w+) +agrees$", re.MULTILINE)


def run_script(site: Path, backend: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's script for a backend in a folder, in the environment that holds no other framework."""
    folder.mkdir(exist_ok=True)
    text = (site / download_path(PAGE, backend, "py")).read_text(encoding="utf-8")
    (folder / "page.py").write_text(ROWS[backend].startup + text, encoding="utf-8")
    python = python_of(backend)
    variables = clean(python.parent) | dict(ROWS[backend].environ) | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    return subprocess.run([python, "page.py"], cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


def written(folder: Path, backend: str) -> Path:
    return folder / f"trained-{backend}.safetensors"


@pytest.mark.takes(80)
def test_a_trained_model_goes_from_every_backend_to_every_other(site: Path, tmp_path: Path) -> None:
    """All twelve pairs agree within the page's tolerance, and a file that was changed on the way is refused."""
    for backend in BACKENDS:
        done = run_script(site, backend, tmp_path / backend)
        assert done.returncode == 0, f"{backend} trains: {done.stderr[-1000:]}"
    agreed: set[tuple[str, str]] = set()
    for backend in BACKENDS:
        for other in BACKENDS:
            if other not in (backend, "numpy"):  # its own files a script writes anew
                shutil.copy(written(tmp_path / other, other), tmp_path / backend)
        done = run_script(site, backend, tmp_path / backend)
        assert done.returncode == 0, f"{backend} reads: {done.stderr[-1000:]}"
        agreed |= {pair for pair in AGREES.findall(done.stdout) if pair[1] == backend}
    pairs = set(itertools.permutations(BACKENDS, 2))
    assert len(pairs) == 12 and not pairs - agreed

    foreign = written(tmp_path / "numpy", "torch")
    bent = "import sys; from safetensors.numpy import load_file, save_file; arrays = load_file(sys.argv[1]); "
    bent += "arrays['w'] = arrays['w'] * 1.01; save_file(arrays, sys.argv[1])"
    subprocess.run([python_of("numpy"), "-c", bent, foreign], check=True)
    done = run_script(site, "numpy", tmp_path / "numpy")
    assert done.returncode != 0 and "trained-torch.safetensors: scores differ by" in done.stderr
