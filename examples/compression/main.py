"""Compress a file of weights, or restore one; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
from techniques import (
    VALUES,
    encode_all,
    factorize,
    load,
    prune_all,
    restore,
    save,
)


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Compress arrays of a .npz file, or restore them.",
    )
    parser.add_argument("file", type=Path, help="a file of numpy.savez")
    parser.add_argument("out", type=Path, help="the .npz file to write")
    parser.add_argument(
        "--rank",
        type=int,
        default=0,
        help="of the two factors of a matrix (default: keep matrices)",
    )
    parser.add_argument(
        "--zeros",
        type=float,
        default=0.0,
        help="share of small weights that become 0 (default 0)",
    )
    parser.add_argument(
        "--values",
        choices=VALUES,
        default="float32",
        help="how a number is stored (default float32)",
    )
    parser.add_argument(
        "--restore",
        action="store_true",
        help="write arrays of float32 from a compressed file",
    )
    given = parser.parse_args(words)
    if given.rank < 0:
        refuse(f"--rank {given.rank} is negative")
    if not 0 <= given.zeros < 1:
        refuse(f"--zeros {given.zeros} must be at least 0 and below 1")
    if given.out.suffix != ".npz":
        refuse(f"{given.out}: the name must end in .npz")
    if not given.out.absolute().parent.is_dir():
        refuse(f"{given.out}: its folder does not exist")
    return given


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, or one line on what is wrong with it."""
    try:
        arrays = load(path)
    except (OSError, ValueError) as error:
        refuse(f"{path}: {error}")
    if not arrays:
        refuse(f"{path}: holds no arrays")
    return arrays


def compress(given: argparse.Namespace) -> dict[str, np.ndarray]:
    """What to store; prints how far the weights moved."""
    arrays = read(given.file)
    for key, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            refuse(f"{given.file}: {key} must hold finite floats")
    if given.rank:
        arrays = factorize(arrays, given.rank)
    try:
        stored = encode_all(prune_all(arrays, given.zeros), given.values)
    except ValueError as error:
        refuse(f"{given.file}: {error}")
    restored = restore(stored)
    for key, array in arrays.items():
        size = np.linalg.norm(array)
        moved = np.linalg.norm(restored[key] - array) / (size or 1.0)
        print(f"{key} {array.shape} moved by {moved:.1%}")
    return stored


def main(words: list[str] | None = None) -> None:
    """Read, change and write."""
    given = options(words)
    if given.restore:
        arrays = restore(read(given.file))
        np.savez(given.out, **arrays)
        print(f"{given.out}: {len(arrays)} arrays of float32")
        return
    size = save(compress(given), given.out)
    share = size / given.file.stat().st_size
    print(f"{given.out}: {size} bytes, {share:.0%} of {given.file}")


if __name__ == "__main__":
    main()
