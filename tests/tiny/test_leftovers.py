"""Nothing stale: what a second build of a tiny site leaves of the first, and what a build without a page's backend has.

The site is executed and built on two backends. Then a page goes, and it is built on each of them alone.
"""

from __future__ import annotations

import dataclasses
import json

import pytest
from bs4 import BeautifulSoup

from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("leftovers"), pytest.mark.takes(30)]

ENTRY = ":::{error} no-model\nException: Unsupported model type!\n:::\n"
MENDED = cell("print(backend.precision)")


def raising(*backends: str) -> str:
    """A cell that raises an error of the catalogue on some backends."""
    declared = "{all: {Exception: Unsupported model type!}}"
    return cell("ml.compile(42, backend, jit=False)", f":backends: [{', '.join(backends)}]", f":raises: {declared}")


@dataclasses.dataclass
class Built:
    """A site, its files after each build, and the pages of those builds that tests look at."""

    tiny: TinySite
    files: dict[str, set[str]]
    pages: dict[str, BeautifulSoup]

    def build(self, step: str, *backends: str, look: str) -> None:
        done = self.tiny.build(*backends)
        assert done.returncode == 0, done.stderr
        out = self.tiny.out
        self.files[step] = {path.relative_to(out).as_posix() for path in out.rglob("*") if "_static" not in path.parts}
        self.pages[step] = self.tiny.html(look)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tiny = TinySite(tmp_path_factory.mktemp("leftovers"))
    made = Built(tiny, {}, {})
    gone = tiny.page("part/gone", IMPORT, BACKEND, cell("print('was here')"))
    tiny.page("awaits", IMPORT, BACKEND, cell("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')"))
    passages = ":::{backends} numpy\nFor NumPy.\n:::\n\n:::{backends} jax\nFor JAX.\n:::\n"
    code = cell("print('its code')"), cell("print('of another')", ":backends: [torch]")
    tiny.page("without", IMPORT, BACKEND, passages, *code, extra="unsupported: {jax: it is too slow.}")
    tiny.page("errors", IMPORT, BACKEND, "## No model\n", ENTRY, raising("numpy"), "Words.\n", MENDED)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    made.build("first", "numpy", "jax", look="errors")
    tiny.page("another", IMPORT, BACKEND, raising("jax"), MENDED)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend, "--only", "another").returncode == 0
    made.build("raised elsewhere", "numpy", "jax", look="errors")
    gone.unlink()
    made.build("a page less", "numpy", "jax", look="awaits")
    made.build("jax", "jax", look="without")
    return made


def test_a_page_that_is_gone_leaves_nothing(built: Built) -> None:
    before, after = built.files["first"], built.files["a page less"]
    assert {
        f"_downloads/pages/part/gone-{name}" for name in ("jax.py", "jax.ipynb", "numpy.py", "numpy.ipynb")
    } < before
    assert {"part/gone.html", "part/gone.md"} < before
    assert not [name for name in after if "part" in name]
    assert "gone" not in (built.tiny.out / "llms.txt").read_text()
    assert "part/gone" not in (built.tiny.out / "_static" / "search-index.js").read_text()
    others = {name for name in before if "part" not in name}
    assert others <= after and {"index.html", "genindex.html", "search.html", "errors.jax.md"} <= after


def test_a_backend_that_is_gone_leaves_nothing(built: Built) -> None:
    before, after = built.files["a page less"], built.files["jax"]
    assert [name for name in before if name.endswith("-numpy.ipynb")]
    assert not [name for name in after if "numpy" in name or name.endswith(".jax.md")]
    assert "_downloads/pages/errors-jax.ipynb" in after


def test_what_another_page_raises_is_seen_at_once(built: Built) -> None:
    first, then = (built.pages[step].select_one(".mb-error").text for step in ("first", "raised elsewhere"))
    assert "Seen in this build on NumPy." in first and "Seen in this build on NumPy, JAX." in then


def test_a_page_that_awaits_has_no_script(built: Built) -> None:
    """Python runs none; its notebook is there."""
    found = {name for name in built.files["first"] if "pages/awaits" in name}
    assert found == {f"_downloads/pages/awaits-{name}.ipynb" for name in ("numpy", "jax")}
    links = [link["href"] for link in built.pages["a page less"].select(".mb-head a[download]")]
    assert set(links) == found
    assert "There is no script" in built.pages["a page less"].select_one(".mb-home").text


def test_a_page_without_a_backend_of_the_build(built: Built) -> None:
    """It shows why, and the code for the first backend that it runs on, without outputs."""
    html = built.pages["jax"]
    head = " ".join(html.select_one(".mb-head").text.split())
    assert "Not on JAX: it is too slow." in head and "that for NumPy; it was not executed" in head
    shown = [row.text.strip() for row in html.select("div.highlight pre")]
    assert shown == ["import mithril as ml", "backend = ml.NumpyBackend()", "print('its code')"]
    text = html.select_one(".bd-article").text
    assert "For NumPy." in text and "For JAX." not in text
    assert "it is too slow." in (built.tiny.out / "without.md").read_text()


def test_a_wrong_page_without_a_backend_of_the_build(tiny: TinySite) -> None:
    tiny.page("wrong", IMPORT, BACKEND, cell("x ="), extra="unsupported: {numpy: it is too slow.}")
    assert tiny.build().returncode == 1
    html = tiny.html("wrong")
    assert "cell 3: SyntaxError" in html.select_one(".mb-failed").text
    assert "Not on NumPy: it is too slow." in html.select_one(".mb-head").text
    record = json.loads((tiny.out / "verification.json").read_text())
    assert record["pages"]["wrong"]["backends"]["numpy"] == {"status": "unsupported", "reason": "it is too slow."}
