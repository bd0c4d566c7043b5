"""Tables of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support import lighthouse

Row = dict[str, float]
Rows = dict[str, Row]


def ratio(ours: float, other: float, name: str = "stock") -> Row:
    """A row of two times and what the first is of the second."""
    return {"ours": ours, name: other, "ratio": ours / other}


def compare(ours: Mapping[str, float], stock: Mapping[str, float]) -> Rows:
    """Rows of two sides, and their totals."""
    sides = {"ours": ours, "stock": stock}
    rows = {name: {side: took[name] for side, took in sides.items() if name in took} for name in ours}
    return rows | {"total": ratio(sum(ours.values()), sum(stock.values()))}


def show(title: str, rows: Rows, note: str = "") -> None:
    """Print a table: a row a measurement, its columns by name."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    widths = [max(len(column) + 2, 9) for column in columns]
    print(f"\n{title}" + (f"\n({note})" if note else ""))
    print(f"{'':<24}" + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True)))
    for name, row in rows.items():
        cells = (f"{_told(row.get(column)):>{width}}" for column, width in zip(columns, widths, strict=True))
        print(f"{name:<24}{''.join(cells)}", flush=True)


def _told(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def show_lighthouse(found: dict[str, Any], runs: int) -> None:
    """Print the table of Lighthouse's scores."""
    print(f"\nLighthouse {lighthouse.LIGHTHOUSE}, mobile, gzip: median (lowest) of {runs} runs")
    print(f"{'':<8}{''.join(f'{name:>16}' for name in lighthouse.CATEGORIES)}{'KB':>8}{'pictures':>10}  page")
    for page, side, row in ((page, side, row) for page, sides in found.items() for side, row in sides.items()):
        scores = (f"{score:.2f} ({row['lowest'][name]:.2f})" for name, score in row["scores"].items())
        pictures = row["picture_bytes"] / 1000
        sizes = f"{row['bytes'] / 1000 - pictures:>8.0f}{pictures:>10.0f}"
        print(f"{side:<8}{''.join(f'{score:>16}' for score in scores)}{sizes}  {page}", flush=True)
