"""Carry a network of PyTorch over to Mithril; --help lists the options."""

from __future__ import annotations

import argparse
import pickle
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import mithril as ml
import numpy as np
from converted import Converted

if TYPE_CHECKING:
    from torch import nn

#: How far the outputs may be apart.
TOLERANCE = 1e-5
#: The backends that are installed beside PyTorch.
BACKENDS = ("numpy", "torch")


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def sizes(word: str) -> tuple[int, ...]:
    """A shape as it is written: 1,8,8."""
    words = word.split(",")
    if not all(size.isdigit() and int(size) > 0 for size in words):
        raise argparse.ArgumentTypeError(
            f"'{word}' is no shape: write sizes, such as 1,8,8"
        )
    return tuple(map(int, words))


def options(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="main.py", description=__doc__)
    parser.add_argument(
        "network",
        nargs="?",
        metavar="FILE.py:FUNCTION",
        help="returns the torch.nn.Sequential, such as network.py:build",
    )
    parser.add_argument(
        "--shape",
        type=sizes,
        metavar="SIZES",
        help="of one input, without the batch axis, such as 1,8,8",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="state dict by torch.save or safetensors "
        "(default: the weights that FUNCTION gives)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("migrated"),
        metavar="NAME",
        help="writes NAME.npz and NAME.pickle (default: migrated)",
    )
    parser.add_argument(
        "--prove",
        type=int,
        metavar="COUNT",
        help="convert this many random networks instead, and compare",
    )
    given = parser.parse_args(words)
    if given.prove is not None:
        if given.network or given.shape or given.weights:
            refuse("--prove goes without a network")
        if given.prove < 1:
            refuse(f"--prove {given.prove} must be at least 1")
    elif given.network is None or given.shape is None:
        refuse("name a network, FILE.py:FUNCTION, and give its --shape")
    elif not given.out.absolute().parent.is_dir():
        refuse(f"--out {given.out}: its folder does not exist")
    return given


def load_network(words: str) -> nn.Module:
    """The network that a function in a file returns."""
    from torch import nn

    name, colon, function = words.rpartition(":")
    path = Path(name)
    if not colon or not function:
        refuse(f"'{words}' is no network: write FILE.py:FUNCTION")
    if not path.is_file():
        refuse(f"there is no file '{name}'")
    sys.path.insert(0, str(path.resolve().parent))
    try:
        network = runpy.run_path(str(path))[function]()
    except KeyError as error:
        refuse(f"{name} has no {error}")
    except Exception as error:  # Whatever goes wrong in the reader's file.
        refuse(f"{words}: {type(error).__name__}: {error}")
    if not isinstance(network, nn.Module):
        refuse(f"{words} returned {type(network).__name__}, no network")
    return network


def load_weights(path: Path) -> dict[str, Any]:
    """A state dict of a file. Code in the file isn't run."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        refuse(f"--weights {path}: {error}")
    except Exception:  # As many kinds as there are ways to write a pickle.
        refuse(f"--weights {path}: holds no state dict")
    if not isinstance(state, dict):
        refuse(f"--weights {path}: holds no state dict")
    return state


def difference(
    network: nn.Module, converted: Converted, inputs: np.ndarray
) -> dict[str, float]:
    """How far outputs are from PyTorch's at most, on each backend."""
    from from_torch import outputs

    wanted = outputs(network, inputs)
    found = {
        "numpy": converted.predict(ml.NumpyBackend(), inputs),
        "torch": converted.predict(ml.TorchBackend(), inputs),
    }
    for name, array in found.items():
        if array.shape != wanted.shape:
            refuse(f"{name}: {array.shape} in place of {wanted.shape}")
    return {
        name: float(np.abs(array - wanted).max(initial=0.0))
        for name, array in found.items()
    }


def migrate(given: argparse.Namespace) -> None:
    """Convert one network, compare it and write it."""
    from from_torch import convert, load_state, reads_ids

    network = load_network(given.network)
    try:
        if given.weights:
            network = load_state(network, load_weights(given.weights))
        converted = convert(network, given.shape)
    except ValueError as error:
        refuse(f"{given.network}: {error}")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(4, *given.shape)).astype("float32")
    if reads_ids(network):
        inputs = np.zeros((4, *given.shape), dtype="int64")
    apart = difference(network, converted, inputs)
    for name, value in apart.items():
        print(f"{name}: outputs at most {value:.0e} apart")
    if not max(apart.values()) <= TOLERANCE:
        print("not written: the outputs differ", file=sys.stderr)
        sys.exit(1)
    np.savez(f"{given.out}.npz", **converted.params)
    Path(f"{given.out}.pickle").write_bytes(pickle.dumps(converted.model))
    count = sum(array.size for array in converted.params.values())
    print(f"{given.out}.npz: {count} parameters")
    print(f"{given.out}.pickle: the model")


def prove(count: int) -> None:
    """Convert random networks, and compare each on every backend."""
    from from_torch import convert
    from torch_networks import draw

    worst = dict.fromkeys(BACKENDS, 0.0)
    kinds = set()
    for number in range(count):
        drawn = draw(number)
        converted = convert(drawn.network, drawn.shape)
        apart = difference(drawn.network, converted, drawn.inputs)
        worst = {k: max(worst[k], apart[k]) for k in worst}
        kinds |= {type(layer).__name__ for layer in drawn.network.modules()}
        if not max(apart.values()) <= TOLERANCE:
            print(f"network {number} differs: {apart}", file=sys.stderr)
            sys.exit(1)
    print(f"{count} networks, {len(kinds - {'Sequential'})} kinds of layers")
    for name, value in worst.items():
        print(f"{name}: outputs at most {value:.0e} apart")


def main(words: list[str] | None = None) -> None:
    """Do what the command line says."""
    given = options(words)
    try:
        import from_torch  # noqa: F401
    except ImportError as error:
        refuse(f"{error}: the converter needs PyTorch")
    if given.prove:
        prove(given.prove)
    else:
        migrate(given)


if __name__ == "__main__":
    main()
