"""The Markdown of a tiny site: what each kind of element comes to, and what differs between backends."""

from __future__ import annotations

import re

import pytest

from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("assistants"), pytest.mark.takes(20)]

KINDS = """\
A *word*, a `code` and a [link](other), **[bold](other)**, $x^2$, a_b_c, 2 * 3 and [text].

:::{warning}
Do not *do* this:

- one
- two
:::

:::{dropdown} A question
An answer.
:::

| a | b |
| --- | --- |
| `x\\|y` | [other](other.md#part) |

1. first
2. second

   more of it

> said

$$
y = 1
$$

term
: meaning

````text
```
fenced
```
````

```{eval-rst}
.. py:function:: f(x, y=1)

   Does something.

   :param x: the first
   :type x: list[int] | None
   :param y: the second
```
"""
MADE = """\
A *word*, a `code` and a [link](other.md), **[bold](other.md)**, $x^2$, a_b_c, 2 \\* 3 and \\[text\\].

> **Warning**
>
> Do not *do* this:
>
> - one
> - two

- **A question**

  An answer.

| a | b |
| --- | --- |
| `x\\|y` | [other](other.md#part) |

1. first
2. second

   more of it

> said

$$
y = 1
$$

- **term**: meaning

````text
```
fenced
```
````

## `f(x, y=1)`

Does something.

- **Parameters:**

  - **x** (`list[int] | None`) – the first
  - **y** – the second
"""
INDEX = """\
---
roadmap: []
description: All of it.
---
# Index

```{toctree}
:hidden:
:caption: Some & more

part/runs
other
```

```{toctree}
:hidden:
:caption: The rest

kinds
part/alike
```
"""
PLOT = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()"
WRONG = cell("raise ValueError('`quoted`')", ":raises: {all: {ValueError: quoted}}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> TinySite:
    """A site of a page with backends, and of pages without."""
    tiny = TinySite(tmp_path_factory.mktemp("assistants"))
    tiny.page("kinds", KINDS.replace("](other)", "](other.md)"))
    other = tiny.page("other", "## Part\n\nNothing.\n")
    other.write_text(other.read_text().replace("A page of a test.", "Another one."))
    tiny.page(
        "part/runs", IMPORT, BACKEND, cell("print('same')"), cell("print(type(backend).__name__)"), WRONG,
        cell(PLOT, ":mystnb: {image: {alt: A rising line}}"), ":::{backends} jax\nFor **JAX** alone.\n:::\n",
        "See [the other](../other.md).\n",
    )  # fmt: skip
    tiny.page("part/alike", IMPORT, BACKEND, extra="unsupported: {jax: it cannot be.}")
    (tiny.docs / "index.md").write_text(INDEX)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    done = tiny.build("numpy", "jax")
    assert done.returncode == 0, done.stderr
    return tiny


def read(tiny: TinySite, name: str) -> str:
    return (tiny.out / name).read_text(encoding="utf-8")


def test_each_kind_of_element(built: TinySite) -> None:
    title, head, body = read(built, "kinds.md").split("\n\n", 2)
    assert title == "# kinds"
    assert head == "- Part of the documentation of Mithril 0.1.1; [this page on the web](kinds.html)."
    assert body == MADE


def test_code_and_outputs_of_the_first_backend(built: TinySite) -> None:
    text = read(built, "part/runs.md")
    assert "```python\nprint('same')\n```\n\nOutput:\n\n```text\nsame\n```" in text
    assert "Output on NumPy:\n\n```text\nNumpyBackend\n```" in text and "JaxBackend" not in text
    assert "Output:\n\n```text\nValueError: `quoted`\n```" in text
    assert "*Picture: A rising line*" in text
    assert "See [the other](../other.md)." in text and "alone" not in text
    assert re.search(r"^- Executed on NumPy [\d.]+, JAX [\d.]+\.$", text, re.MULTILINE)
    assert "those of NumPy; also for [JAX](runs.jax.md)." in text
    assert re.search(
        r"^- Install: `pip install mithril==0.1.1 numpy==\S+ scipy==\S+ matplotlib==\S+`$", text, re.MULTILINE
    )


def test_another_backend_has_a_file_where_it_differs(built: TinySite) -> None:
    text = read(built, "part/runs.jax.md")
    assert "backend = ml.JaxBackend()" in text and "NumpyBackend" not in text
    assert "Output on JAX:\n\n```text\nJaxBackend\n```" in text and "For **JAX** alone." in text
    assert "those of JAX; also for [NumPy](runs.md)." in text
    assert "- Not on JAX: it cannot be." in read(built, "part/alike.md")
    names = {path.relative_to(built.out).as_posix() for path in built.out.rglob("*.md")}
    assert names == {"index.md", "kinds.md", "other.md", "part/alike.md", "part/runs.md", "part/runs.jax.md"}


def test_the_list_follows_the_sidebar(built: TinySite) -> None:
    text = read(built, "llms.txt")
    assert text.startswith("# Mithril\n\n> All of it.\n\n")
    rows = [row for row in text.splitlines() if row.startswith(("## ", "- "))]
    assert rows[:6] == [
        "## Some & more",
        "- [part/runs](part/runs.md): A page of a test.",
        "- [other](other.md): Another one.",
        "## The rest",
        "- [kinds](kinds.md): A page of a test.",
        "- [part/alike](part/alike.md): A page of a test.",
    ]
    whole = read(built, "llms-full.txt")
    order = ["index", "part/runs", "other", "kinds", "part/alike"]
    assert re.findall(r"^<!-- (\S+)\.md -->$", whole, re.MULTILINE) == order
    assert read(built, "part/runs.md") in whole


def test_the_page_names_its_markdown(built: TinySite) -> None:
    html = built.html("part/runs")
    assert html.select_one("link[rel=alternate][type='text/markdown']")["href"] == "runs.md"
    assert html.select_one(".mb-markdown a")["href"] == "runs.md"
    assert built.html("search").select_one("[href$='.md']") is None


def test_only_what_changed_is_written(built: TinySite) -> None:
    """And what a backend no longer has of its own is gone."""
    before = {path: path.stat().st_mtime_ns for path in built.out.rglob("*.md")}
    built.page(
        "part/runs", IMPORT, cell("backend = ml.NumpyBackend()", ":tags: [backend]"), extra="unsupported: {jax: no.}"
    )
    assert built.execute("numpy").returncode == 0
    done = built.build("numpy", "jax")
    assert done.returncode == 0, done.stderr
    after = {path: path.stat().st_mtime_ns for path in built.out.rglob("*.md")}
    assert set(before) - set(after) == {built.out / "part/runs.jax.md"}
    assert {path for path in after if after[path] != before[path]} == {built.out / "part/runs.md"}
