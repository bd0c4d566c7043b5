"""The program ``examples/onnx``, run as a process in the environment of each backend."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from mithril_docs.models.cards import MAKERS, cards
from mithril_docs.page import find_pages
from support.places import BACKENDS, ROOT, python_of

FOLDER = ROOT / "examples" / "onnx"
PROGRAM = FOLDER / "main.py"
NETWORK = f"{FOLDER / 'network.py'}:build"
GPT = ROOT / "examples" / "gpt" / "model.py"
VISION = ROOT / "examples" / "vision_transformer" / "model.py"

#: What is not exported and equal on any backend.
NOWHERE = {
    "BaseModel": "abstract",
    "Cell": "abstract",
    "DType": "not expressible",
    "RNN": "abstract",
}
#: What a backend itself cannot run, so that there is nothing to compare with.
ALONE = {
    "numpy": ("Cast", "Cholesky", "GaussProcessRegressionCore", "PositionalEncoding"),
    "torch": ("GPRAlpha", "GPRVOuter", "GaussProcessRegressionCore", "LSTMCellBody"),
    "jax": ("Cast", "PositionalEncoding"),
    "mlx": (
        *("AUC", "AUCCore", "Cast", "Cholesky", "Eigvalsh", "GPRAlpha", "GPRLoss", "GPRVOuter", "NanToNum"),
        *("GaussProcessRegressionCore", "PositionalEncoding", "Trapezoid", "Unique"),
    ),
}
#: The same, of the options below.
MISSING = {"mlx": ("equal scores", "infinities", "unique floats")}

#: Options that no card has, each with inputs. They reach the other branches of the operators.
OPTIONS = {
    "integers to relu": ["Relu()", "input=integers(9, 2, 3) - 4"],
    "integers to exp": ["Exponential()", "input=integers(3, 2, 3)"],
    "large numbers to sigmoid": ["Sigmoid()", "input=1000 * normal(2, 3)"],
    "softmax over rows": ["Softmax(axis=0)", "input=normal(2, 3)"],
    "mean of all": ["Mean(axis=None)", "input=normal(2, 3, 4)"],
    "mean of two axes": ["Mean(axis=(0, -1), keepdim=True)", "input=normal(2, 3, 4)"],
    "sum of integers": ["Sum(axis=0)", "input=integers(9, 2, 3)"],
    "sum of booleans": ["Sum(axis=0)", "input=booleans(2, 3)"],
    "max of integers": ["Max(axis=(0, 1))", "input=integers(9, 2, 3)"],
    "product of all": ["Prod(axis=None)", "input=normal(2, 3)"],
    "unbiased variance": ["Variance(axis=(0, 2), correction=1.0)", "input=normal(2, 3, 4)"],
    "argmax of all": ["ArgMax(axis=None)", "input=normal(2, 3)"],
    "argmin of all - kept": ["ArgMin(axis=None, keepdim=True)", "input=normal(2, 3)"],
    "integer and float": ["Add()", "left=integers(9, 2, 3), right=normal(3)"],
    "a constant": ['Model() + Multiply()(left="x", right=2.5, output=ml.IOKey("y"))', "x=integers(9, 2, 3)"],
    "integers divided": ["Divide()", "numerator=integers(9, 2, 3), denominator=integers(3, 3) + 1"],
    "integers divided - rounded down": [
        "FloorDivide()",
        "numerator=integers(99, 2, 30) - 50, denominator=integers(5, 30) * 2 - 5",
    ],
    "floats divided - rounded down": [
        "FloorDivide()",
        "numerator=np.array([1.0, -1.0, 0.3, 7.5, -7.5, 6.0]), denominator=np.array([0.1, 0.1, -0.1, 2.5, 2.5, 3.0])",
    ],
    "integer power": ["Power()", "base=integers(5, 2, 3) + 1, exponent=integers(3, 3)"],
    "robust power": ["Power(robust=True)", "base=normal(2, 3), exponent=positive(3)"],
    "robust log": ["Log(robust=True)", "input=normal(2, 3)"],
    "robust root": ["Sqrt(robust=True)", "input=normal(2, 3)"],
    "reciprocal of zero": ["StableReciprocal()", "input=np.array([0.0, 1e-25, -1e-25, 2.0])"],
    "negative numbers shifted": ["ShiftRight()", "input=integers(99, 2, 3) - 50, shift=integers(3, 3)"],
    "bits": ["LogicalAnd()", "left=integers(9, 2, 3), right=integers(9, 3)"],
    "bits turned": ["LogicalNot()", "input=integers(9, 2, 3)"],
    "infinities": ["NanToNum(nan=7.0, posinf=8.0, neginf=9.0)", "input=np.array([np.nan, np.inf, -np.inf, 1.0])"],
    "matrix and vector": ["MatrixMultiply()", "left=normal(2, 3, 4), right=normal(4)"],
    "matrices - broadcast": ["MatrixMultiply()", "left=normal(5, 2, 3, 4), right=normal(2, 4, 6)"],
    "reshape to a row": ["Reshape(shape=(-1,))", "input=normal(2, 3)"],
    "flatten the first axes": ["Flatten(start_dim=0, end_dim=1)", "input=normal(2, 3, 4)"],
    "transpose three axes": ["Transpose(axes=(2, 0, 1))", "input=normal(2, 3, 4)"],
    "concat without an axis": ["Concat(n=2, axis=None)", "input1=normal(2, 3), input2=normal(2, 2)"],
    "last column": ["TensorItem(index=(slice(None), -1))", "input=normal(3, 2)"],
    "ellipsis": ["TensorItem(index=(..., 0))", "input=normal(3, 2, 4)"],
    "new axis": ["TensorItem(index=(slice(-2, None), None, 1))", "input=normal(3, 5)"],
    "every second row": ["TensorSlice(start=None, stop=None, step=2)", "input=normal(5, 2)"],
    "two sizes": ["Size(dim=(0, 1))", "input=normal(5, 2)"],
    "range of floats": ["Arange(start=0.0, stop=1.0, step=0.25)", ""],
    "wide identity": ["Eye(N=2, M=3)", ""],
    "truth values to a tensor": ["ToTensor()", "input=(True, False)"],
    "unique floats": ["Unique()", "input=normal(5)"],
    "uneven padding": [
        "Convolution2D(kernel_size=3, out_channels=2, padding=((1, 0), (0, 2)), stride=2)",
        "input=normal(2, 3, 7, 8), kernel=normal(2, 3, 3, 3), bias=normal(1, 2, 1, 1)",
    ],
    "no bias": [
        "Convolution2D(kernel_size=3, out_channels=2, padding=1, use_bias=False)",
        "input=normal(2, 3, 7, 8), kernel=normal(2, 3, 3, 3)",
    ],
    # Backends differ in what they pad with, in how they round the quotient, and in points for equal scores.
    "pooling - padded": ["MaxPool2D(kernel_size=2, padding=1)", "input=-positive(1, 2, 6, 6)"],
    "pooling in one dimension - padded": ["MaxPool1D(kernel_size=2, padding=(1, 1))", "input=-positive(1, 2, 6)"],
    "causal attention": ["ScaledDotProduct()", "query=normal(2, 4, 3), key=normal(2, 4, 3), value=normal(2, 4, 6)"],
    "masked attention": [
        "ScaledDotProduct(is_causal=False, use_attn_mask=True)",
        "query=normal(2, 4, 3), key=normal(2, 5, 3), value=normal(2, 5, 6), attn_mask=normal(4, 5)",
    ],
    "scaled attention": [
        "ScaledDotProduct(is_causal=False, scale=0.3)",
        "query=normal(2, 2, 4, 3), key=normal(2, 2, 5, 3), value=normal(2, 2, 5, 6)",
    ],
    "probabilities": ['CrossEntropy(input_type="probs")', "input=distribution(4, 3), target=integers(3, 4)"],
    "soft targets": [
        'CrossEntropy(input_type="logits", categorical=False)',
        "input=normal(4, 3), target=distribution(4, 3)",
    ],
    "log probabilities": ['CrossEntropy(input_type="log_probs")', "input=-positive(4, 3), target=integers(3, 4)"],
    "weights": [
        'CrossEntropy(input_type="logits", weights=[1.0, 2.0, 3.0])',
        "input=normal(4, 3), target=integers(3, 4)",
    ],
    "weights from labels": [
        'CrossEntropy(input_type="logits", weights="auto")',
        "input=normal(9, 3), target=np.array([0, 1, 2, 0, 1, 2, 2, 2, 1])",
    ],
    "weights from soft labels": [
        'CrossEntropy(input_type="logits", categorical=False, weights="auto")',
        "input=normal(4, 3), target=distribution(4, 3)",
    ],
    "labels of two axes": ['CrossEntropy(input_type="logits")', "input=normal(4, 3, 2), target=integers(3, 4, 2)"],
    "robust loss": ['CrossEntropy(input_type="logits", robust=True)', "input=normal(4, 3), target=integers(3, 4)"],
    "weighed ones": [
        'BinaryCrossEntropy(input_type="logits", pos_weight=2.0, robust=True)',
        "input=normal(4, 1), target=booleans(4, 1) * 1.0",
    ],
    "weighed by labels": [
        'BinaryCrossEntropy(input_type="probs", pos_weight=True)',
        "input=unit(8, 1), target=booleans(8, 1) * 1.0",
    ],
    "third powers": ["PolynomialFeatures(degree=3)", "input=normal(4, 2)"],
    "below the first ring": ["NormModifier()", "input=np.array(-12.5)"],
    "equal scores": [
        "AUCCore()",
        "input=np.array([0.5, 0.5, 0.2, 0.9, 0.2]), label=np.array([0.0, 1, 0, 1, 1])",
    ],
    "a norm without scale": [
        "GroupNorm(num_groups=2, use_scale=False, use_bias=False)",
        "input=normal(2, 4, 3, 3)",
    ],
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


def run(backend: str, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python to its end in a folder."""
    command = [str(python_of(backend)), "-W", "ignore", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)


