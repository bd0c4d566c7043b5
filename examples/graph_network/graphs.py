"""Graphs as arrays: where they come from, labels, and batches."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import euclidean_distances


@dataclass
class Graph:
    """N nodes: features (N, F), adjacency (N, N), labels (N,)."""

    features: np.ndarray
    adjacency: np.ndarray
    labels: np.ndarray


def from_edges(pairs, nodes):
    """The adjacency (N, N) of undirected edges (E, 2), with self-loops."""
    adjacency = np.eye(nodes)
    for one, other in pairs:
        adjacency[one, other] = adjacency[other, one] = 1
    return adjacency


def near_neighbors(points, count):
    """Edges (E, 2) from each point to those nearest to it.

    Of several that are equally near, the first ones.
    """
    distances = euclidean_distances(points, squared=True)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    starts = np.repeat(np.arange(len(points)), count)
    return np.stack([starts, nearest.ravel()], axis=1)


def digit_graph(images, neighbors=10):
    """Digits as nodes: edges from the upper halves, features from the lower.

    `images` are indices of scikit-learn's digits.
    """
    digits = load_digits()
    pixels = digits.data[images]
    edges = near_neighbors(pixels[:, :32], neighbors)
    return Graph(
        features=(pixels[:, 32:] - 5) / 6,
        adjacency=from_edges(edges, len(pixels)),
        labels=digits.target[images],
    )


def without_edges(graph):
    """The same nodes, each alone with its self-loop."""
    return replace(graph, adjacency=np.eye(len(graph.labels)))


def batch(graphs):
    """Several graphs as one, with no edge between them."""
    sizes = [len(graph.labels) for graph in graphs]
    adjacency, start = np.zeros((sum(sizes), sum(sizes))), 0
    for graph, size in zip(graphs, sizes, strict=True):
        block = slice(start, start + size)
        adjacency[block, block] = graph.adjacency
        start += size
    return Graph(
        features=np.concatenate([graph.features for graph in graphs]),
        adjacency=adjacency,
        labels=np.concatenate([graph.labels for graph in graphs]),
    )


def choose(labels, count, rng):
    """The indices of `count` random nodes of each class."""
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == c), count, replace=False)
            for c in np.unique(labels[labels >= 0])
        ]
    )


def one_hot(labels, known, classes):
    """(N, classes): a 1 for the class of known nodes, other rows 0."""
    rows = np.zeros((len(labels), classes))
    rows[known, labels[known]] = 1
    return rows
