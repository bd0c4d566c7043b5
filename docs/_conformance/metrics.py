"""What metrics may be given, and what is right."""

from __future__ import annotations

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    booleans,
    distribution,
    given,
    integers,
    normal,
    onehot,
    ties,
    unit,
    with_inf,
)

FORMS = {
    "threshold": [None, 0.5, 0.0, 1.0],
    "is_binary": [False, True],
    "is_pred_one_hot": [True, False],
    "is_label_one_hot": [True, False],
}
SAMPLES = [
    {"pred": normal(6, 3), "label": onehot(6, 3)},
    {"pred": normal(6, 3), "label": integers(0, 3, 6)},
    {"pred": integers(0, 3, 6), "label": integers(0, 3, 6)},
    {"pred": unit(6), "label": integers(0, 2, 6)},
    {"pred": given(0.9, 0.5, 0.2, 0.7), "label": given(1, 1, 0, 1)},
    {"pred": normal(4, 2), "label": onehot(4, 2)},
    {"pred": normal(4, 2), "label": integers(0, 2, 4)},
    {"pred": unit(4), "label": onehot(4, 2)},
    {"pred": integers(0, 3, 6), "label": onehot(6, 3)},
    {"pred": ties(6, 3), "label": integers(0, 3, 6)},
    {"pred": with_inf(6, 3), "label": integers(0, 3, 6)},
    {"pred": given([0.1, 0.9], [0.8, 0.2], [0.3, 0.7]), "label": given(0, 0, 0)},
    {"pred": given(2, 2, 0, 1), "label": given(0, 1, 0, 1)},
    {"pred": given(0, 0, 1, 1), "label": given(2, 0, 1, 2)},
    {"pred": integers(0, 3, 6), "label": given(0.0, 1.0, 2.0, 0.0, 1.0, 2.0)},
    {"pred": unit(4), "label": booleans(4)},
    {"pred": normal(1, 3), "label": integers(0, 3, 1)},
    {"pred": unit(4, 1), "label": integers(0, 2, 4)},
    {"pred": normal(2, 3, 2), "label": integers(0, 2, 2, 3)},
]


def told(pred, label, threshold, is_binary, is_pred_one_hot, is_label_one_hot, **_):
    """Whether the options say what the inputs are."""
    if is_binary != (threshold is not None):  # It is needed for binary problems, and has no effect on others.
        return False
    if (label.kind == "onehot") != is_label_one_hot:
        return False
    if is_pred_one_hot:
        classes = 2 if is_binary else pred.shape[-1]
        return pred.ndim > 1 and pred.shape[-1] == classes and pred.kind != "unit"
    probabilities = pred.kind == "unit" or pred == SAMPLES[4]["pred"]
    return pred.ndim == 1 + (pred.shape[-1:] == (1,)) and probabilities == is_binary and pred.kind != "normal"


def formatted(pred, label, threshold, is_binary, is_pred_one_hot, is_label_one_hot):
    """The class numbers of predictions and labels."""
    if is_pred_one_hot:
        pred = np.argmax(pred, axis=-1)
    elif is_binary:
        pred = (pred > threshold) * 1
    if is_label_one_hot:
        label = np.argmax(label, axis=-1)
    if pred.shape != label.shape:
        raise Refused("predictions and labels have different shapes")
    return pred, label


@model("Metric", options=FORMS, inputs=SAMPLES, where=told, data=["label"])
def metric(**given):
    pred, label = formatted(**given)
    return {"output": pred - label * 1, "pred_formatted": pred, "label_formatted": label}


@model("Accuracy", options=FORMS, inputs=SAMPLES, where=told, data=["label"])
def accuracy(**given):
    pred, label = formatted(**given)
    return np.mean(pred == label)


def enough(average, n_classes, **given):
    """Whether there is a number of classes where one is needed."""
    return told(**given) and (average == "micro" or n_classes is not None)


AVERAGED = {"average": ["micro", "macro", "weighted"], "n_classes": [None, 3, 5, 2], **FORMS}