def script(backend: str, text: str, folder: Path) -> str:
    """What lines of Python print that find the program's modules."""
    done = run(backend, "-c", f"import sys\nsys.path.insert(0, {str(FOLDER)!r})\n{text}", folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(printed: str) -> dict[str, str]:
    """How each model stands in a table that ``conformance.py`` printed."""
    paragraphs = printed.strip().split("\n\n")[1:]
    words = {
        "exported and equal": "equal",
        "exported and different": "different",
        "exported, but the backend cannot run it": "alone",
        "exported, but ONNX Runtime cannot run it": "not run",
        "not expressible in ONNX": "not expressible",
        "not done": "not done",
        "not compiled by Mithril": "not compiled",
        "abstract classes, which cannot be built": "abstract",
    }
    found: dict[str, str] = {}
    for paragraph in paragraphs:
        head, *rows = paragraph.split("\n")
        count, _, state = head.rstrip(":").partition(" ")
        if state in ("exported and equal", "abstract classes, which cannot be built"):
            names = " ".join(rows).split(", ")
        else:
            names = [row.split(":")[0] for row in rows if not row.startswith("   ")]
        assert len(names) == int(count), paragraph
        found |= {" ".join(name.split()): words[state] for name in names}
    return found


def test_the_list_of_models_is_that_of_the_reference() -> None:
    """So the table of the page is about every model with a card, with the inputs of the card."""
    pages = [page for page in find_pages(ROOT / "docs") if page.name.startswith("reference/models/")]
    made = {card.name: [card.build, card.inputs] if card.build else [] for page in pages for card in cards(page)}
    assert tomllib.loads((FOLDER / "models.toml").read_text("utf-8")) == made
    assert len(made) == 153
    program = (FOLDER / "conformance.py").read_text("utf-8")
    assert set(MAKERS) == set(re.findall(r"^    def (\w+)", program, re.MULTILINE))


@pytest.mark.takes(15)
def test_every_model(backend: str, tmp_path: Path) -> None:
    done = run(backend, FOLDER / "conformance.py", "--backend", backend, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(done.stdout)
    others = {name: state for name, state in found.items() if state != "equal"}
    assert others == dict.fromkeys(ALONE[backend], "alone") | NOWHERE
    assert len(found) == 153


@pytest.mark.takes(10)
def test_options(backend: str, tmp_path: Path) -> None:
    rows = [f"'{name}' = ['{build}', '{inputs}']" for name, (build, inputs) in OPTIONS.items()]
    (tmp_path / "options.toml").write_text("\n".join(rows), encoding="utf-8")
    done = run(backend, FOLDER / "conformance.py", "--backend", backend, "options.toml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(done.stdout)
    assert found.keys() == OPTIONS.keys()
    assert {name: state for name, state in found.items() if state != "equal"} == dict.fromkeys(
        MISSING.get(backend, ()), "alone"
    )


def test_a_wrong_translation_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('Relu = ["Relu()", "input=normal(2, 3)"]\n', encoding="utf-8")
    text = "import conformance, onnx_operators\nonnx_operators.SAME['relu'] = 'Abs'\n"
    assert "1 exported and different" in script("numpy", f"{text}print(conformance.main(['one.toml']))", tmp_path)


def test_help(backend: str, tmp_path: Path) -> None:
    done = run(backend, PROGRAM, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for option in ("--weights", "--input", "--data", "--backend", "--out", "--seed", "--tolerance"):
        assert option in done.stdout


def test_it_exports(backend: str, tmp_path: Path) -> None:
    done = run(backend, PROGRAM, NETWORK, "--input", "x=N,64", "--backend", backend, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    assert re.fullmatch(r"model\.onnx: 5 nodes, [\d,]+ bytes", first)
    assert rows == [f"batch {n}, logits ({n + 1} x 10): equal within 1e-05" for n in (1, 2)]


def test_the_file_needs_nothing_of_mithril(tmp_path: Path) -> None:
    """Trained weights and data of one's own, an output of integers, and a process that only has ONNX Runtime."""
    (tmp_path / "mine.py").write_text(
        "import mithril as ml\nfrom mithril.models import ArgMax, Linear, Model\n\n\n"
        "def build():\n    model = Model()\n    model += Linear(3)(input='x', w='w', b='b', output='y')\n"
        "    model += ArgMax(axis=1)(input='y', output=ml.IOKey('best'))\n    return model\n"
    )
    text = "import numpy as np\nfrom safetensors.numpy import save_file\nr = np.random.default_rng(0)\n"
    text += "w = {'w': r.normal(size=(4, 3)), 'b': r.normal(size=3)}\nx = r.normal(size=(5, 4)).astype('f4')\n"
    text += "save_file({k: v.astype('f4') for k, v in w.items()}, 'w.st')\nsave_file({'x': x}, 'x.st')\n"
    wanted = script("numpy", text + "print((x @ w['w'] + w['b']).argmax(axis=1).tolist())", tmp_path)
    words = ("mine.py:build", "--weights", "w.st", "--data", "x.st", "--input", "x=N,4", "--out", "best.onnx")
    done = run("numpy", PROGRAM, *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "batch 1, best (5): equal within 1e-05"
    text = "import onnxruntime, sys\nfrom safetensors.numpy import load_file\n"
    text += "found = onnxruntime.InferenceSession('best.onnx').run(None, load_file('x.st'))\n"
    assert script("numpy", text + "assert 'mithril' not in sys.modules\nprint(found[0].tolist())", tmp_path) == wanted


def test_numbers_that_differ_are_told(tmp_path: Path) -> None:
    text = "import onnx_operators, main\nonnx_operators.SAME['relu'] = 'Abs'\n"
    text += f"print(main.main([{NETWORK!r}, '--input', 'x=2,64']))\n"
    assert script("numpy", text, tmp_path).endswith("batch 1, logits (2 x 10): DIFFERENT\n1\n")


def save_weights(model: Path, words: str, folder: Path) -> None:
    """Write the initial parameters of an example as ``w.st``."""
    text = f"sys.path.insert(0, {str(model.parent)!r})\nimport numpy as np\nfrom safetensors.numpy import save_file\n"
    text += f"from model import initial_parameters\nmade = initial_parameters({words})\n"
    script("numpy", text + "save_file({k: v.astype('f4') for k, v in made.items()}, 'w.st')", folder)


@pytest.mark.takes(10)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_the_language_model(backend: str, tmp_path: Path) -> None:
    """Of any length, and with the keys and values of what was read before."""
    config = "{'vocabulary': 99, 'context': 16, 'width': 12, 'layers': 2, 'heads': 3}"
    save_weights(GPT, f"{config}, np.random.default_rng(0)", tmp_path)
    inputs = [f"past_{name}_{i}=N,3,P,4" for name in ("key", "value") for i in (0, 1)]
    for call, words in {
        "gpt(99, 16, 12, 2, 3)": ["token=N,T:int32", "position=T:int32"],
        "gpt(99, 16, 12, 2, 3, cached=True)": ["token=N,1:int32", "position=1:int32", *inputs],
    }.items():
        told = [f"--input={word}" for word in words]
        options = ("--weights", "w.st", "--backend", backend)
        done = run(backend, PROGRAM, f"{GPT}:{call}", *options, *told, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(re.findall(r"^batch \d, logits .*: equal within 1e-05$", done.stdout, re.MULTILINE)) == 2


@pytest.mark.takes(10)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.skipif(not VISION.exists(), reason="there is no examples/vision_transformer")
def test_the_vision_transformer(backend: str, tmp_path: Path) -> None:
    save_weights(VISION, "8, 2, 12, 2, 3, 10, np.random.default_rng(0)", tmp_path)
    words = (f"{VISION}:vit(8, 2, 12, 2, 3, 10)", "--weights", "w.st", "--input", "image=N,8,8", "--backend", backend)
    done = run(backend, PROGRAM, *words, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^batch \d, logits .*: equal within 1e-05$", done.stdout, re.MULTILINE)) == 2


def test_a_target_of_compile(tmp_path: Path) -> None:
    """ONNX Runtime as a backend: it translates anew for other sizes, and refuses gradients."""
    text = "import mithril as ml, numpy as np\nfrom network import build\nfrom onnx_target import OnnxBackend\n"
    text += "target, plain = OnnxBackend(), ml.NumpyBackend()\nr = np.random.default_rng(0)\n"
    text += "options = {'data_keys': {'x'}, 'inference': True, 'jit': False}\n"
    text += "compiled, other = (ml.compile(build(8), b, **options) for b in (target, plain))\n"
    text += "sizes = {'w1': (64, 8), 'b1': 8, 'w2': (8, 10), 'b2': 10}\n"
    text += "p = {k: plain.array(r.normal(size=s)) for k, s in sizes.items()}\n"
    text += "for rows in (2, 5):\n    x = {'x': plain.array(r.normal(size=(rows, 64)))}\n"
    text += (
        "    a, b = (c.evaluate(p, x)['logits'] for c in (compiled, other))\n    print(np.allclose(a, b, atol=1e-5))\n"
    )
    text += "try:\n    ml.compile(build(8), target, jit=False)\nexcept ValueError as error:\n    print(error)\n"
    told = "this target has no gradients: compile with inference=True"
    assert script("numpy", text, tmp_path).splitlines() == ["True", "True", told]


BAD = {
    "no call": (["network.py"], "'network.py' is no model: write FILE.py:CALL"),
    "a missing file": (["nowhere.py:build"], "there is no file 'nowhere.py'"),
    "a missing function": ([NETWORK.replace("build", "built")], "NameError: name 'built' is not defined"),
    "no model": ([NETWORK.replace("build", "ml")], "made module, which is no model"),
    "an unknown input": ([NETWORK, "--input", "x=N,64", "--input", "z=3"], "has no input z"),
    "no weights for a key": ([NETWORK, "--input", "x=N,64", "--weights", "some.st"], "no values for b1, b2, w2"),
    "no sizes": ([NETWORK], "no random parameters, so use --weights"),
    "a wrong size": ([NETWORK, "--input", "x=N,63", "--weights", "all.st"], "Incompatible dimensions for matrix"),
    "a bad input": ([NETWORK, "--input", "x=N:64"], "'x=N:64': the type is one of float32"),
    "a worse input": ([NETWORK, "--input", "x"], "'x' is not of the form NAME=SIZE,SIZE:TYPE"),
    "a negative seed": ([NETWORK, "--input", "x=N,64", "--seed", "-1"], "--seed: -1 is no number from 0 up"),
    "a tolerance that is none": ([NETWORK, "--input", "x=N,64", "--tolerance", "nan"], "nan is no number from 0 up"),
    "no such weights": ([NETWORK, "--input", "x=N,64", "--weights", "none.st"], "--weights none.st: No such file"),
    "weights that are none": ([NETWORK, "--input", "x=N,64", "--weights", "text.st"], "--weights text.st: "),
    "a missing folder": ([NETWORK, "--input", "x=N,64", "--out", "none/m.onnx"], "No such file or directory"),
    "a missing backend": ([NETWORK, "--input", "x=N,64", "--backend", "jax"], "--backend jax: "),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_one_line(what: str, tmp_path: Path) -> None:
    (tmp_path / "text.st").write_text("no arrays\n")
    if what in ("a wrong size", "no weights for a key"):
        text = "import numpy as np\nfrom safetensors.numpy import save_file\nw = {'w1': np.zeros((64, 32), 'f4')}\n"
        text += "save_file(w, 'some.st')\nsizes = {'b1': 32, 'w2': (32, 10), 'b2': 10}\n"
        script("numpy", text + "save_file(w | {k: np.zeros(s, 'f4') for k, s in sizes.items()}, 'all.st')", tmp_path)
    words, told = BAD[what]
    assert_told_in_one_line(run("numpy", PROGRAM, *words, folder=tmp_path), told)


def assert_told_in_one_line(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert done.returncode == 2, done
    assert done.stdout == "" and told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_list_of_models_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.toml").write_text("Relu\n")
    for name, told in {"none.toml": "none.toml: ", "notes.toml": "notes.toml: "}.items():
        assert_told_in_one_line(run("numpy", FOLDER / "conformance.py", name, folder=tmp_path), told)


def test_a_model_that_onnx_cannot_express_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kind.py").write_text(
        "import mithril as ml\nfrom mithril.models import DType, Model\n\n\ndef build():\n"
        "    return Model() + DType()(input='x', output=ml.IOKey('y'))\n"
    )
    done = run("torch", PROGRAM, "kind.py:build", "--input", "x=3", "--backend", "torch", folder=tmp_path)
    assert_told_in_one_line(done, "the result is a type, which is no tensor")
