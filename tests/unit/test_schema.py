"""What a page may say beside its prose and code: whatever else it says is one line, with its place and what to do."""

from __future__ import annotations

import re

import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.page import Page, find_pages, find_strays, read_page
from support.tiny import BACKEND, FRONT, IMPORT, TinySite, cell

#: The line of the first name that a page adds to its front matter, and of the first option of its third cell.
FRONT_LINE, CELL_LINE = 6, 22

#: What stands in the front matter, and what is said of it.
IN_FRONT = {
    "a word for a number": ("timeout: 5 min", "'timeout' takes the seconds that a cell may take as a number"),
    "no value": ("timeout:", "'timeout' takes the seconds that a cell may take as a number, such as 300, not nothing"),
    "a negative number": ("timeout: -1", "such as 300, not -1"),
    "a number without end": ("timeout: .inf", "such as 300, not Infinity"),
    "not a number": ("timeout: .nan", "such as 300, not NaN"),
    "a truth value for a number": ("timeout: yes", "such as 300, not true"),
    "a word for a list": ("files: data.csv", "'files' takes a list of files beside the page, such as [data.csv]"),
    "a number in a list": ("files: [1]", "'files' takes the name of a file, not 1; put quotes around a text"),
    "a list in a list": ("files: [[a.csv]]", "'files' takes the name of a file, not [\"a.csv\"]"),
    "a mapping for a list": ("files: {a: b}", "'files' takes a list of files"),
    "the same file twice": ("files: [a.csv, a.csv]", "'files' names 'a.csv' twice; keep one"),
    "a word for a mapping": ("unsupported: mlx", "'unsupported' takes backends with a reason each, such as {mlx:"),
    "a list for a mapping": ("unsupported: [mlx]", "'unsupported' takes backends with a reason each"),
    "an empty mapping": ("unsupported: {}", "'unsupported' takes backends with a reason each"),
    "an empty reason": ('unsupported: {mlx: ""}', "'unsupported: mlx' takes a reason, as a sentence, not ''"),
    "a truth value for a reason": ("unsupported: {mlx: no}", "not false; put quotes around a text"),
    "a date for a reason": ("unsupported: {mlx: 2026-01-01}", 'not "2026-01-01"; put quotes around a text'),
    "an unknown backend": ("unsupported: {mxl: words}", "unknown backend 'mxl' in 'unsupported'; did you mean 'mlx'?"),
    "a number for a backend": ("unsupported: {1: words}", "unknown backend 1 in 'unsupported'"),
    "no backend left": (
        f"unsupported: {{{', '.join(f'{name}: words' for name in BACKENDS)}}}",
        "'unsupported' leaves no backend to run the page on",
    ),
    "an unknown name": ("timeouts: 5", "unknown front matter 'timeouts'; did you mean 'timeout'?"),
    "a number for a name": ("5: 5", "unknown front matter '5'"),
    "a name of another kind": ("tocdepth: two", "'tocdepth' takes a whole number of levels, not 'two'"),
    "a word for a truth value": ("orphan: maybe", "'orphan' takes true or false, not 'maybe'"),
    "an unknown name inside": (
        "myst: {html_mata: {}}",
        "unknown name in 'myst': 'html_mata'; did you mean 'html_meta'?",
    ),
    "a wrong type at depth": ("myst: {html_meta: {keywords: [a]}}", "'myst: html_meta: keywords' takes words, not"),
    "a name twice": ("roadmap: []", "front matter: 'roadmap' stands here twice; keep one"),
    "a tab": (
        "files:\n\t- a.csv",
        "front matter: found character '\\t' that cannot start any token; indent with spaces",
    ),
    "a colon": ("unsupported: {mlx: no: yes}", "front matter: "),
    "an open bracket": ("files: [a.csv", "front matter: expected ',' or ']'"),
    "a reference": ("files: &a [b]\norphan: *a", "found the alias '*a'; write out what it stands for"),
    "a reference to itself": ("files: &a [*a]", "found the alias '*a'; write out what it stands for"),
    "an object of Python": ("files: !!python/object:os.system {}", "could not determine a constructor for the tag"),
    "no number at all": ("timeout: !!int five", "front matter: a value cannot be read"),
    "no day": ("description2: 2026-13-45", "front matter: a value cannot be read"),
    "a control character": ("files: [a\x07.csv]", "front matter: it holds the control character U+0007; remove it"),
    "a deep nest": ("files: " + "[" * 2000 + "]" * 2000, "front matter: it is nested too deeply; write it flat"),
}

