"""Figures that a page measures on each backend: one table holds them all, and other pages quote them."""

from __future__ import annotations

import json

import pytest

from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("measured"), pytest.mark.takes(10)]

#: A page's figures: first call, later calls, memory; jit off and on; the small and the large model.
RECORD = """\
own = 1.0 if "NumpyBackend" in str(backend.__class__) else {factor}
small = [[0.0123 * own, 0.00018, 63.2e6], [12.34 * own, 0.00006, 70e6]]
large = [[1.5, 0.05, 90e6], [2.5, 0.1, 91e6]]
cost_of_jit = [small, large]"""
QUOTES = """\
One first call takes {measured}`jax small on first`, another {measured}`numpy small off first`, and PyTorch
{measured}`torch small on first`. Ratio {measured}`jax small off later / jax small on later`. Size
{measured}`jax large on memory`.
"""


def write(tiny: TinySite, factor: float) -> None:
    recording = cell(RECORD.format(factor=factor), ":tags: [timing]", ":parity: {cost_of_jit: measured}")
    table = "\n(what-jit-costs)=\n## Costs\n\n:::{measured} jit\n:::\n"
    tiny.page("costs", IMPORT, BACKEND, recording, table)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0


def rows(tiny: TinySite) -> list[list[str]]:
    return [
        [part.text.strip() for part in row.select("th, td")] for row in tiny.html("costs").select(".mb-measured tr")
    ]


def test_figures_are_shown_and_quoted(tiny: TinySite) -> None:
    tiny.page("quotes", IMPORT, BACKEND, QUOTES)
    tiny.page("other", "Words.\n")
    write(tiny, 2.0)
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr  # figures that are apart are no disagreement
    head, *body = rows(tiny)
    assert head[:4] == ["Model", "Backend", "First call, jit off", "First call, jit on"]
    assert body == [
        ["small", "NumPy", "12", "12,000", "0.18", "0.060", "63", "70", "3.0×"],
        ["small", "JAX", "25", "25,000", "0.18", "0.060", "63", "70", "3.0×"],
        ["large", "NumPy", "1,500", "2,500", "50", "100", "90", "91", "0.50×"],
        ["large", "JAX", "1,500", "2,500", "50", "100", "90", "91", "0.50×"],
    ]
    quoted = next(p for p in tiny.html("quotes").select("article p") if "One first call" in p.text)
    words = " ".join(quoted.text.split())
    assert words == ("One first call takes 25 s, another 12 ms, and PyTorch (not measured). Ratio 3.0. Size 91 MB.")
    assert {a["href"] for a in quoted.select("a")} == {"costs.html#what-jit-costs"}
    home = (tiny.out / "_downloads/pages/quotes-jax.ipynb").read_text(encoding="utf-8")
    told = " ".join(json.loads(home)["cells"][-1]["source"].split())
    assert told == words
    page = tiny.record()["pages"]["costs"]
    assert page["parity"] == {} and page["measured"]["cost_of_jit"]["jax"][0][1][0] == 24.68

    before = (tiny.out / "other.html").stat().st_mtime_ns
    write(tiny, 4.0)
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr
    assert "takes 49 s" in " ".join(tiny.html("quotes").text.split())
    assert (tiny.out / "other.html").stat().st_mtime_ns == before


def test_a_figure_that_does_not_exist(tiny: TinySite) -> None:
    tiny.page("quotes", "One takes {measured}`jax middling on first`.\n")
    write(tiny, 2.0)
    built = tiny.build("numpy", "jax")
    assert built.returncode == 1
    assert "no figure 'jax middling on first': name numpy or torch" in built.stderr