def averaged(score, average, n_classes, given):
    """A score of true positives, false positives and false negatives, combined over classes as scikit-learn does."""
    pred, label = formatted(**given)
    pred, label = np.ravel(pred), np.ravel(label)
    if average == "micro":
        right, wrong = np.sum(pred == label), np.sum(pred != label)
        return score(right, wrong, wrong)
    found = np.unique(np.concatenate([pred, label * 1]))
    if found.max() >= n_classes:
        raise Refused("there are more classes than n_classes")
    each = []
    for n in found:
        counts = (
            np.sum((pred == n) & (label == n)),
            np.sum((pred == n) & (label != n)),
            np.sum((pred != n) & (label == n)),
        )
        each.append(score(*counts))
    return np.average(each, weights=None if average == "macro" else [np.sum(label == n) for n in found])


def share(part, whole):
    """A quotient that is 0 where there is nothing to divide by."""
    return part / whole if whole else 0.0


@model("Precision", sample=16, options=AVERAGED, inputs=SAMPLES, where=enough, data=["label"])
def precision(average, n_classes, **given):
    return averaged(lambda tp, fp, _: share(tp, tp + fp), average, n_classes, given)


@model("Recall", sample=16, options=AVERAGED, inputs=SAMPLES, where=enough, data=["label"])
def recall(average, n_classes, **given):
    return averaged(lambda tp, _, fn: share(tp, tp + fn), average, n_classes, given)


@model("F1", sample=16, options=AVERAGED, inputs=SAMPLES, where=enough, data=["label"])
def f1(average, n_classes, **given):
    return averaged(lambda tp, fp, fn: share(tp, tp + (fp + fn) / 2), average, n_classes, given)


def ranked(scores, positive):
    """The probability that a positive has a higher score than a negative; a tie counts one half."""
    apart = scores[positive][:, None] - scores[~positive][None, :]
    return np.mean((apart > 0) + 0.5 * (apart == 0)) if apart.size else np.nan


def area_given(pred, label, n_classes, is_label_one_hot):
    """Whether the inputs have these classes; with one, the scores are a vector."""
    return (label.kind == "onehot") == is_label_one_hot and pred.shape[1:] == ((n_classes,) if n_classes > 1 else ())


@model(
    "AUC",
    options={"n_classes": [2, 3, 1], "is_label_one_hot": [True, False]},
    inputs=[
        {"pred": distribution(6, 2), "label": onehot(6, 2)},
        {"pred": distribution(6, 2), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": distribution(6, 3), "label": given(0, 1, 2, 0, 1, 2)},
        {"pred": distribution(8, 3), "label": onehot(8, 3)},
        {"pred": unit(6), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": unit(6), "label": onehot(6, 2)},
        {"pred": given(0.5, 0.5, 0.2, 0.9, 0.2, 0.2), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": given(0.5, 0.9, 0.9, 0.9, 0.2, 0.2), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": normal(6, 2), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": normal(6), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": given(0.0, 1.0, 1.0, 0.0, 0.5, 0.25), "label": given(0, 1, 0, 1, 1, 0)},
        {"pred": distribution(3, 2), "label": given(0, 0, 0)},
        {"pred": unit(6), "label": given(0.0, 1.0, 0.0, 1.0, 1.0, 0.0)},
    ],
    where=area_given,
    data=["pred", "label"],
)
def area(pred, label, n_classes, is_label_one_hot):
    classes = np.argmax(label, axis=-1) if is_label_one_hot else label
    each = [ranked(pred[:, n] if n_classes > 1 else pred, classes == n) for n in range(n_classes)]
    return {"output": np.mean(each), **{f"auc_class_{n}": value for n, value in enumerate(each)}}


@model(
    "AUCCore",
    inputs=[
        {"input": unit(6), "label": given(0.0, 1.0, 0.0, 1.0, 1.0, 0.0)},
        {"input": unit(6), "label": given(0, 1, 0, 1, 1, 0)},
        {"input": unit(6), "label": given(False, True, False, True, True, False)},
        {"input": normal(6), "label": given(0, 1, 0, 1, 1, 0)},
        {"input": given(0.0, 1.0, 0.5, 0.25), "label": given(0, 1, 0, 1)},
        {"input": given(0.5, 0.5, 0.25, 0.25), "label": given(0, 1, 0, 1)},
        {"input": unit(1), "label": given([1])},
        {"input": unit(4), "label": given(1, 1, 1, 1)},
        {"input": unit(4), "label": given(0, 0, 0, 0)},
    ],
    data=["input", "label"],
)
def curve(input, label):
    points = []
    for score in np.unique(input)[::-1]:
        above = input >= score
        counts = [np.sum(above & (label == value)) / np.float64(np.sum(label == value)) for value in (1, 0)]
        points.append(counts)
    return np.transpose(points)