#: What a cell's options are, and what is said of them.
IN_CELL = {
    "raises a word": (":raises: ZeroDivisionError", "'raises' takes a backend or all, each with one exception and its"),
    "raises no words": (
        ":raises: {all: ZeroDivisionError}",
        "'raises: all' takes one exception and words of its message",
    ),
    "raises a number": (
        ":raises: {all: {ValueError: 5}}",
        "'raises: all: ValueError' takes words of the message, not 5",
    ),
    "raises two": (":raises: {all: {ValueError: a, TypeError: b}}", "'raises: all' takes one exception and words"),
    "raises on no backend": (":raises: {al: {ValueError: a}}", "unknown backend 'al' in 'raises'; did you mean 'all'?"),
    "raises nothing": (":raises: {}", "'raises' takes a backend or all, each with one exception"),
    "parity in a list": (":parity: [x]", "'parity' takes names with how far backends may be apart, such as"),
    "parity in words": (":parity: {x: tight}", "'parity: x' takes how far backends may be apart, such as 1.0e-4, or"),
    "parity without end": (":parity: {x: .nan}", "'parity: x' takes how far backends may be apart"),
    "parity below zero": (":parity: {x: -1}", "'parity: x' takes how far backends may be apart"),
    "parity as a truth value": (":parity: {x: true}", "'parity: x' takes how far backends may be apart"),
    "parity of no Python": (
        ":parity: {x y: 1}",
        "'parity' takes the name of a value, or an expression, not 'x y': Syntax",
    ),
    "parity of a number": (":parity: {1: 1}", "'parity' takes the name of a value, or an expression, not 1"),
    "no backends": (":backends: []", "'backends' takes a list of backends, such as [torch, jax], not []"),
    "a word for backends": (":backends: jax", "'backends' takes a list of backends, such as [torch, jax], not 'jax'"),
    "an unknown backend": (":backends: [jaxx]", "unknown backend 'jaxx' in 'backends'; did you mean 'jax'?"),
    "a backend twice": (":backends: [jax, jax]", "'backends' names 'jax' twice; keep one"),
    "a mapping in backends": (":backends: [{jax: 1}]", "unknown backend {\"jax\": 1} in 'backends'"),
    "a word for tags": (":tags: timing", "'tags' takes a list of tags, such as [timing], not 'timing'"),
    "a number for a tag": (":tags: [1]", "'tags' takes a tag, not 1; put quotes around a text"),
    "nearly a tag": (":tags: [timings]", "unknown tag 'timings'; did you mean 'timing'?"),
    "an unknown option": (":raise: {}", "unknown option 'raise'; did you mean 'raises'?"),
    "an option without a value": (":tags", "options are an option in each line, such as ':tags: [timing]'"),
    "an option twice": (":tags: [a]\n:tags: [b]", "options: 'tags' stands here twice; keep one"),
    "an open brace": (":raises: {all: {ValueError: a}", "options: expected ',' or '}'"),
    "an open block": ("---\ntags: [timing]", "options: could not find expected ':'"),
    "a word for a picture": (":mystnb: {image: words}", "'mystnb: image' takes what its picture is shown with"),
    "a date in a picture": (":mystnb: {image: {alt: 2026-01-01}}", "'mystnb: image' takes what its picture is shown"),
    "an unknown setting": (":mystnb: {imag: {alt: a}}", "unknown name in 'mystnb': 'imag'; did you mean 'image'?"),
}


