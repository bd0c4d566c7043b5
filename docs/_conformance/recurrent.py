"""What cells and the models that unroll them may be given, and what is right."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import full, given, large, normal, reals, tiny, with_inf, with_nan, zeros

PLAIN = {"w_ih": normal(2, 3), "w_hh": normal(3, 3), "bias_h": normal(3), "w_ho": normal(3, 2), "bias_o": normal(2)}
GATES = {f"w_{gate}": normal(5, 3) for gate in "fico"} | {f"bias_{gate}": normal(3) for gate in "fico"}
GATED = GATES | {"w_out": normal(3, 2), "bias_out": normal(2)}


def rnn_step(x, h, c, p):
    """One step: the new states and the output."""
    new = np.tanh(h @ p["w_hh"] + x @ p["w_ih"] + p["bias_h"])
    return new, None, new @ p["w_ho"] + p["bias_o"]


def lstm_body(x, h, c, p):
    """The new hidden and cell states."""
    z = np.concatenate([x, h], axis=-1)
    f, i, g, o = (z @ p[f"w_{gate}"] + p[f"bias_{gate}"] for gate in "fico")
    cell = expit(f) * c + expit(i) * np.tanh(g)
    return expit(o) * np.tanh(cell), cell


def lstm_step(x, h, c, p):
    hidden, cell = lstm_body(x, h, c, p)
    return hidden, cell, hidden @ p["w_out"] + p["bias_out"]


def fitted(x, *states):
    """The rows of states that go with an input."""
    if any(len(state) < len(x) for state in states):
        raise Refused("there are fewer states than inputs")
    return [state[: len(x)] for state in states]


#: Not infinities: their gradients are products with slopes of 0, which are NaN in any framework.
FINITE = [draw for draw in reals(2, 1, 2) if draw.kind != "with_inf"]
CELL = {"input": normal(2, 1, 2), "prev_hidden": normal(2, 1, 3)}
CELLS = [
    *[CELL | {"input": value} for value in FINITE],
    CELL | {"prev_hidden": normal(3, 1, 3)},
    CELL | {"prev_hidden": with_nan(3, 1, 3)},
    CELL | {"prev_hidden": large(2, 1, 3)},
    {"input": normal(1, 1, 2), "prev_hidden": normal(1, 1, 3)},
    {"input": normal(0, 1, 2), "prev_hidden": normal(2, 1, 3)},
]


@model(
    "RNNCell",
    inputs=[
        *[states | PLAIN for states in CELLS],
        CELL | PLAIN | {"w_ih": zeros(2, 3), "bias_h": full(100.0, 3)},
        CELL | PLAIN | {"w_hh": tiny(3, 3)},
        CELL | PLAIN | {"bias_h": with_inf(3)},
        CELL | PLAIN | {"prev_hidden": normal(1, 1, 3)},
    ],
    data=["input", "prev_hidden"],
)
def rnn_cell(input, prev_hidden, **p):
    if 1 < len(prev_hidden) < len(input):
        raise Refused("there are fewer states than inputs")
    hidden, _, output = rnn_step(input, prev_hidden[: len(input)], None, p)
    return {"hidden": hidden, "hidden_compl": prev_hidden[len(input) :], "output": output}


LSTM_CELLS = [states | {"prev_cell": normal(*states["prev_hidden"].shape)} for states in CELLS]
BODIES = [
    *[case for case in LSTM_CELLS if case["input"].shape[0] == case["prev_hidden"].shape[0]],
    LSTM_CELLS[0] | {"prev_cell": with_nan(2, 1, 3)},
    LSTM_CELLS[0] | {"prev_cell": with_inf(2, 1, 3)},
    LSTM_CELLS[0] | {"prev_cell": large(2, 1, 3)},
]


@model(
    "LSTMCell",
    inputs=[
        *[states | GATED for states in LSTM_CELLS],
        *[states | GATED for states in BODIES[-3:]],
        LSTM_CELLS[0] | GATED | {"bias_f": full(100.0, 3), "bias_i": full(-100.0, 3)},
    ],
    data=["input", "prev_hidden", "prev_cell"],
)
def lstm_cell(input, prev_hidden, prev_cell, **p):
    hidden, cell, output = lstm_step(input, *fitted(input, prev_hidden, prev_cell), p)
    return {"hidden": hidden, "cell": cell, "hidden_compl": prev_hidden[len(input) :], "output": output}


def within(models):
    """The body in a model of its own: on PyTorch it cannot be compiled alone."""
    import mithril

    body = models.LSTMCellBody()
    keys = ["input", "prev_hidden", "prev_cell", *GATES]
    outer = models.Model()
    outer += body(**{key: key for key in keys}, output=mithril.IOKey("output"))
    return outer


@model(
    "LSTMCellBody",
    inputs=[states | GATES for states in BODIES],
    data=["input", "prev_hidden", "prev_cell"],
    build=within,
)
def body(input, prev_hidden, prev_cell, **p):
    hidden, cell = lstm_body(input, prev_hidden, prev_cell, p)
    return np.concatenate([cell, hidden])


STEPS = {"RNNCell": rnn_step, "LSTMCell": lstm_step}
WEIGHTS = {"RNNCell": PLAIN, "LSTMCell": GATED}


def unrolled(name):
    """Build a model of cells; the domain has the cell's name for ``cell_type``."""

    def build(models, *, cell_type, **chosen):
        return getattr(models, name)(cell_type=getattr(models, cell_type)(), **chosen)

    return build


