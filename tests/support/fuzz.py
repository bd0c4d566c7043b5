"""Real pages with something changed at random: what a tired person, an editor or a merge may make of a page.

A seed gives the same page each time, so a line that names it is enough to see it again::

    PYTHONPATH=docs/_ext:tests python -m support.fuzz 1234
"""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Callable
from pathlib import Path

from support.places import ROOT

#: Pages larger than this are left out: they are as the others, and take longer.
LARGEST = 40_000

#: Values that stand where others are wanted.
VALUES = (
    "5 min", "yes", "no", "null", "~", "[]", "{}", "[x]", "{x: tight}", "{all: ValueError}", "{all: {A: 1, B: 2}}",
    "ZeroDivisionError", "-1", "0", ".nan", ".inf", "1e999", "2026-13-45", "2026-01-01", "data.csv", "[a, a]",
    "[1, [2]]", "{1: 2}", "{mlx: }", "'", '"', "*a", "&a [*a]", "!!python/name:os.system", "!!binary x", "a: b: c",
    "[a, b", "{a: b", "|", ">", "%", "@x", "`x`", "\t", "é", "\u2028", "\x85", "\x07", "\ufeff", "\U0001f600", "<<",
    "? x", "- x", "0x", "1_0", "12:30:45", "[[[[[[", "x" * 5000, "9" * 5000, "../../etc", "/etc/passwd", "[../x]",
    "{html_meta: 5}", "[jax, numpy]",
)  # fmt: skip
#: Names, right and wrong, of front matter and of options.
NAMES = (
    "file_format", "kernelspec", "description", "roadmap", "unsupported", "timeout", "files", "orphan", "myst",
    "tocdepth", "tags", "backends", "raises", "parity", "mystnb", "build", "inputs", "by", "timeouts", "Tags", "1",
    "", "null", "<<", "a b",
)  # fmt: skip
#: Lines that open, close or upset a block.
LINES = (
    "```", "````", "~~~", ":::", "::::", ":::{note}", "::: {note}", ":::{backends} torch", ":::{backends}",
    "```python", "```{code-cell} ipython3", ":::{code-cell} ipython3", "```{code-cell}", "```{eval-rst}",
    "```{include} _part.md", "```{literalinclude} page.py", "- ```python", "  ```python", "> ```", "---", "+++",
    '+++ {"tags": 5}', "+++ {", "(a)=", "% ```", "# A title", "###### Deep", "$$", "\\begin{align}", "| a | b |",
    "[^1]: words", ":a: b", "Term\n: words", "<div>", "<!--", "{ref}`x`", "{measured}`x`", "[a](b.md)",
    "![a](b.png)", "\t", "    code", "1.", "-", ">", "%", "==", ":::{model} Relu\n:build: Relu(", ":::{error}",
    ":::{setting} x", "```{toctree}\n:glob:\n**\n```", "```{index} a", "\\",
)  # fmt: skip

Change = Callable[[random.Random, list[str]], list[str]]


def _some(rng: random.Random, rows: list[str], wanted: Callable[[str], bool]) -> int:
    """A row that is wanted, or any."""
    found = [place for place, row in enumerate(rows) if wanted(row)]
    return rng.choice(found or range(len(rows)))


def _front(rows: list[str]) -> int:
    """The row that ends the front matter."""
    return next((place for place, row in enumerate(rows[1:], 1) if row == "---"), 1)


def _is_fence(row: str) -> bool:
    return row.lstrip(" >-").startswith(("```", ":::", "~~~"))


def _is_option(row: str) -> bool:
    return row.startswith(":") and not row.startswith(":::")


def _value_in_front(rng: random.Random, rows: list[str]) -> list[str]:
    place = rng.randrange(1, max(2, _front(rows)))
    rows[place] = f"{rows[place].partition(':')[0]}: {rng.choice(VALUES)}"
    return rows


def _name_in_front(rng: random.Random, rows: list[str]) -> list[str]:
    rows.insert(rng.randrange(1, _front(rows) + 1), f"{rng.choice(NAMES)}: {rng.choice(VALUES)}")
    return rows


def _row_in_front(rng: random.Random, rows: list[str]) -> list[str]:
    place = rng.randrange(0, _front(rows) + 1)
    row = rows.pop(place)
    if rng.random() < 0.5:
        rows[place:place] = rng.choice([[row, row], [f"\t{row}"], [f" {row}"], [row.upper()], ["- x", row], [""]])
    return rows


def _option(rng: random.Random, rows: list[str]) -> list[str]:
    place = _some(rng, rows, _is_option)
    rows[place] = f":{rows[place].strip(':').partition(':')[0]}: {rng.choice(VALUES)}"
    return rows


def _new_option(rng: random.Random, rows: list[str]) -> list[str]:
    place = _some(rng, rows, lambda row: "{" in row and _is_fence(row))
    rows.insert(place + 1, f":{rng.choice(NAMES)}: {rng.choice(VALUES)}")
    return rows


def _option_block(rng: random.Random, rows: list[str]) -> list[str]:
    place = _some(rng, rows, lambda row: "{" in row and _is_fence(row))
    block = ["---", f"{rng.choice(NAMES)}: {rng.choice(VALUES)}", "---"]
    rows[place + 1 : place + 1] = block[: rng.randint(2, 3)]
    return rows


def _fence(rng: random.Random, rows: list[str]) -> list[str]:
    place = _some(rng, rows, _is_fence)
    row = rows[place]
    other = {"`": ":", ":": "`"}
    changed = (
        row[1:], row[:-1], row[0] * 2 + row, f" {row}", f"    {row}", f"> {row}", f"- {row}", f"{row}x", "",
        row.title(), row.replace("{", "{ "), row.replace("`", "~"), row.translate(str.maketrans(other)),
    ) if row else ("```",)  # fmt: skip
    rows[place] = rng.choice(changed)
    return rows