def said(tiny: TinySite, *body: str, extra: str = "") -> tuple[tuple[int, str], ...]:
    """What is said of a page; a good page beside it is always read."""
    tiny.page("bad", *body, extra=extra)
    tiny.page("good")
    bad, good = find_pages(tiny.docs)
    assert good.problems == () and good.runs
    assert all("\n" not in words and 1 <= line <= len(bad.path.read_text().split("\n")) for line, words in bad.problems)
    return bad.problems


@pytest.mark.parametrize("case", IN_FRONT)
def test_front_matter(tiny: TinySite, case: str) -> None:
    extra, words = IN_FRONT[case]
    problems = said(tiny, extra=extra)
    assert len(problems) == 1 and words in problems[0][1], problems
    assert problems[0][0] >= FRONT_LINE - ("deep" in case or "value" in problems[0][1]) * 4, problems


@pytest.mark.parametrize("case", IN_CELL)
def test_options_of_a_cell(tiny: TinySite, case: str) -> None:
    options, words = IN_CELL[case]
    problems = said(tiny, IMPORT, BACKEND, cell("1", *options.split("\n")))
    assert len(problems) == 1 and words in problems[0][1] and problems[0][1].startswith("cell 3: "), problems
    assert CELL_LINE <= problems[0][0] <= CELL_LINE + 3


def test_the_line_is_that_of_the_value(tiny: TinySite) -> None:
    extra = "unsupported:\n  mlx: a reason\n  jaks: another\nfiles:\n  - a.csv\n  - 5"
    lines = [(line, words.partition(";")[0]) for line, words in said(tiny, extra=extra)]
    assert lines == [
        (FRONT_LINE + 2, "unknown backend 'jaks' in 'unsupported'"),
        (FRONT_LINE + 5, "'files' takes the name of a file, not 5"),
    ]
    options = (":tags: [timing]", ":parity:", ":  x: tight", ":backends: [jax, nunpy]")
    lines = [line for line, _ in said(tiny, IMPORT, BACKEND, cell("1", *options))]
    assert lines == [CELL_LINE + 2, CELL_LINE + 3]


def test_every_fault_is_told(tiny: TinySite) -> None:
    """And what fits is kept: it is read as if the rest were not there."""
    extra = "timeout: long\nfiles: 5\nunsupported: {mlx: a reason}"
    problems = said(tiny, IMPORT, BACKEND, cell("1", ":raises: x", ":backends: [jax]", ":tags: 3"), extra=extra)
    assert len(problems) == 4
    page = read_page(tiny.docs / "bad.md", tiny.docs)
    assert page.timeout == 120 and page.files == [] and page.backends == [n for n in BACKENDS if n != "mlx"]
    assert page.cells[-1].metadata == {"backends": ["jax"]} and page.cells[-1].raises("jax") == {}


def test_one_name_in_two_cells(tiny: TinySite) -> None:
    recording = cell("x = 1", ":parity: {x: 0.1}")
    ((line, words),) = said(tiny, IMPORT, BACKEND, recording, recording)
    assert line > CELL_LINE and words == "cell 4: 'x' is recorded by cell 3 too; give one another name"


def test_a_cell_that_runs_nowhere(tiny: TinySite) -> None:
    problems = said(tiny, IMPORT, BACKEND, cell("1", ":backends: [mlx]"), extra="unsupported: {mlx: a reason}")
    assert "cell 3: runs nowhere" in problems[0][1]