def states(rows, cell, prefix=""):
    """Initial states."""
    kinds = ("hidden", "cell") if cell == "LSTMCell" else ("hidden",)
    return {f"{prefix}initial_{kind}": normal(rows, 1, 3) for kind in kinds}


def sequence(*rows, name="input", first=0):
    """The inputs of each step, with so many rows."""
    return {f"{name}{n}": normal(count, 1, 2) for n, count in enumerate(rows, start=first)}


def encoded(inputs, hidden, cell, cell_type, p):
    """The last hidden states and all outputs of sequences that end one after another."""
    ended, outputs = [], []
    step = STEPS[cell_type]
    for x in inputs:
        if len(hidden) < len(x):
            raise Refused("there are more sequences than before")
        ended.insert(0, hidden[len(x) :])
        hidden, cell, output = step(x, hidden[: len(x)], None if cell is None else cell[: len(x)], p)
        outputs.append(output)
    return np.concatenate([hidden, *ended]), outputs


MANY = [
    sequence(*rows) | states(rows[0], cell) | WEIGHTS[cell]
    for cell in WEIGHTS
    for rows in [(3, 2, 1), (1, 1), (2, 2), (2,), (3, 3), (4, 4), (2, 1, 2)]
]


def many_given(cell_type, max_sequence_length, **draws):
    """Whether there are so many inputs, for this cell."""
    count = sum(key.startswith("input") for key in draws)
    return count == max_sequence_length and ("w_ih" in draws) == (cell_type == "RNNCell")


def split(draws):
    """Inputs, targets, states and weights of an unrolled model."""
    inputs = [draws[key] for key in sorted(draws) if key.startswith("input") and key[5:].isdigit()]
    targets = {int(key[6:]): draws[key] for key in draws if key.startswith("target")}
    return inputs, targets, draws.get("initial_hidden"), draws.get("initial_cell")


@model(
    "ManyToOne",
    sample=8,
    options={"cell_type": ["RNNCell", "LSTMCell"], "max_sequence_length": [3, 2, 1]},
    inputs=MANY,
    where=many_given,
    data=["initial_hidden", "initial_cell", "input0", "input1", "input2"],
    build=unrolled("ManyToOne"),
)
def many_to_one(cell_type, max_sequence_length, **draws):
    inputs, _, hidden, cell = split(draws)
    last, outputs = encoded(inputs, hidden, cell, cell_type, draws)
    return {"hidden_concat": last, **{f"output{n}": output for n, output in enumerate(outputs)}}


def decoded(x, targets, hidden, cell, cell_type, p, steps, forced):
    """The outputs of a sequence that goes on from a first input."""
    outputs = []
    for n in range(steps):
        if n:
            rows = len(targets[n]) if targets else len(x)
            x = (targets[n - 1] if forced else outputs[-1])[:rows]
            if rows > len(hidden):
                raise Refused("there are more sequences than before")
        new = STEPS[cell_type](x, hidden[: len(x)], None if cell is None else cell[: len(x)], p)
        hidden, cell, output = new
        outputs.append(output)
    return outputs


ONE = [
    {"input": normal(rows[0], 1, 2)} | sequence(*rows[first:], name="target", first=first)
    | states(rows[0], cell) | WEIGHTS[cell]
    for cell in WEIGHTS
    for first in (1, 0)
    for rows in [(3, 2, 1), (2, 2), (2,)]
    if len(rows) > 1 or first
]  # fmt: skip


def one_given(cell_type, max_sequence_length, teacher_forcing, **draws):
    """Whether there are so many targets, for this cell; with teacher forcing the first is there."""
    count = sum(key.startswith("target") for key in draws) + (not teacher_forcing)
    named = ("target0" in draws) == (teacher_forcing and max_sequence_length > 1)
    if max_sequence_length == 1:
        count = 1 + sum(key.startswith("target") for key in draws)
    return named and count == max_sequence_length and ("w_ih" in draws) == (cell_type == "RNNCell")


