"""The one comparator: how far two backends, two runs or two versions agree, in words.

Numbers agree where ``|a - b| <= tolerance * max(1, |a|)`` and infinities and NaN stand in the same places.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def apart(wanted: Any, found: Any, tolerance: float) -> str:
    """How a value differs from the one that is wanted; empty where they agree.

    Parameters
    ----------
    wanted, found
        Numbers, nested lists of them of any shape, or anything else, which must be equal.
    tolerance
        The largest difference that is allowed, times the larger of 1 and the number that is wanted.
    """
    try:
        a, b = np.asarray(wanted, float), np.asarray(found, float)
    except (TypeError, ValueError):  # no numbers: a data type, for example
        return "" if wanted == found else f"is {found}, not {wanted}"
    if a.shape != b.shape:
        return f"has shape {b.shape}, not {a.shape}"
    bound = tolerance * np.maximum(1.0, np.abs(np.nan_to_num(a, posinf=0.0, neginf=0.0)))
    if np.allclose(b, a, 0, bound, equal_nan=True):
        return ""
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return "has NaN in other places"
    with np.errstate(invalid="ignore"):
        return f"differs by {np.nanmax(np.abs(a - b)):.3g}"


def first_apart(wanted: dict[str, Any], found: dict[str, Any], tolerance: float) -> str:
    """The first name, in alphabetical order, whose value is another, and how; empty where all agree."""
    for name in sorted(wanted.keys() | found.keys()):
        if name not in wanted or name not in found:
            return f"'{name}' is only there on one of them"
        if words := apart(wanted[name], found[name], tolerance):
            return f"'{name}' {words}"
    return ""


def other_outputs(shown: list[dict[str, Any]], came: list[dict[str, Any]]) -> str:
    """How the outputs of a cell in a second run differ from those that are shown; empty where they are the same.

    Everything counts, pictures too, but for what a program says on standard error and the frames of a traceback, which
    name folders; and what a stream holds counts, not how it was cut.
    """
    first, second = _told(shown), _told(came)
    for one, other in zip(first, second, strict=False):
        if one != other:
            return f"shows {_short(one)}, came {_short(other)}"
    return "" if len(first) == len(second) else f"shows {len(first)} outputs, came {len(second)}"


def _told(outputs: list[dict[str, Any]]) -> list[Any]:
    told: list[Any] = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            if output["name"] == "stderr":
                continue
            if told and told[-1][0] == "stdout":
                told[-1] = ("stdout", told[-1][1] + output["text"])
            else:
                told.append(("stdout", output["text"]))
        elif kind == "error":
            told.append(("error", output["ename"], output["evalue"]))
        else:
            told.append((kind, dict(output["data"])))
    return told


def _short(told: Any) -> str:
    words = repr(told)
    return words if len(words) < 400 else f"{words[:200]} … {words[-200:]}"