WHOLE = {
    "empty": ("", 1, "the page has no front matter; begin the file with a line ---"),
    "no front matter": ("# A title\n", 1, "the page has no front matter; begin the file with a line ---"),
    "empty front matter": ("---\n---\n# A title\n", 1, "front matter lacks 'description'"),
    "a list": ("---\n- roadmap\n---\n# A title\n", 1, "the front matter takes a name and a value in each line"),
    "words": ("---\nroadmap\n---\n# A title\n", 1, "the front matter takes a name and a value in each line"),
    "not closed": ("---\nroadmap: []\n\n# A title\n", 1, "the front matter is not closed; end it with a line ---"),
    "behind an empty line": ("\n---\nroadmap: []\n---\n# A title\n", 1, "the front matter is not closed"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_page_as_a_whole(tiny: TinySite, case: str) -> None:
    text, line, words = WHOLE[case]
    tiny.page("page").write_text(text)
    page = read_page(tiny.docs / "page.md", tiny.docs)
    assert page.problems[0][0] == line and page.problems[0][1].startswith(words), page.problems


def _page(tiny: TinySite) -> Page:
    return read_page(tiny.docs / "page.md", tiny.docs)


BYTES = {
    "Latin-1": (lambda text: text.replace("A page", "Une pag\xe9").encode("latin-1"), 4, "0xe9"),
    "UTF-16": (lambda text: text.encode("utf-16"), 1, "the file is not in UTF-8"),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-le"), 1, "the file holds a null character"),
    "a null character": (lambda text: text.replace("# page", "# pa\0ge").encode(), 8, "a null character"),
    "half a letter": (lambda text: text.encode() + "é".encode()[:1], 20, "0xc3"),
    "a surrogate": (lambda text: text.encode() + b"\xed\xa0\x80", 20, "0xed"),
}


@pytest.mark.parametrize("case", BYTES)
def test_bytes_that_are_no_text(tiny: TinySite, case: str) -> None:
    change, line, words = BYTES[case]
    path = tiny.page("page")
    path.write_bytes(change(path.read_text()))
    ((found, said),) = _page(tiny).problems
    assert found == line and words in said and ("save it as" in said), (found, said)


@pytest.mark.parametrize("case", ["a mark", "carriage returns", "both", "old carriage returns"])
def test_other_bytes_are_read_as_the_same_text(tiny: TinySite, case: str) -> None:
    path = tiny.page("page", IMPORT, BACKEND, cell("x = '''a\n\nb'''", ":parity: {'0': 1}"), "Prose\n")
    before = _page(tiny)
    content = path.read_bytes()
    if case != "a mark":
        content = content.replace(b"\n", b"\r" if case.startswith("old") else b"\r\n")
    path.write_bytes((b"\xef\xbb\xbf" if case in ("a mark", "both") else b"") + content)
    assert _page(tiny) == before and before.problems == ()


def test_a_file_that_is_not_there(tiny: TinySite) -> None:
    tiny.page("good")
    (tiny.docs / "page.md").symlink_to("nowhere.md")
    (tiny.docs / "folder.md").mkdir()
    good, page = find_pages(tiny.docs)
    assert good.problems == () and page.problems == ((1, "the file cannot be read: No such file or directory"),)


def test_files_that_are_no_pages(tiny: TinySite) -> None:
    tiny.page("good")
    (tiny.docs / "sub").mkdir()
    for name in ("stray.ipynb", "sub/other.rst", "sub/_part.rst", ".hidden.ipynb", "picture.svg", "Upper.MD"):
        (tiny.docs / name).write_text("x")
    assert [page.name for page in find_pages(tiny.docs)] == ["good"]
    strays = {path.relative_to(tiny.docs).as_posix(): words for path, words in find_strays(tiny.docs)}
    assert sorted(strays) == ["Upper.MD", "stray.ipynb", "sub/other.rst"]
    assert strays["stray.ipynb"].startswith("this is no page: write it as MyST, 'stray.md', or move it")


def test_parts_are_no_pages(tiny: TinySite) -> None:
    """A file whose name begins with an underscore is there to be included, in any folder."""
    (tiny.docs / "sub").mkdir(parents=True)
    (tiny.docs / "sub/_part.md").write_text("A part.\n")
    tiny.page("sub/page", IMPORT, BACKEND, "```{include} _part.md\n```\n")
    (page,) = find_pages(tiny.docs)
    assert page.name == "sub/page" and page.problems == ()


INCLUDED = {
    "Python": ("```python\n1\n```\n", "'_part.md', its line 1: a Python block that is not executed"),
    "a cell": ("Words\n\n```{code-cell}\n1\n```\n", "'_part.md', its line 3: a code-cell inside another block"),
    "itself": ("```{include} _part.md\n```\n", "'_part.md' includes itself; take one {include} out"),
    "nothing": ("```{include} _other.md\n```\n", "'_other.md': the file cannot be read: No such file or directory"),
    "no text": (None, "'_part.md': the file is not in UTF-8: byte 0xe9"),
}


@pytest.mark.parametrize("case", INCLUDED)
def test_what_a_page_includes(tiny: TinySite, case: str) -> None:
    text, words = INCLUDED[case]
    tiny.page("page", IMPORT, BACKEND, "Words.\n\n```{include} _part.md\n```\n")
    (tiny.docs / "_part.md").write_bytes(b"\xe9" if text is None else text.encode())
    ((line, told),) = _page(tiny).problems
    assert line == 23 and words in told, (line, told)


FILES = {
    "../../a.csv": "must stand in the page's folder or elsewhere in this project",
    "/a.csv": "must stand in the page's folder or elsewhere in this project",
    "../none.csv": "does not exist",
    "data": "does not exist",
    "none.csv": "does not exist",
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_a_page_may_not_name(tiny: TinySite, name: str) -> None:
    (tiny.docs / "data").mkdir(parents=True)
    tiny.page("page", extra=f"files: [{name}]")
    assert _page(tiny).problems == ((1, f"file '{name}', named in 'files', {FILES[name]}"),)


DIRECTIVES = {
    "backends": (":::{backends}\nwords\n:::\n", "{backends} lacks its argument"),
    "an unknown backend": (":::{backends} torch jaxx\nwords\n:::\n", "unknown backend 'jaxx' in '{backends}'"),
    "an unknown install": (":::{install} pytorch\n:::\n", "unknown backend 'pytorch' in '{install}'"),
    "an unknown option": (
        ":::{model} Relu\n:bild: Relu()\n:::\n",
        "{model}: unknown option 'bild'; did you mean 'build'?",
    ),
    "no Python": (
        ":::{model} Relu\n:build: Relu(\n:::\n",
        "{model}: 'build' takes Python that makes the model, not 'Relu('",
    ),
    "no arguments": (":::{model} Relu\n:inputs: input\n=1\n:::\n", ""),
    "a bad argument": (
        ":::{model} Relu\n:inputs: input==\n:::\n",
        "{model}: 'inputs' takes arguments with their names",
    ),
    "no value": (":::{model} Relu\n:build:\n:::\n", "{model}: 'build' takes Python that makes the model, not ''"),
    "twice": (":::{model} Relu\n:build: Relu()\n:build: Relu()\n:::\n", "the option 'build' stands here twice"),
    "an error by": (
        ":::{error} a-slug\n:by: shel\n:::\n",
        "{error}: unknown way 'shel' in 'by'; did you mean 'shell'?",
    ),
    "in another": ("::::{note}\n:::{backends} jaxx\nwords\n:::\n::::\n", "unknown backend 'jaxx'"),
    "in a list": ("- words\n\n  :::{backends} jaxx\n  words\n  :::\n", "unknown backend 'jaxx'"),
}


@pytest.mark.parametrize("case", DIRECTIVES)
def test_directives(tiny: TinySite, case: str) -> None:
    text, words = DIRECTIVES[case]
    problems = said(tiny, IMPORT, BACKEND, text)
    assert len(problems) == bool(words), problems
    assert not words or words in problems[0][1]


def test_front_line_is_where_it_is_said_to_be() -> None:
    text = FRONT.format(title="x", extra="timeout: 1\n")
    assert text.split("\n")[FRONT_LINE - 1] == "timeout: 1"
    rows = (text.replace("timeout: 1\n", "") + "\n".join([IMPORT, BACKEND, cell("1", ":tags: [a]")])).split("\n")
    assert rows[CELL_LINE - 1] == ":tags: [a]" and re.match("```", rows[CELL_LINE - 2])
