"""Files that are no good pages, whatever is in them: a line each, and the pages beside them are executed and built."""

from __future__ import annotations

import dataclasses
import re
import subprocess

import pytest

from support.fuzz import fuzzed, real_pages
from support.places import PROVE
from support.tiny import BACKEND, IMPORT, TinySite, cell

#: A file to what is said of it.
SAID = {
    "latin.md": "the file is not in UTF-8: byte 0xe9 is no part of it; save it as UTF-8",
    "wide.md": "the file is not in UTF-8: byte 0xff is no part of it; save it as UTF-8",
    "empty.md": "the page has no front matter; begin the file with a line ---",
    "listed.md": "the front matter takes a name and a value in each line",
    "open.md": "the front matter is not closed; end it with a line ---",
    "timeout.md": "'timeout' takes the seconds that a cell may take as a number, such as 300, not '5 min'",
    "word.md": "'files' takes a list of files beside the page, such as [data.csv], not 'data.csv'",
    "raises.md": "cell 3: 'raises' takes a backend or all, each with one exception and its words",
    "parity.md": "cell 3: 'parity' takes names with how far backends may be apart",
    "tight.md": "cell 3: 'parity: x' takes how far backends may be apart, such as 1.0e-4, or 'measured', not 'tight'",
    "twice.md": "cell 4: 'x' is recorded by cell 3 too; give one another name",
    "nowhere.md": "cell 3: 'backends' takes a list of backends, such as [torch, jax], not []",
    "deep.md": "directives stand in one another more than 20 deep; write them side by side",
    "gone.md": "the file cannot be read: No such file or directory",
    "good.rst": "this is no page: write it as MyST, 'good.md', or move it out of the folder of the pages",
    "stray.ipynb": "this is no page: write it as MyST, 'stray.md', or move it out of the folder of the pages",
}
#: Pages with nothing wrong in them, of which some are written in a way of their own.
GOOD = ("good", "marked", "returns", "one", "other", "sub/including", "sub/reading")