def _line(rng: random.Random, rows: list[str]) -> list[str]:
    rows.insert(rng.randrange(len(rows) + 1), rng.choice(LINES))
    return rows


def _cell(rng: random.Random, rows: list[str]) -> list[str]:
    """Take a cell out, put it elsewhere, or indent it."""
    place = _some(rng, rows, lambda row: row.startswith("```{code-cell}"))
    end = next((n for n in range(place + 1, len(rows)) if rows[n].startswith("```")), len(rows) - 1) + 1
    cell = rows[place:end]
    if rng.random() < 0.7:
        del rows[place:end]
    where = rng.randrange(len(rows) + 1)
    indented = [f"{rng.choice(['  ', '    ', '> ', '- '])}{row}" for row in cell]
    rows[where:where] = rng.choice([cell, [], indented, cell[:-1], cell[:1]])
    return rows


def _code(rng: random.Random, rows: list[str]) -> list[str]:
    """Cut a line, or change a sign in it."""
    place = rng.randrange(len(rows))
    row = rows[place]
    if row:
        cut = rng.randrange(len(row))
        rows[place] = rng.choice(
            [row[:cut], row[cut:], row[:cut] + rng.choice("()[]{}'\"`:;\\,=!%#\t") + row[cut + 1 :]]
        )
    return rows


def _stretch(rng: random.Random, rows: list[str]) -> list[str]:
    """Take some lines out, write them twice, or leave the rest away."""
    first = rng.randrange(len(rows))
    last = min(len(rows), first + rng.randint(1, 20))
    return rng.choice([rows[:first] + rows[last:], rows[:last] + rows[first:], rows[:first], rows[first:]])


def _conflict(rng: random.Random, rows: list[str]) -> list[str]:
    """What Git leaves where two changes met."""
    first = rng.randrange(len(rows))
    last = min(len(rows), first + rng.randint(1, 5))
    return [
        *rows[:first],
        "<<<<<<< HEAD",
        *rows[first:last],
        "=======",
        *rows[first:last],
        ">>>>>>> other",
        *rows[last:],
    ]


def _deep(rng: random.Random, rows: list[str]) -> list[str]:
    """Something in itself, many times."""
    depth, first = rng.choice([30, 300]), rng.randrange(len(rows))
    inside = rng.choice(["> ", "- ", "  - ", "[", "*", "(", "`", "{"])
    notes = [":" * (3 + depth - place) + "{note}" for place in range(depth)]
    rows[first:first] = rng.choice([[inside * depth + "words"], notes])
    return rows


#: What may be changed in a page's lines.
CHANGES: dict[str, Change] = {
    "a value in the front matter": _value_in_front,
    "a name in the front matter": _name_in_front,
    "a row of the front matter": _row_in_front,
    "an option": _option,
    "a new option": _new_option,
    "a block of options": _option_block,
    "a fence": _fence,
    "a line": _line,
    "a cell": _cell,
    "a sign": _code,
    "a stretch": _stretch,
    "a conflict": _conflict,
    "a deep nest": _deep,
}


def _noise(rng: random.Random, text: str) -> bytes:
    content = bytearray(text.encode())
    for _ in range(rng.randint(1, 5)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


#: How a page's text may be kept.
ENCODINGS: dict[str, Callable[[random.Random, str], bytes]] = {
    "Latin-1": lambda _, text: text.replace("a", "ä", 3).encode("latin-1", "replace"),
    "UTF-16": lambda _, text: text.encode("utf-16"),
    "a mark": lambda _, text: text.encode("utf-8-sig"),
    "carriage returns": lambda rng, text: text.replace("\n", rng.choice(["\r\n", "\r"])).encode(),
    "noise": _noise,
    "null": lambda rng, text: text.replace(rng.choice("aeiou"), "\0", 1).encode(),
    "half": lambda rng, text: text.encode()[: rng.randrange(len(text) + 1)],
}


@dataclasses.dataclass(frozen=True)
class Fuzzed:
    """A page that was changed: from which it was made, what was changed, and what its file then holds."""

    seed: int
    page: str
    changes: tuple[str, ...]
    content: bytes

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.page} with {', '.join(self.changes)} changed"


def real_pages() -> list[Path]:
    """The pages of the site that are changed."""
    docs = ROOT / "docs"
    found = [
        path for path in docs.rglob("*.md") if not any(p.startswith(("_", ".")) for p in path.relative_to(docs).parts)
    ]
    return sorted(path for path in found if path.stat().st_size <= LARGEST)


def fuzzed(seed: int, pages: list[Path]) -> Fuzzed:
    """A page with one to four changes."""
    rng = random.Random(seed)
    path = rng.choice(pages)
    rows = path.read_text(encoding="utf-8").split("\n")
    changes = [rng.choice(list(CHANGES)) for _ in range(rng.randint(1, 3))]
    for change in changes:
        rows = CHANGES[change](rng, rows) or [""]
    content = "\n".join(rows).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        changes.append(rng.choice(list(ENCODINGS)))
        content = ENCODINGS[changes[-1]](rng, "\n".join(rows) or "\n")
    return Fuzzed(seed, path.relative_to(ROOT / "docs").as_posix(), tuple(changes), content)


if __name__ == "__main__":
    made = fuzzed(int(sys.argv[1]), real_pages())
    print(made, file=sys.stderr)
    sys.stdout.buffer.write(made.content)
