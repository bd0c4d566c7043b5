"""What the reader gets, looked up in the HTML of a tiny site.

The site is executed on two backends and built, then executed in part and built once more; the tests look at the result.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import Tag

from mithril_docs.site import theme
from support.places import python_of, run
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("render"), pytest.mark.takes(30)]

PAGE = (
    IMPORT,
    BACKEND,
    cell("print('the same')"),
    cell("print(type(backend).__name__)"),
    cell("print('only here')", ":backends: [jax]"),
    ":::{backends} jax\nA passage for **JAX**.\n:::\n",
    ":::{note}\nA note for all, see [the other page](other).\n:::\n",
    ":::{install}\n:::\n",
)
#: A page with all that the front page has and others have not.
FRONT_PAGE = (
    ":::{facts} package\n:::\n\n:::{facts} build\n:::\n",
    "## Section\n\n:::{ran}\n:::\n",
    IMPORT,
    BACKEND,
    cell("print(type(backend).__name__)", ":tags: [together]"),
    cell("print('the same')", ":tags: [together]"),
    "::::{tab-set}\n:::{tab-item} NumPy\n```{install} numpy\n```\n:::",
    ":::{tab-item} JAX\n```{install} jax\n```\n:::\n::::\n",
    '+++ {"tags": ["site"]}\n\nFor the site alone.\n\n+++\n\nFor all.\n',
)
#: Texts with cells behind them that run on JAX alone, most of which NumPy's view answers with a line.
ELSEWHERE = (
    IMPORT,
    BACKEND,
    "Read this:\n",
    cell("print('first')", ":backends: [jax]"),
    cell("print('second')", ":backends: [jax]"),
    ":::{backends} jax\nOnly there:\n:::\n",
    cell("print('third')", ":backends: [jax]"),
    "Words.\n",
    cell("print('for all')"),
    cell("print('fourth')", ":backends: [jax]"),
    "- An item:\n",
    cell("print('fifth')", ":backends: [jax]"),
    "Words.\n",
    cell("print('sixth')", ":backends: [jax]"),
    ":::{backends} numpy\nOn NumPy otherwise.\n:::\n",
    "Announced:\n",
    cell("print('seventh')", ":backends: [jax]"),
    ":::{backends} numpy\nOn NumPy not.\n:::\n",
    "Each has one:\n",
    cell("print('NumPy')", ":backends: [numpy]"),
    cell("print('JAX')", ":backends: [jax]"),
)
MULTILINE = 'text = """one\ntwo"""\nraise ValueError(\'as declared\')'
ON_JAX = "if type(backend).__name__ == 'JaxBackend': raise ValueError('not on JAX')"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinySite, set[str]]:
    """The site, and the pages that its second build wrote again."""
    tiny = TinySite(tmp_path_factory.mktemp("render"))
    tiny.page("page", *PAGE)
    tiny.page("front", *FRONT_PAGE)
    tiny.page("elsewhere", *ELSEWHERE)
    tiny.page("other", extra="unsupported: {jax: it cannot be.}")
    wrong = cell("ml.compile(42, backend, jit=False)", ":raises: {all: {Exception: Unsupported model type}}")
    tiny.page("declared", IMPORT, BACKEND, wrong)
    after = cell("assert text == 'one\\ntwo'", "", "print('went on')")
    tiny.page("goes_on", IMPORT, BACKEND, cell(MULTILINE, ":raises: {all: {ValueError: as declared}}"), after)
    tiny.page("declared_once", IMPORT, BACKEND, cell(ON_JAX, ":raises: {jax: {ValueError: not on JAX}}"))
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    first = tiny.build("numpy", "jax")
    assert first.returncode == 0, first.stderr
    before = {path.name: path.stat().st_mtime_ns for path in tiny.out.glob("*.html")}
    assert tiny.execute("jax", "--force", "--only", "page").returncode == 0
    second = tiny.build("numpy", "jax")
    assert second.returncode == 0, second.stderr
    return tiny, {path.stem for path in tiny.out.glob("*.html") if path.stat().st_mtime_ns != before[path.name]}


@pytest.fixture
def tiny(built: tuple[TinySite, set[str]]) -> TinySite:
    """The site, in the place of an empty one."""
    return built[0]


def backends_of(tag: Tag) -> list[str]:
    pane = tag.find_parent(attrs={"data-backends": True})
    return pane["data-backends"].split() if pane else ["numpy", "jax"]


def test_variants_stand_in_panes(tiny: TinySite) -> None:
    html = tiny.html("page")
    shown = {row.text.strip(): backends_of(row) for row in html.select("div.highlight pre")}
    assert shown["backend = ml.NumpyBackend()"] == ["numpy"]
    assert shown["backend = ml.JaxBackend()"] == ["jax"]
    assert shown["NumpyBackend"] == ["numpy"] and shown["JaxBackend"] == ["jax"]
    assert shown["the same"] == ["numpy", "jax"]
    assert shown["only here"] == ["jax"]
    assert len([row for row in html.select("pre") if row.text.strip() == "print(type(backend).__name__)"]) == 1
    assert backends_of(next(p for p in html.select("p") if "A passage for" in p.text)) == ["jax"]
    labels = [label.text for label in html.select(".mb-label")]
    assert labels == ["Same on all backends", "NumPy", "JAX", "JAX"]


def test_a_view_says_where_the_code_runs_that_it_hides(tiny: TinySite) -> None:
    lines = tiny.html("elsewhere").select(".mb-elsewhere")
    before = [line.find_previous_sibling().get_text(strip=True) for line in lines]
    assert before == ["Read this:", "An item:", "Announced:"]
    for line in lines:
        assert line["data-backends"] == "numpy"
        assert line.get_text() == "This code runs on JAX only. Show JAX"
        assert [button["data-show"] for button in line.select(".pst-js-only button")] == ["jax"]


def test_the_line_is_for_readers_of_the_site_alone(tiny: TinySite) -> None:
    said = "This code runs on"
    files = [path for path in tiny.out.rglob("*") if path.suffix in {".md", ".txt", ".js", ".ipynb", ".py"}]
    assert {".md", ".js", ".ipynb", ".py"} <= {path.suffix for path in files}
    assert not [path for path in files if said in path.read_text(encoding="utf-8")]


def test_where_a_page_ran(tiny: TinySite) -> None:
    html = tiny.html("page")
    versions = tiny.record()["environments"]
    ran = " ".join(html.select_one(".mb-ran").text.split())
    assert ran.startswith(f"Ran on NumPy {versions['numpy']['numpy']} in ")
    assert f"JAX {versions['jax']['jax']} in " in ran
    other = tiny.html("other")
    assert "Not on JAX: it cannot be." in " ".join(other.select_one(".mb-ran").text.split())
    assert other.select_one(".mb-switch") is None
    assert tiny.status("other", "jax") == "unsupported"


def test_install_line(tiny: TinySite) -> None:
    html = tiny.html("page")
    versions = tiny.record()["environments"]["jax"]
    pins = " ".join(f"{name}=={versions[name]}" for name in ("mithril", "numpy", "scipy", "jax"))
    lines = [
        row.text.strip()
        for row in html.select("pre")
        if row.text.startswith("pip install") and "jax" in backends_of(row)
    ]
    assert lines == [f"pip install {pins} ipykernel", f"pip install {pins}"]


def test_downloads(tiny: TinySite) -> None:
    html = tiny.html("page")
    links = [a["href"] for a in html.select(".mb-run a")]
    assert links == [
        f"_downloads/pages/page-{name}.{ending}" for name in ("numpy", "jax") for ending in ("ipynb", "py")
    ]
    made = nbformat.read(tiny.out / "_downloads/pages/page-jax.ipynb", as_version=4)
    nbformat.validate(made)
    code = [c.source for c in made.cells if c.cell_type == "code"]
    assert code[1] == "backend = ml.JaxBackend()" and "print('only here')" in code
    assert next(c for c in made.cells if "only here" in c.source).outputs[0].text == "only here\n"
    prose = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    assert "A passage for **JAX**." in prose and "> A note for all, see the other page." in prose and ":::" not in prose
    assert "pip install mithril==" in prose
    script = (tiny.out / "_downloads/pages/page-numpy.py").read_text()
    assert "backend = ml.NumpyBackend()" in script and "only here" not in script and "A passage" not in script
    compile(script, "page", "exec")


def test_outputs_stand_together_in_every_view(tiny: TinySite) -> None:
    html = tiny.html("front")
    panes = html.select(".mb-together > *")
    assert [[part.text.strip() for part in pane.select(".mb-label, pre")] for pane in panes] == [
        ["NumPy", "NumpyBackend"],
        ["JAX", "JaxBackend"],
    ]
    assert not html.select(".mb-together [data-backends]") and not panes[0].find_parent(attrs={"data-backends": True})
    assert [label.text for label in html.select(".mb-same")] == ["Same on all backends"]  # alike, it stands once


def test_a_page_says_where_its_head_stands(tiny: TinySite) -> None:
    (ran,) = tiny.html("front").select(".mb-ran")
    assert ran.find_previous(["h1", "h2"]).text.startswith("Section")


def test_an_install_line_of_a_named_backend(tiny: TinySite) -> None:
    lines = [row.text.split()[-1].partition("==")[0] for row in tiny.html("front").select(".sd-tab-content pre")]
    assert lines == ["scipy", "jax"]


def test_facts_stand_in_a_line(tiny: TinySite) -> None:
    html, record = tiny.html("front"), tiny.record()
    cells = sum(run.get("cells", 0) for page in record["pages"].values() for run in page["backends"].values())
    told = [item.text.strip() for item in html.select(".mb-facts-build > li")]
    assert told[:2] == [f"{len(record['pages'])} pages", f"{cells} cells executed"]
    assert html.select_one(".mb-facts-package > li").text.strip() == f"Version {record['mithril']}"


def test_a_notebook_leaves_out_what_is_for_the_site_alone(tiny: TinySite) -> None:
    made = nbformat.read(tiny.out / "_downloads/pages/front-jax.ipynb", as_version=4)
    prose = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    assert "For all." in prose and "For the site alone." not in prose and "facts" not in prose.lower()
    assert prose.count("pip install") == 2 and "jax==" in prose.rpartition("pip install")[2]  # its head's and its own


def test_a_declared_failure_shows_its_message_alone(tiny: TinySite) -> None:
    assert tiny.html("declared").select_one(".traceback pre").text.strip() == "Exception: Unsupported model type!"


def test_a_script_goes_on_after_a_declared_failure(tiny: TinySite) -> None:
    """What the cell did before its error is there for the rest of the script; strings in it are not changed."""
    done = run([str(python_of("numpy")), str(tiny.out / "_downloads/pages/goes_on-numpy.py")])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ValueError: as declared\nwent on\n"


def test_a_failure_declared_for_one_backend(tiny: TinySite) -> None:
    assert backends_of(tiny.html("declared_once").select_one(".traceback")) == ["jax"]


def test_the_record(tiny: TinySite) -> None:
    record = tiny.record()
    assert record["mithril"] == "0.1.1" and record["environments"]["numpy"]["python"].startswith("3.12")
    run = record["pages"]["page"]["backends"]["jax"]
    assert run["status"] == "ok" and run["cells"] == 5 and run["seconds"] > 0
    assert "index" not in record["pages"]
    assert json.dumps(record).count("/tmp") == 0


def test_a_page_is_read_again_only_when_something_changed(built: tuple[TinySite, set[str]]) -> None:
    _, written = built
    assert "page" in written and not written & {"other", "declared", "goes_on", "declared_once"}


def test_icons_that_would_be_cut_out_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the theme writes them otherwise than they are read."""
    site = TinySite(tmp_path)
    site.page("page", "Words.\n")
    monkeypatch.setattr(theme, "ICON_RULE", re.compile(r"((?:\.fa-a[\w-]+,?)+)\{--fa:\"([^\"]+)\"\}"))
    done = site.build()
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert re.search(r"has \d{4} rules for icons, of which \d+ can be read", done.stderr)