@model(
    "OneToMany",
    sample=8,
    options={
        "cell_type": ["RNNCell", "LSTMCell"],
        "max_sequence_length": [3, 2, 1],
        "teacher_forcing": [False, True],
    },
    inputs=ONE,
    where=one_given,
    data=["input", "initial_hidden", "initial_cell", "target0", "target1", "target2"],
    build=unrolled("OneToMany"),
)
def one_to_many(cell_type, max_sequence_length, teacher_forcing, **draws):
    _, targets, hidden, cell = split(draws)
    found = decoded(draws["input"], targets, hidden, cell, cell_type, draws, max_sequence_length, teacher_forcing)
    return {f"output{n}": output for n, output in enumerate(found)}


def both(cell, rows, targets, first, indices=None):
    """Inputs of an encoder and of its decoder."""
    names = {"RNNCell": ("w_ho", "bias_o"), "LSTMCell": ("w_out", "bias_out")}[cell]
    encoder = {key: value for key, value in WEIGHTS[cell].items() if key not in names}
    if len(rows) == 1:  # Here the weights of the encoder's output must be there; it is as large as the state.
        encoder |= dict(zip(names, (normal(3, 3), normal(3)), strict=True))
    decoder = {f"decoder_{key}": value for key, value in WEIGHTS[cell].items()}
    extra = {"decoder_initial_cell": normal(rows[0], 1, 3)} if cell == "LSTMCell" else {}
    made = (
        {"decoder_input": normal(rows[0], 1, 2)} | sequence(*rows) | states(rows[0], cell) | encoder | decoder | extra
    )
    if indices is not None:
        made |= {"indices": indices} | sequence(*targets, name="target", first=first)
    return made


ORDERS = {3: given(2, 0, 1), 2: given(1, 0)}
PAIRS = [
    both(cell, rows, (rows[0], 2, 1)[first:steps], first, ORDERS[rows[0]])
    for cell in WEIGHTS
    for rows in [(3, 2, 1), (2, 2), (2,)]
    for first in (1, 0)
    for steps in (3, 2)
]
LENGTHS = {
    "cell_type": ["RNNCell", "LSTMCell"],
    "max_input_sequence_length": [3, 2, 1],
    "max_target_sequence_length": [3, 2],
}
DATA = [*(f"input{n}" for n in range(3)), *(f"target{n}" for n in range(3)), "decoder_input", "initial_hidden",
        "initial_cell", "decoder_initial_cell"]  # fmt: skip


def pair_given(cell_type, max_input_sequence_length, max_target_sequence_length, teacher_forcing, **draws):
    count = sum(key.startswith("target") for key in draws) + (not teacher_forcing)
    inputs = sum(key.startswith("input") for key in draws)
    return (
        ("w_ih" in draws) == (cell_type == "RNNCell")
        and ("target0" in draws) == teacher_forcing
        and count == max_target_sequence_length
        and inputs == max_input_sequence_length
    )


def translated(cell_type, steps, forced, draws):
    inputs, targets, hidden, cell = split(draws)
    encoder = {"w_ho": np.zeros((3, 2)), "bias_o": np.zeros(2)} if cell_type == "RNNCell" else {}
    encoder |= {"w_out": np.zeros((3, 2)), "bias_out": np.zeros(2)} | draws
    last, _ = encoded(inputs, hidden, cell, cell_type, encoder)
    if "indices" in draws:
        last = last[draws["indices"]]
    p = {key.removeprefix("decoder_"): value for key, value in draws.items() if key.startswith("decoder_")}
    found = decoded(draws["decoder_input"], targets, last, p.get("initial_cell"), cell_type, p, steps, forced)
    return {f"output{n}": output for n, output in enumerate(found)}


@model(
    "EncoderDecoder",
    sample=10,
    options=LENGTHS | {"teacher_forcing": [False, True]},
    inputs=PAIRS,
    where=pair_given,
    data=DATA,
    build=unrolled("EncoderDecoder"),
)
def encoder_decoder(cell_type, max_input_sequence_length, max_target_sequence_length, teacher_forcing, **draws):
    return translated(cell_type, max_target_sequence_length, teacher_forcing, draws)


def inference_given(cell_type, max_input_sequence_length, **draws):
    inputs = sum(key.startswith("input") for key in draws)
    return ("w_ih" in draws) == (cell_type == "RNNCell") and inputs == max_input_sequence_length


@model(
    "EncoderDecoderInference",
    sample=5,
    options=LENGTHS,
    inputs=[both(cell, rows, (), 1) for cell in WEIGHTS for rows in [(3, 2, 1), (2, 2), (2,)]],
    where=inference_given,
    data=DATA,
    build=unrolled("EncoderDecoderInference"),
)
def inference(cell_type, max_input_sequence_length, max_target_sequence_length, **draws):
    return translated(cell_type, max_target_sequence_length, False, draws)
