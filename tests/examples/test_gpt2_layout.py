"""``examples/gpt`` loads checkpoints in GPT-2's layout: held against the GPT-2 of the package ``transformers``.

The environment of PyTorch has ``transformers``. It makes a small GPT-2 with random weights there, saves it as published
checkpoints are saved, and computes what the model should give.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from support import programs
from support.places import BACKENDS, ROOT, python_of

EXAMPLE = ROOT / "examples" / "gpt"
TOKENS = [5, 96, 0, 17, 17, 42, 3, 88, 61, 2, 30, 71, 9]
TEXT = """It's a naïve tést: they'll write 1234 words, don't they?  Two  spaces,\ttabs
and\n\n\nlines_with_underscores... 語 and 🙂 too; "quotes" — dashes (brackets) x=3.14! the cat, the dog, the end. """

#: Runs with ``transformers``, in a folder that gets the checkpoint and what it should give.
REFERENCE = """\
import json
import sys

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

folder, tokens, text = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
torch.manual_seed(0)
model = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=97, n_positions=32, n_embd=48, n_layer=2, n_head=4, initializer_range=0.2,
        bos_token_id=0, eos_token_id=0,
    )
).eval()
with torch.no_grad():
    for parameter in model.parameters():  # biases and norms too, which begin as zeros and ones
        parameter.add_(0.1 * torch.randn_like(parameter))
    assert model.config.activation_function == "gelu_new"
    model.save_pretrained(folder + "/gpt2")
    given = torch.tensor([tokens])
    found = model(given, labels=given)
    written = list(tokens)
    for _ in range(8):
        written.append(int(model(torch.tensor([written])).logits[0, -1].argmax()))
np.save(folder + "/logits.npy", found.logits[0].numpy())
answers = {"perplexity": float(found.loss.exp()), "written": written}

sys.path.insert(0, sys.argv[4])
from checkpoint import byte_order
from tokenizer import learn_merges

signs = {b: chr(b if i < 188 else 68 + i) for i, b in enumerate(byte_order())}
parts = [signs[b] for b in range(256)]
merges = []
for left, right in learn_merges(text, 60):
    merges.append((parts[left], parts[right]))
    parts.append(parts[left] + parts[right])
vocabulary = [signs[b] for b in byte_order()] + parts[256:] + ["<|endoftext|>"]
with open(folder + "/merges.txt", "w", encoding="utf-8") as file:
    print("#version: 0.2", *(" ".join(pair) for pair in merges), sep="\\n", file=file)
with open(folder + "/vocab.json", "w", encoding="utf-8") as file:
    json.dump({word: i for i, word in enumerate(vocabulary)}, file)
theirs = GPT2Tokenizer(folder + "/vocab.json", folder + "/merges.txt")
answers["tokens"] = theirs.encode(text)
with open(folder + "/answers.json", "w") as file:
    json.dump(answers, file)
"""
#: Runs in each backend's environment: the logits, as the example's own functions give them.
LOGITS = """\
import sys

import numpy as np

folder, name, tokens = sys.argv[1], sys.argv[2], eval(sys.argv[3])
sys.path.insert(0, sys.argv[4])
import main
from checkpoint import read_weights
from generation import compile_generator, read
from pathlib import Path

backend = main.make_backend(name)
config, params = read_weights(Path(folder, "gpt2", "model.safetensors"), backend)
assert config == {"vocabulary": 97, "context": 32, "width": 48, "layers": 2, "heads": 4}
prompt, step = compile_generator(config, backend)
data = {"token": backend.array(np.array([tokens])), "position": backend.array(np.arange(len(tokens)))}
at_once = np.asarray(prompt.evaluate(params, data)["logits"])[0]
_, cache = read(prompt, params, tokens[:1], 0, {}, backend)
for place in range(1, len(tokens)):
    cached, cache = read(step, params, tokens[place : place + 1], place, cache, backend)
