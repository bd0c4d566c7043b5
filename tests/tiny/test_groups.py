"""Packages that only some pages need: named by group in front matter, shown in the install line."""

from __future__ import annotations

import lxml.html

from support.tiny import BACKEND, IMPORT, TinySite, cell

GRAPH = cell("import networkx\n\nprint(networkx.path_graph(3).number_of_edges())")


def test_a_group_is_in_the_install_line(tiny: TinySite) -> None:
    """All of it, also what no cell imports, with the versions that ran; other pages' lines are as they were."""
    tiny.page("with", IMPORT, BACKEND, GRAPH, extra="groups: [graphs, logs]")
    tiny.page("without", IMPORT, BACKEND)
    assert tiny.execute().returncode == 0
    assert tiny.build().returncode == 0
    lines = {}
    for name in ("with", "without"):
        words = lxml.html.parse(str(tiny.out / f"{name}.html")).xpath('//*[@data-backends="numpy"]//pre')
        lines[name] = next(word.text_content() for word in words if "pip install" in word.text_content())
    for package in ("networkx==", "tqdm==", "tensorboardx==", "tensorboard=="):
        assert package in lines["with"] and package not in lines["without"]


def test_a_group_must_be_named(tiny: TinySite) -> None:
    """Importing of a group that is not named is one line that says what to write; so is a misspelling."""
    tiny.page("unnamed", IMPORT, BACKEND, GRAPH)
    tiny.page("misspelt", IMPORT, BACKEND, GRAPH, extra="groups: [graph]")
    tiny.page("good", IMPORT, BACKEND)
    done = tiny.execute()
    assert done.returncode == 1
    rows = [row for row in done.stderr.splitlines() if row.startswith("FAILED")]
    assert any("unnamed" in row and "add 'groups: [graphs]' to the front matter" in row for row in rows), rows
    assert any("misspelt" in row and "did you mean 'graphs'?" in row for row in rows), rows
    assert not any(row.startswith("FAILED good") for row in rows), rows
