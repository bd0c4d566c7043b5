"""The program ``examples/migrate``, run in the environment of PyTorch, and its models in those of all backends."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from support.programs import assert_refuses, assert_succeeds, on_every_backend, run_code, run_program

PROGRAM = "migrate/main.py"

#: Networks that are converted, and one for each layer or option that is refused.
NETWORKS = """\
from torch import nn


def image():
    table = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1))
    return nn.Sequential(table, nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5), nn.Softmax(dim=1))


def text():
    return nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.LSTM(4, 3, num_layers=2, batch_first=True))


def shared():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer)


def hooked():
    layer = nn.Linear(3, 3)
    layer.register_forward_hook(lambda *given: given[-1] * 2)
    return nn.Sequential(layer)


class Doubled(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


def weird():
    raise RuntimeError("no such data")


def number():
    return 3
"""

#: Code that makes a network, the shape of its input, and how it is refused.
REFUSED = [
    ("nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 3))", "3", "layer 1, GRU: not converted; known: AdaptiveAvgPool1d"),
    ("nn.MaxPool3d(2)", "1,4,4,4", "layer 0, MaxPool3d: not converted"),
    ("Doubled(3, 3)", "3", "layer 0, Doubled: not converted"),
    ("shared()", "3", "layer 2, Linear: shares weights with layer 0"),
    ("hooked()", "3", "layer 0, Linear: hooks are not converted"),
    ("nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))", "3", "ParametrizedLinear: not converted"),
    ("nn.Conv2d(4, 4, 3, groups=2)", "4,8,8", "layer 0, Conv2d: groups=2 is not converted, only groups=1"),
    ("nn.Conv2d(1, 1, 3, dilation=2)", "1,8,8", "dilation=(2, 2) is not converted"),
    ("nn.Conv2d(1, 1, 3, stride=(1, 2))", "1,8,8", "stride=(1, 2) must be equal numbers"),
    ("nn.Conv2d(1, 1, 3, padding=1, padding_mode='reflect')", "1,8,8", "padding_mode='reflect'"),
    ("nn.Conv1d(1, 1, 4, padding='same')", "1,8", "padding='same' needs a kernel of odd size"),
    (
        "nn.Sequential(nn.Tanh(), nn.MaxPool2d(2, padding=1))",
        "1,8,8",
        "layer 1, MaxPool2d: padding=1 is converted only",
    ),
    ("nn.MaxPool2d((1, 2))", "1,8,8", "kernel_size=(1, 2) must be equal numbers"),
    ("nn.MaxPool1d(2, dilation=2)", "1,8", "dilation=2 is not converted"),
    ("nn.MaxPool1d(2, ceil_mode=True)", "1,7", "ceil_mode=True"),
    ("nn.AdaptiveAvgPool2d(2)", "1,8,8", "output_size=2 is not converted"),
    ("nn.Flatten(0)", "3,3", "start_dim=0 is not converted"),
    ("nn.Softmax()", "3", "dim=None is not converted"),
    ("nn.LeakyReLU(2.0)", "3", "negative_slope=2.0 is above 1"),
    ("nn.Softplus(beta=2)", "3", "beta=2 is not converted"),
    ("nn.Embedding(3, 3, max_norm=1.0)", "3", "max_norm=1.0 is not converted"),
    ("nn.BatchNorm1d(3, track_running_stats=False)", "3", "without running statistics"),
    ("nn.LSTM(3, 3)", "4,3", "batch_first=False is not converted"),
    ("nn.LSTM(3, 3, batch_first=True, bidirectional=True)", "4,3", "bidirectional=True"),
    ("nn.Sequential(nn.LSTM(3, 3, batch_first=True), nn.Identity())", "4,3", "must be the last layer"),
    ("nn.Conv2d(1, 1, 3)", "8,8", "an input of shape (8, 8) does not fit"),
    ("nn.Linear(3, 3)", "4", "an input of shape (4,) does not fit"),
]

#: Converts each of these networks, and prints why not.
REFUSE = """\
import json
import sys

from from_torch import convert
from converted import NotConverted
from network import *

for code, shape, _ in json.load(sys.stdin):
    try:
        convert(eval(code), tuple(map(int, shape.split(","))))
    except ValueError as error:
        print(" ".join(str(error).split()))
    else:
        print("was converted")
"""

#: Convolutions, most with a kernel of even size, and the shapes of their inputs.
CONVOLUTIONS = [
    ("nn.Conv2d(2, 3, (2, 3))", "2,6,7"),
    ("nn.Conv2d(2, 3, (3, 4), stride=2, padding=(1, 0))", "2,9,8"),
    ("nn.Conv2d(2, 3, 2, stride=3)", "2,7,8"),
    ("nn.Conv2d(2, 3, (3, 1), bias=False)", "2,5,6"),
    ("nn.Conv1d(2, 3, 2)", "2,7"),
    ("nn.Conv1d(2, 3, 4, stride=3, padding=1)", "2,9"),
]

#: Converts each, and prints how far the gradients on NumPy and PyTorch are from PyTorch's own: input, weight.
GRADIENTS = """\
import json
import sys

import mithril as ml
import numpy as np
import torch
from from_torch import convert
from torch import nn

torch.manual_seed(0)
for code, shape in json.load(sys.stdin):
    layer, shape = eval(code), tuple(map(int, shape.split(",")))
    x = torch.randn(2, *shape, requires_grad=True)
    outputs = layer(x)
    weights = torch.randn(outputs.shape)
    expected = torch.autograd.grad(outputs, [x, layer.weight], weights)
    moved = convert(layer, shape)
    for backend in (ml.NumpyBackend(), ml.TorchBackend()):
        compiled = ml.compile(moved.model, backend, trainable_keys={"input"}, jit=False)
        params = moved.arrays(backend) | {"input": backend.array(x.detach().numpy())}
        found = compiled.evaluate_gradients(params, output_gradients={"output": backend.array(weights.numpy())})
        pairs = zip((found["input"], found["weight_0"]), expected, strict=True)
        print(*(np.abs(np.asarray(a) - b.numpy()).max() for a, b in pairs))
"""

#: Calls the program as the command line does, once for each list of words, and prints the status and what it said.
CALL = """\
import contextlib
import io
import json
import sys

import main

for words in json.load(sys.stdin):
    said = io.StringIO()
    status = 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main.main(words)
        except SystemExit as error:
            status = error.code
    print(json.dumps([status, said.getvalue()]))
"""

#: Converts networks with the command line, and keeps inputs with what PyTorch makes of them.
WRITE = """\
import main
import network
import numpy as np
import torch
from from_torch import outputs

rng = np.random.default_rng(0)
inputs = {"image": rng.normal(size=(2, 1, 8, 8)).astype("float32"), "text": rng.integers(9, size=(2, 5))}
for name, array in inputs.items():
    torch.manual_seed(7)
    torch.save(getattr(network, name)().state_dict(), f"{name}.pt")
    torch.manual_seed(7)
    np.savez(f"{name}.data.npz", inputs=array, expected=outputs(getattr(network, name)(), array))
    shape = ",".join(map(str, array.shape[1:]))
    main.main([f"network.py:{name}", "--shape", shape, "--weights", f"{name}.pt", "--out", name])
"""

#: Loads what was written, and evaluates it.
LOAD = """\
import pickle

import numpy as np
from converted import Converted

for name in ("image", "text"):
    with open(f"{name}.pickle", "rb") as file:
        model = pickle.load(file)
    with np.load(f"{name}.npz") as file:
        params = dict(file)
    with np.load(f"{name}.data.npz") as file:
        found = Converted(model, params).predict(Backend(), file["inputs"])
        print(name, found.shape == file["expected"].shape, float(np.abs(found - file["expected"]).max()))
"""

#: Where the class of a backend is. Off macOS, Mithril hides that of MLX.
CLASSES = {
    "numpy": "from mithril import NumpyBackend as Backend",
    "torch": "from mithril import TorchBackend as Backend",
    "jax": "from mithril import JaxBackend as Backend",
    "mlx": "from mithril.backends.with_autograd.mlx_backend import MlxBackend as Backend",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "network.py").write_text(NETWORKS)
    return tmp_path


run_python = functools.partial(run_code, "migrate")


@pytest.mark.takes(30)
def test_100_networks_compute_the_same(folder: Path) -> None:
    done = run_program(PROGRAM, "torch", "--prove", "100", folder=folder)
    first, *rows = assert_succeeds(done).splitlines()
    assert first == "100 networks, 26 kinds of layers"
    for row, name in zip(rows, ("numpy", "torch"), strict=True):
        found = re.fullmatch(rf"{name}: outputs at most (\S+) apart", row)
        assert found is not None and 0 < float(found[1]) <= 1e-5


def test_what_is_not_converted_is_refused_by_name(folder: Path) -> None:
    said = run_python("torch", REFUSE, folder=folder, given=json.dumps(REFUSED)).splitlines()
    assert len(said) == len(REFUSED)
    for (code, _, words), line in zip(REFUSED, said, strict=True):
        assert words in line, f"{code}: {line}"


def test_gradients_of_convolutions_are_those_of_pytorch(folder: Path) -> None:
    said = run_python("torch", GRADIENTS, folder=folder, given=json.dumps(CONVOLUTIONS)).splitlines()
    assert len(said) == 2 * len(CONVOLUTIONS)
    for number, line in enumerate(said):
        assert max(map(float, line.split())) <= 1e-4, f"{CONVOLUTIONS[number // 2]}: {line}"


def test_a_difference_is_found(folder: Path) -> None:
    code = (
        "import from_torch, main\nfrom mithril.models import Relu\nfrom torch import nn\n"
        "from_torch.LAYERS[nn.Tanh] = lambda spot, layer: spot.chain.add(Relu())\nmain.main(['--prove', '40'])\n"
    )
    with pytest.raises(AssertionError, match=r"network \d+ differs"):
        run_python("torch", code, folder=folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with networks that the program converted."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "network.py").write_text(NETWORKS)
    assert run_python("torch", WRITE, folder=folder).count("the model\n") == 2
    return folder


@on_every_backend
def test_the_files_need_no_pytorch(backend: str, written: Path) -> None:
    said = run_python(backend, f"{CLASSES[backend]}\n{LOAD}", folder=written)
    for line, name in zip(said.splitlines(), ("image", "text"), strict=True):
        assert line.startswith(f"{name} True ")
        assert float(line.split()[-1]) <= 1e-5


def test_weights_may_be_safetensors(folder: Path) -> None:
    code = (
        "import main, torch\nfrom network import image\nfrom safetensors.torch import save_file\n"
        "state = image().state_dict()\nsave_file(state, 'net.safetensors')\n"
        "main.main(['network.py:image', '--shape', '1,8,8', '--weights', 'net.safetensors'])\n"
        "print(float(state['3.weight'][0, 0]))\n"
    )
    weight = float(run_python("torch", code, folder=folder).splitlines()[-1])
    with np.load(folder / "migrated.npz") as arrays:
        assert np.isclose(arrays["weight_3"][0, 0], weight)


#: Command lines, and what is said of them.
MISTAKES: list[tuple[list[str], str]] = [
    ([], "name a network, FILE.py:FUNCTION, and give its --shape"),
    (["network.py:image"], "give its --shape"),
    (["network.py", "--shape", "3"], "write FILE.py:FUNCTION"),
    (["none.py:image", "--shape", "3"], "there is no file 'none.py'"),
    (["network.py:none", "--shape", "3"], "network.py has no 'none'"),
    (["network.py:weird", "--shape", "3"], "RuntimeError: no such data"),
    (["network.py:number", "--shape", "3"], "returned int, no network"),
    (["network.py:image", "--shape", "a"], "'a' is no shape"),
    (["network.py:image", "--shape", "1,8,8", "--out", "none/x"], "its folder does not exist"),
    (["network.py:image", "--shape", "1,8,8", "--weights", "none.pt"], "No such file"),
    (["network.py:image", "--shape", "1,8,8", "--weights", "network.py"], "holds no state dict"),
    (["network.py:image", "--shape", "1,8,8", "--weights", "part.pt"], "Missing key(s) in state_dict"),
    (["network.py:shared", "--shape", "3"], "layer 2, Linear: shares weights"),
    (["--prove", "0"], "--prove 0 must be at least 1"),
    (["network.py:image", "--prove", "3"], "--prove goes without a network"),
]


def test_a_mistake_is_one_line(folder: Path) -> None:
    given = json.dumps([words for words, _ in MISTAKES])
    part = "import torch\ntorch.save({'0.0.weight': torch.ones(4, 1, 3, 3)}, 'part.pt')\n"
    said = run_python("torch", part + CALL, folder=folder, given=given).splitlines()
    for (words, message), line in zip(MISTAKES, said, strict=True):
        status, text = json.loads(line)
        assert status == 2 and message in text, f"{words}: {line}"
        assert len(text.splitlines()) == 1, text


def test_without_pytorch(folder: Path) -> None:
    assert_refuses(run_program(PROGRAM, "numpy", "--prove", "1", folder=folder), "the converter needs PyTorch")
