"""What is right: a reference's outputs in 64 bits, its gradients by finite differences, and how far rounding may lead.

The reference gets the numbers that the backend gets, rounded to its precision. How much its outputs change where each
input changes by one rounding error says how exact any computation in that precision can be.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from mithril_docs.conformance.domain import Case, Domain, Refused

EPS = {bits: float(np.finfo(f"float{bits}").eps) for bits in (16, 32, 64)}
#: The step of a finite difference, times the larger of 1 and the number.
STEP = 1e-6
#: A difference quotient that grows so much with a step a hundred times smaller belongs to no finite derivative.
STEEPER = 3.0
#: A gradient is asked for where all inputs lie within this.
REACH = 1e5

Arrays = dict[str, Any]


def wave(shape: tuple[int, ...]) -> np.ndarray:
    """The gradients that outputs of a shape are given: numbers that no symmetry cancels."""
    return np.cos(np.arange(int(np.prod(shape)))).reshape(shape)


def rounded(array: Any, bits: int) -> Any:
    """An array of floating-point numbers as a backend of some bits holds it, in 64 bits; anything else as it is."""
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype(f"float{bits}").astype(float)
    return array


def trainable(domain: Domain, arrays: Arrays) -> list[str]:
    """The inputs that a gradient is asked for."""
    return [
        name for name, value in arrays.items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and name not in domain.data
    ]  # fmt: skip


def right(domain: Domain, case: Case) -> dict[str, Any]:
    """What is right for a case, as plain values.

    Returns
    -------
    dict
        ``refuses``, why there is no right value; or ``outputs``, name to ``kind`` (of the dtype: f, i, b, or O where
        it is no array), ``shape``, ``values`` and ``slack`` (how far one rounding error of the inputs leads), both
        flat; and ``gradients``, input to ``low`` and ``high``, between which the right values lie, or None where the
        derivative is not finite, and ``slack``.
    """
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        return _right(domain, case)


def _right(domain: Domain, case: Case) -> dict[str, Any]:
    options = domain.chosen(case)
    arrays = {name: rounded(value, case.bits) for name, value in domain.arrays(case).items()}

    def evaluate(function: Callable[..., Any], given: Arrays) -> dict[str, Any]:
        asked = {"bits": case.bits} if "bits" in inspect.signature(function).parameters else {}
        came = function(**{name: _copy(value) for name, value in given.items()}, **options, **asked)
        return came if isinstance(came, dict) else {"output": came}

    try:
        outputs = evaluate(domain.reference, arrays)
    except Refused as error:
        return {"refuses": str(error)}
    made: dict[str, Any] = {name: _told(value) for name, value in outputs.items()}
    floats = [name for name, value in arrays.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    if domain.random:
        return {"outputs": made, "gradients": {}, "random": True}
    nudged = [_nudged(arrays, floats, EPS[case.bits], sign) for sign in (1, -1, 0)] if floats else []
    for other in nudged:
        for name, value in evaluate(domain.reference, other).items():
            if made[name]["kind"] == "f" and np.shape(value) == np.shape(outputs[name]):
                change = np.abs(np.asarray(value, float) - np.asarray(outputs[name], float)).reshape(-1)
                made[name]["slack"] = np.fmax(made[name]["slack"], np.nan_to_num(change, nan=0.0, posinf=0.0)).tolist()
    return {"outputs": made, "gradients": _gradients(domain, case, arrays, nudged, evaluate)}


def _gradients(domain: Domain, case: Case, arrays: Arrays, nudged: list[Arrays], evaluate: Any) -> dict[str, Any]:
    wanted = trainable(domain, arrays)
    within = all(np.all(np.abs(arrays[name]) <= REACH) for name in wanted)
    if not wanted or not within:
        return {}

    def loss(given: Arrays) -> float:
        total = 0.0
        for name, value in evaluate(domain.slope, given).items():
            value = np.asarray(value)
            if value.dtype.kind == "f" and name not in domain.constant:
                seed = rounded(wave(value.shape), case.bits)
                total += float(np.sum(seed * value))
        return total

    if not any(
        np.asarray(value).dtype.kind == "f" and name not in domain.constant
        for name, value in evaluate(domain.slope, arrays).items()
    ):
        return {}
    found = {}
    for name in wanted:
        here = _quotients(loss, arrays, name, STEP)
        closer = _quotients(loss, arrays, name, STEP / 100)
        there = [_quotients(loss, other, name, STEP) for other in nudged[:1]]
        low: list[float | None] = []
        high: list[float | None] = []
        slack: list[float] = []
        for place, pair in enumerate(here):
            left, right_ = pair
            beside = [value for quotients in there for value in quotients[place]]
            steeper = max(map(abs, closer[place])) > STEEPER * max(1.0, *map(abs, pair))
            if steeper or not np.all(np.isfinite([left, right_])):
                low.append(None)
                high.append(None)
                slack.append(0.0)
                continue
            jump = abs(right_ - left)
            smooth = jump <= 1e-3 * max(1.0, abs(left))
            middle = (left + right_) / 2
            low.append(middle if smooth else min(left, right_))
            high.append(middle if smooth else max(left, right_))
            change = max((abs(value - middle) for value in beside if np.isfinite(value)), default=0.0)
            slack.append(change if smooth else 0.0)
        found[name] = {"shape": list(arrays[name].shape), "low": low, "high": high, "slack": slack}
    return found


def _quotients(loss: Callable[[Arrays], float], arrays: Arrays, name: str, step: float) -> list[tuple[float, float]]:
    """The difference quotients to the left and to the right of each element."""
    base = arrays[name]
    here = loss(arrays)
    found = []
    for place in range(base.size):
        size = step * max(1.0, abs(base.reshape(-1)[place]))
        sides = []
        for way in (-1, 1):
            moved = base.copy().reshape(-1)
            moved[place] += way * size
            exact = moved[place] - base.reshape(-1)[place]
            sides.append((loss(arrays | {name: moved.reshape(base.shape)}) - here) / exact)
        found.append((sides[0], sides[1]))
    return found


def _nudged(arrays: Arrays, names: list[str], eps: float, sign: int) -> Arrays:
    """Inputs with a rounding error each: all up, all down, or of mixed signs."""
    moved = dict(arrays)
    for name in names:
        value = arrays[name]
        signs = np.where(wave(value.shape) * (1 if name > names[0] else -1) > 0, 1, -1) if sign == 0 else sign
        moved[name] = value * (1 + eps * signs)
    return moved


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _told(value: Any) -> dict[str, Any]:
    if isinstance(value, np.ndarray | np.generic | float | int | bool):
        array = np.asarray(value)
        values = array.reshape(-1).tolist()
        return {"kind": array.dtype.kind, "shape": list(array.shape), "values": values, "slack": [0.0] * len(values)}
    return {"kind": "O", "shape": [], "values": [plain(value)], "slack": [0.0]}


def plain(value: Any) -> Any:
    """What is no array, as JSON holds it: numbers, lists of them, or text."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if isinstance(value, int | float | None) else str(value)
