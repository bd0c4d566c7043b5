"""Classify the nodes of a graph; --help lists the options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import mithril as ml
import numpy as np
from graphs import (
    Graph,
    batch,
    choose,
    digit_graph,
    from_edges,
    without_edges,
)
from model import LAYERS
from training import (
    classify,
    compile_network,
    inputs,
    spread_labels,
    train,
)

#: More nodes than this make (N, N) arrays of gigabytes.
MOST_NODES = 10_000


def whole(smallest: int):
    """A whole number of at least this much, for an option."""

    def number(word: str) -> int:
        value = int(word)
        if value < smallest:
            raise argparse.ArgumentTypeError(
                f"{value} is less than {smallest}"
            )
        return value

    number.__name__ = "whole number"
    return number


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        refuse(message)


def options(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="main.py",
        description="Classify the nodes of a graph from a few labels.",
    )
    parser.add_argument(
        "--backend", choices=["numpy", "torch", "jax", "mlx"], default="numpy"
    )
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        help="of all random numbers (default 0)",
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        default=60,
        help="training steps (default 60)",
    )
    parser.add_argument(
        "--layer",
        choices=LAYERS,
        default="attention",
        help="how a node combines messages (default attention)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help=".npz file with edges, features and labels (default: digits)",
    )
    parser.add_argument(
        "--labels",
        type=whole(1),
        default=10,
        help="labeled nodes of each class (default 10)",
    )
    parser.add_argument(
        "--width",
        type=whole(1),
        default=32,
        help="numbers for each node (default 32)",
    )
    parser.add_argument(
        "--layers",
        type=whole(1),
        default=2,
        help="layers that pass messages (default 2)",
    )
    parser.add_argument(
        "--heads",
        type=whole(1),
        default=2,
        help="of attention; must divide the width (default 2)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=".npy file to write the class of each node to",
    )
    given = parser.parse_args(words)
    if given.width % given.heads:
        refuse(f"--heads {given.heads} does not divide --width {given.width}")
    if given.out is not None and not given.out.absolute().parent.is_dir():
        refuse(f"--out {given.out}: its folder does not exist")
    return given


def refuse(message: str) -> NoReturn:
    """End with one line that says what to change."""
    print(f"main.py: {message}", file=sys.stderr)
    sys.exit(2)


def make_backend(name: str) -> ml.Backend:
    """The backend, or one line on why there is none."""
    try:
        if (
            name == "mlx"
        ):  # Off macOS, Mithril keeps this class out of its top module.
            from mithril.backends.with_autograd.mlx_backend import MlxBackend

            return MlxBackend()
        return {
            "numpy": ml.NumpyBackend,
            "torch": ml.TorchBackend,
            "jax": ml.JaxBackend,
        }[name]()
    except (ImportError, RuntimeError) as error:
        refuse(
            f"--backend {name}: {str(error).rstrip('.')}. "
            "Install its framework, or choose another backend."
        )


def read_graph(path: Path) -> Graph:
    """The graph of a file.

    The file holds `edges` (E, 2) with numbers of nodes from 0, `features`
    (N, F), and `labels` (N,) with classes from 0, or -1 if unknown.
    """
    try:
        with np.load(path) as file:
            edges = file["edges"]
            features, labels = file["features"], file["labels"]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        refuse(f"--data {path}: {error}")
    nodes = len(labels) if labels.ndim == 1 else 0
    numbers = all(array.dtype.kind in "iu" for array in (edges, labels))
    if not numbers or features.dtype.kind not in "iuf":
        refuse(f"--data {path}: edges and labels must be integers")
    if features.ndim != 2 or len(features) != nodes or nodes == 0:
        refuse(
            f"--data {path}: features {features.shape} and labels "
            f"{labels.shape} must have the shapes (N, F) and (N,)"
        )
    if nodes > MOST_NODES:
        refuse(f"--data {path}: {nodes} nodes, more than {MOST_NODES}")
    if edges.ndim != 2 or edges.shape[1] != 2:
        refuse(f"--data {path}: edges {edges.shape}, must be (E, 2)")
    if edges.size and not 0 <= edges.min() <= edges.max() < nodes:
        refuse(f"--data {path}: edges name nodes outside 0 to {nodes - 1}")
    if not np.isfinite(features).all():
        refuse(f"--data {path}: features must be finite")
    return Graph(features, from_edges(edges, nodes), labels.astype(int))


def accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """The share of right answers."""
    return float((found == truth).mean())


def main() -> None:
    """Train with and without edges, and compare on the other nodes."""
    given = options()
    backend = make_backend(given.backend)
    new: Graph | None = None
    if given.data is None:
        graph = digit_graph(np.arange(700))
        sizes = ((700, 1000), (1000, 1400), (1400, 1797))
        new = batch([digit_graph(np.arange(*size)) for size in sizes])
    else:
        graph = read_graph(given.data)

    counts = np.bincount(graph.labels[graph.labels >= 0], minlength=1)
    if len(counts) < 2 or counts.min() < given.labels:
        refuse(
            f"--labels {given.labels}: the rarest of {len(counts)} classes "
            f"has {counts.min()} nodes"
        )
    rng = np.random.default_rng(given.seed)
    known = choose(graph.labels, given.labels, rng)
    others = np.setdiff1d(np.flatnonzero(graph.labels >= 0), known)
    if not len(others):
        refuse(f"--labels {given.labels}: no node is left to measure with")

    config = {
        "layer": given.layer,
        "features": graph.features.shape[1],
        "width": given.width,
        "layers": given.layers,
        "classes": len(counts),
        "heads": given.heads,
    }
    edges = int(np.triu(graph.adjacency, 1).sum())
    print(f"{len(graph.labels)} nodes, {edges} edges, {len(known)} labels")

    trainer, predictor = compile_network(config, backend)

    def run(graph: Graph, new: Graph | None):
        """The losses, and the classes of all nodes of both graphs."""
        rng = np.random.default_rng(given.seed)
        params, losses = train(
            trainer, config, graph, known, backend, rng, given.steps
        )
        found = [
            classify(predictor, params, inputs(given.layer, one, backend))
            for one in (graph, new)
            if one is not None
        ]
        return losses, found

    losses, found = run(graph, new)
    _, alone = run(without_edges(graph), new and without_edges(new))
    truth = graph.labels[others]
    spread = max(
        accuracy(
            spread_labels(graph.adjacency, graph.labels, known, alpha)[others],
            truth,
        )
        for alpha in (0.2, 0.5, 0.8, 0.9, 0.95)
    )
    print(
        f"loss {losses[0]:.2f} in the first step, {losses[-1]:.2f} in the last"
    )
    print(
        f"accuracy {accuracy(found[0][others], truth):.3f} on other nodes; "
        f"without edges {accuracy(alone[0][others], truth):.3f}, "
        f"label spreading {spread:.3f}"
    )
    if new is not None:
        print(
            f"accuracy {accuracy(found[1], new.labels):.3f} on three new "
            f"graphs; without edges {accuracy(alone[1], new.labels):.3f}"
        )
    if given.out is not None:
        np.save(given.out, found[0])


if __name__ == "__main__":
    main()