np.savez(Path(folder, name), at_once=at_once, cached=cached)
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint in ``gpt2/``, a tokenizer's files, and what both should give."""
    python = python_of("torch")
    if not python.exists():
        pytest.skip("the environment of torch, which has transformers, was not made")
    folder = tmp_path_factory.mktemp("reference")
    words = [str(folder), json.dumps(TOKENS), TEXT, str(EXAMPLE)]
    done = subprocess.run([str(python), "-c", REFERENCE, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if not python_of(request.param).exists():
        pytest.skip(f"the environment of {request.param} was not made")
    return request.param


run_program = functools.partial(programs.run_program, "gpt/main.py")


def as_words(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens))


@pytest.mark.takes(25)
def test_logits_are_those_of_transformers(backend: str, reference: Path) -> None:
    """At all positions at once, and at the last one through the cache of keys and values."""
    words = [str(reference), backend, str(TOKENS), str(EXAMPLE)]
    done = subprocess.run([str(python_of(backend)), "-c", LOGITS, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected, found = np.load(reference / "logits.npy"), np.load(reference / f"{backend}.npz")
    assert np.abs(expected).max() > 3
    assert np.abs(found["at_once"] - expected).max() < 1e-4
    assert np.abs(found["cached"] - expected[-1]).max() < 1e-4


@pytest.mark.takes(20)
def test_the_program_writes_and_measures_as_transformers_does(backend: str, reference: Path) -> None:
    answers = json.loads((reference / "answers.json").read_text())
    text = reference / "tokens.txt"
    text.write_text(as_words(TOKENS))
    words = ["--backend", backend, "--weights", reference / "gpt2" / "model.safetensors", "--text", text]
    done = run_program(backend, *words, "--prompt", as_words(TOKENS), "--length", 8, "--temperature", 0)
    assert done.returncode == 0, done.stderr
    size, measured, written = done.stdout.splitlines()
    assert size.endswith("vocabulary 97, context 32, width 48, layers 2, heads 4")
    found = re.fullmatch(r"perplexity ([\d.e+]+) on 13 tokens", measured)
    assert found and float(found[1]) == pytest.approx(answers["perplexity"], rel=1e-3)
    assert written == as_words(answers["written"])


#: Run with NumPy's environment, as all that follows.
ENCODE = """\
import json
import sys

sys.path.insert(0, sys.argv[1])
from pathlib import Path

from checkpoint import read_tokenizer

tokenizer, text = read_tokenizer(Path(sys.argv[2])), sys.argv[3]
tokens = tokenizer.encode(text)
assert tokenizer.decode(tokens) == text
assert tokenizer.decode([256 + 60]) == "<|endoftext|>"
print(json.dumps(tokens))
"""


def test_the_tokenizer_is_that_of_transformers(reference: Path) -> None:
    words = [str(EXAMPLE), str(reference), TEXT]
    done = subprocess.run([str(python_of("numpy")), "-c", ENCODE, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((reference / "answers.json").read_text())["tokens"]


def test_a_prompt_in_words_needs_the_merges(reference: Path, tmp_path: Path) -> None:
    """With ``merges.txt`` beside the weights a prompt is text; these weights have too few tokens for it."""
    shutil.copy(reference / "gpt2" / "model.safetensors", tmp_path)
    shutil.copy(reference / "merges.txt", tmp_path)
    words = ["--weights", tmp_path / "model.safetensors", "--heads", 4, "--length", 1]
    done = run_program("numpy", *words, "--prompt", "!")  # The byte that GPT-2 counts first.
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("!"), done.stderr
    done = run_program("numpy", *words, "--prompt", "the end")
    assert done.returncode == 2 and "--prompt: the model has 97 tokens, and no" in done.stderr


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refusal consists of."""
    assert done.returncode == 2 and done.stdout == "", done
    (line,) = done.stderr.splitlines()
    return line


def test_bad_weights_are_told_in_one_line(reference: Path, tmp_path: Path) -> None:
    good = reference / "gpt2" / "model.safetensors"
    assert "no-such-file" in told(run_program("numpy", "--weights", "no-such-file"))
    (tmp_path / "text").write_text("no weights")
    assert "it is no safetensors file" in told(run_program("numpy", "--weights", tmp_path / "text"))
    assert "--steps is for training" in told(run_program("numpy", "--weights", good, "--steps", 3))
    assert "5 heads do not divide the width 48" in told(run_program("numpy", "--weights", good, "--heads", 5))
    assert "write tokens as numbers" in told(run_program("numpy", "--weights", good, "--prompt", "a word"))
    assert "97 tokens, and no 97" in told(run_program("numpy", "--weights", good, "--prompt", "3 97"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"activation_function": "relu"}, "config.json has activation_function 'relu'"),
        ({"layer_norm_epsilon": 1e-6}, "config.json has layer_norm_epsilon 1e-06"),
        ({"model_type": "llama"}, "config.json has model_type 'llama'"),
        ({"n_head": 5}, "5 heads do not divide the width 48"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_of_another_model_is_told(change: dict, line: str, reference: Path, tmp_path: Path) -> None:
    """Logits would be wrong, and nothing else would say so."""
    shutil.copytree(reference / "gpt2", tmp_path / "gpt2")
    path = tmp_path / "gpt2" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert line in told(run_program("numpy", "--weights", tmp_path / "gpt2" / "model.safetensors"))