@dataclasses.dataclass
class Built:
    """The site with what its execution and its builds said."""

    tiny: TinySite
    executed: subprocess.CompletedProcess[str]
    built: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def malformed(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tiny = TinySite(tmp_path_factory.mktemp("malformed"))
    recording = cell("x = 1", ":parity: {x: 1}")
    for name, options in (("raises", ":raises: ZeroDivisionError"), ("parity", ":parity: [x]"),
                          ("tight", ":parity: {x: tight}"), ("nowhere", ":backends: []")):  # fmt: skip
        tiny.page(name, IMPORT, BACKEND, cell("x = 1", options))
    tiny.page("twice", IMPORT, BACKEND, recording, recording)
    tiny.page("timeout", extra="timeout: 5 min")
    tiny.page("word", extra="files: data.csv")
    fences = [":" * (300 - place) for place in range(290)]
    notes = [*(f"{fence}{{note}}" for fence in fences), "words", *reversed(fences)]
    tiny.page("deep", IMPORT, BACKEND, "\n".join(notes))
    latin, wide = tiny.page("latin"), tiny.page("wide")
    latin.write_bytes(latin.read_text().replace("A page", "Une pag\xe9").encode("latin-1"))
    wide.write_bytes(wide.read_text().encode("utf-16"))
    for name, text in (("empty.md", ""), ("listed.md", "---\n- a\n---\n# A\n"), ("open.md", "---\na: b\n\n# A\n"),
                       ("good.rst", "A\n=\n"), ("stray.ipynb", "{}")):  # fmt: skip
        (tiny.docs / name).write_text(text)
    (tiny.docs / "gone.md").symlink_to("nothing.md")
    # What is well: bytes that only look odd, parts of pages, and two that name each other.
    tiny.page("good", IMPORT, BACKEND, "[Over there](latin.md)\n")
    marked, returns = tiny.page("marked"), tiny.page("returns")
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    returns.write_bytes(returns.read_bytes().replace(b"\n", b"\r\n"))
    tiny.page("one", IMPORT, BACKEND, "```{toctree}\nother\n```\n")
    tiny.page("other", IMPORT, BACKEND, "```{toctree}\none\n```\n")
    tiny.page("sub/including", IMPORT, BACKEND, "```{include} _part.md\n```\n")
    (tiny.docs / "sub/_part.md").write_text("A *part* of pages.\n")
    (tiny.docs / "sub/data").mkdir()
    (tiny.docs / "sub/data/t.csv").write_text("1,2")
    tiny.page("sub/reading", IMPORT, BACKEND, cell("print(open('data/t.csv').read())"), extra="files: [data/t.csv]")
    return Built(tiny, tiny.execute(), tiny.build(), tiny.build())


@pytest.mark.takes(20)
@pytest.mark.xdist_group("malformed")
class TestMalformed:
    """What came of a site with one of each."""

    @pytest.mark.parametrize("file", SAID)
    def test_it_is_a_line(self, malformed: Built, file: str) -> None:
        """Of the execution and of the build, with the file; and the page is marked, where there is one."""
        name = file.removesuffix(".md")
        rows = malformed.executed.stderr.splitlines()
        told = [row for row in rows if re.match(rf"FAILED {re.escape(name)}(: | on numpy, line \d+: )", row)]
        assert len(told) == 1 and SAID[file] in told[0], rows
        rows = [row for row in malformed.built.stderr.splitlines() if SAID[file] in row]
        place = re.escape(str(malformed.tiny.docs / name))
        assert len(rows) == 1 and re.match(rf"{place}(\.\w+)?:\d+: WARNING: ", rows[0]), malformed.built.stderr
        if file.endswith(".md") and file != "gone.md":
            marked = malformed.tiny.html(name).select_one(".mb-failed")
            assert "This page failed" in marked.text and SAID[file] in marked.text

    @pytest.mark.parametrize("name", GOOD)
    def test_the_others_are_built(self, malformed: Built, name: str) -> None:
        assert malformed.tiny.status(name) == "ok"
        assert malformed.tiny.html(name).select_one(".mb-failed") is None

    def test_nothing_else_is_said(self, malformed: Built) -> None:
        assert malformed.executed.returncode == malformed.built.returncode == 1
        assert len(malformed.executed.stderr.splitlines()) == len(SAID)
        rows = [row for row in malformed.built.stderr.splitlines() if row and "[mithril.page]" not in row]
        others = [row for row in rows if "[mithril.toctree]" not in row and "Ignored unreadable document" not in row]
        assert others == [] and "Traceback" not in malformed.executed.stderr + malformed.built.stderr

    def test_toctrees_that_lead_back_are_a_line(self, malformed: Built) -> None:
        """Each time, until they are mended."""
        for built in (malformed.built, malformed.again):
            rows = [row for row in built.stderr.splitlines() if "[mithril.toctree]" in row]
            assert len(rows) == 1 and "whose own toctrees lead back to this page" in rows[0], built.stderr
            assert re.search(r"docs/(one|other)\.md:1: WARNING: the toctree names '(one|other)'", rows[0])

    def test_a_part_stands_in_the_page_and_is_none(self, malformed: Built) -> None:
        assert "A part of pages." in malformed.tiny.html("sub/including").text
        assert not (malformed.tiny.out / "sub/_part.html").exists()

    def test_a_file_in_a_folder_is_read_there(self, malformed: Built) -> None:
        assert "1,2" in malformed.tiny.html("sub/reading").text


#: How many changed pages are executed and rendered, in full and at each landing.
ALL, SAMPLE = 40, 6
#: What the execution says of a page: a line with its place and cause.
EXECUTED = re.compile(r"FAILED \S+( on numpy, (line \d+|cell \d+): |: )\S")


@pytest.mark.takes(30)
def test_pages_changed_at_random(tiny: TinySite, record_property: pytest.FixtureRequest) -> None:
    """They are executed and rendered, and cost a good page nothing; ``tests/unit/test_fuzz.py`` reads many more."""
    count = ALL if PROVE else SAMPLE
    pages = [path for path in real_pages() if path.stat().st_size < 8000]
    made = [fuzzed(seed, pages) for seed in range(10_000, 10_000 + count)]
    tiny.page("good")
    for one in made:
        (tiny.docs / f"changed{one.seed}.md").write_bytes(one.content)
    executed = tiny.execute("numpy", "--jobs", "2")
    built = tiny.build()
    told = "\n".join(map(str, made))
    for said in (executed.stdout, executed.stderr, built.stdout, built.stderr):
        assert "Traceback" not in said and "Exception" not in said.partition("WARNING")[0], f"{said[-2000:]}\n{told}"
    assert all(EXECUTED.match(row) for row in executed.stderr.splitlines() if row), executed.stderr[-2000:]
    assert tiny.status("good") == "ok" and tiny.html("good").select_one(".mb-failed") is None
    pages_said = tiny.record()["pages"]
    for one in made:
        name = f"changed{one.seed}"
        failed = tiny.html(name).select_one(".mb-failed") is not None
        words = [row for row in executed.stderr.splitlines() if row.startswith(f"FAILED {name} on numpy, ")]
        assert failed == bool(words), f"{one}\n{words}\n{pages_said.get(name)}"
    record_property("said", f"fuzz: {count} of {ALL} changed pages were executed and rendered")  # type: ignore[operator]
