"""Make weights smaller: low rank, zeros, and fewer bits. Needs NumPy only.

Three stages follow one another, and each may be left out: the shape of an
array (low rank), its zeros (pruning), and how its values are stored.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

#: How values can be stored.
VALUES = ("float32", "float16", "int8", "shared")
#: Between the name of an array and the part of it that is stored.
MARK = ":"


def low_rank(weight: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Two factors (rows, rank), (rank, columns) whose product is near.

    No other factors of this rank have a smaller squared error.
    """
    left, strength, right = np.linalg.svd(weight, full_matrices=False)
    root = np.sqrt(strength[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]


def prune(weight: np.ndarray, share: float) -> np.ndarray:
    """The weight with this share of its entries, the smallest, at zero."""
    cut = np.sort(np.abs(weight), axis=None)[: int(share * weight.size)]
    return weight if cut.size == 0 else weight * (np.abs(weight) > cut[-1])


def share_values(values: np.ndarray, count: int = 16, rounds: int = 20):
    """A table of values, and for each value its place in the table.

    This is k-means in one dimension. It starts from quantiles.
    """
    if values.size == 0:
        return np.zeros(count, np.float32), np.zeros(0, int)
    table = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(rounds):
        edges = (table[1:] + table[:-1]) / 2
        places = np.searchsorted(edges, values)
        sums = np.bincount(places, weights=values, minlength=count)
        members = np.bincount(places, minlength=count)
        table = np.where(members, sums / np.maximum(members, 1), table)
        table.sort()
    edges = (table[1:] + table[:-1]) / 2
    return table.astype(np.float32), np.searchsorted(edges, values)


def pack_pairs(numbers: np.ndarray) -> np.ndarray:
    """Two numbers below 16 in each byte."""
    even = np.append(numbers, np.zeros(len(numbers) % 2, int))
    return (even[::2] * 16 + even[1::2]).astype(np.uint8)


def unpack_pairs(packed: np.ndarray, count: int) -> np.ndarray:
    """The numbers that `pack_pairs` was given."""
    return np.stack([packed // 16, packed % 16], axis=1).ravel()[:count]


def encode(array: np.ndarray, values: str) -> dict[str, np.ndarray]:
    """The parts that a file stores of an array.

    If half of the array is zero, one bit for each entry says where the
    others are, and only these are stored.
    """
    parts = {"shape": np.array(array.shape, np.int32)}
    kept = array.ravel()
    if (array == 0).mean() >= 0.5:
        parts["places"] = np.packbits(kept != 0)
        kept = kept[kept != 0]
    if values in ("float32", "float16"):
        parts["codes"] = kept.astype(values)
    elif values == "int8":
        scale = np.float32(np.abs(kept).max(initial=0) or 1) / np.float32(127)
        parts["codes"] = np.round(kept / scale).astype(np.int8)
        parts["scale"] = scale
    elif values == "shared":
        parts["table"], numbers = share_values(kept)
        parts["codes"] = pack_pairs(numbers)
    else:
        raise ValueError(f"{values!r} is none of {', '.join(VALUES)}")
    return parts


def decode(parts: dict[str, np.ndarray]) -> np.ndarray:
    """The array in float32."""
    shape = tuple(parts["shape"])
    size = int(np.prod(shape))
    places = np.ones(size, bool)
    if "places" in parts:
        places = np.unpackbits(parts["places"], count=size).astype(bool)
    codes = parts["codes"]
    if "table" in parts:
        codes = parts["table"][unpack_pairs(codes, int(places.sum()))]
    elif "scale" in parts:
        codes = codes * parts["scale"]
    full = np.zeros(size, np.float32)
    full[places] = codes
    return full.reshape(shape)


def factorize(
    arrays: dict[str, np.ndarray], rank: int
) -> dict[str, np.ndarray]:
    """The arrays, with `w.left` and `w.right` in place of a matrix `w`.

    A matrix stays as it is if two factors are no smaller.
    """
    result = {}
    for key, array in arrays.items():
        if array.ndim == 2 and rank * sum(array.shape) < array.size:
            factors = low_rank(array, rank)
            result[f"{key}.left"], result[f"{key}.right"] = factors
        else:
            result[key] = array
    return result


def prune_all(
    arrays: dict[str, np.ndarray], share: float
) -> dict[str, np.ndarray]:
    """The arrays, with zeros in all that have more than one axis."""
    return {
        key: prune(array, share) if array.ndim > 1 else array
        for key, array in arrays.items()
    }


def encode_all(
    arrays: dict[str, np.ndarray], values: str
) -> dict[str, np.ndarray]:
    """What to store of these arrays.

    Arrays with one axis, such as biases, stay floats: they are small.
    """
    stored = {}
    for key, array in arrays.items():
        if MARK in key:
            raise ValueError(f"the name {key!r} contains {MARK!r}")
        if array.ndim < 2:
            stored[key] = array.astype(np.float32)
            continue
        for part, content in encode(array, values).items():
            stored[key + MARK + part] = content
    return stored


def restore(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that `encode_all` was given, in float32."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    arrays = {}
    for key, content in stored.items():
        name, mark, part = key.rpartition(MARK)
        if mark:
            groups.setdefault(name, {})[part] = content
        else:
            arrays[key] = content
    return arrays | {name: decode(parts) for name, parts in groups.items()}


def save(stored: dict[str, np.ndarray], path: str | Path) -> int:
    """Write a file, compressed losslessly, and return its bytes."""
    np.savez_compressed(path, **stored)
    return Path(path).stat().st_size


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file that `save` or `numpy.savez` has written."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError("no file of numpy.savez") from error
