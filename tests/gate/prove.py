"""Run proofs of candidates in the environment of one backend: ``python prove.py BACKEND NAME...``

Each line of the output is a JSON list: the name of a candidate, what its proof printed in two processes with the
installed Mithril, and what it printed with the candidate. A proof that raised has printed ``RAISED`` and the error.

The framework is imported once. Each proof runs in a fork of that process, and Mithril is imported there from the tree
of the candidate. A proof may use, beside all of Python:

``ml``, ``models``, ``np``, ``backend``, ``Backend``
    Mithril, ``mithril.models``, NumPy, a backend of this environment and its class.
``show(value)``
    Print arrays, numbers and whatever holds them, to six digits.
``tensor(values)``
    An array of the backend.
``build(model, inputs, **options)``
    Compile a model for inputs of these shapes, ``jit=False`` unless told otherwise.
``run(model, inputs, **options)``
    Its outputs.
``grads(model, inputs, **options)``
    The gradients of its inputs, for output gradients 1 to 2.
``raised(function)``
    The type and the message of what a call raises.
``code(model, inputs, **options)``
    The program that Mithril generates.
``calls(module, name)``
    A context that counts the calls of a function: ``with calls(np, "exp") as counted: …; show(counted)``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import select
import signal
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from make_candidates import Candidate, everything, make_tree

from mithril_docs.backends import BACKENDS, mithril_folder

#: Seconds that a proof may take.
TIMEOUT = 300
#: What Mithril imports of each framework.
FRAMEWORK = {
    "numpy": ["scipy.linalg", "scipy.special"],
    "torch": ["torch", "torch.distributed._tensor", "torch.nn.functional", "torch._functorch.apis"],
    "jax": ["jax", "jax.numpy", "jax.scipy.linalg", "jax.scipy.integrate", "jax.experimental.mesh_utils"],
    "mlx": ["mlx.core", "mlx.nn"],
}


def main(backend: str, names: list[str]) -> None:
    """Run the proofs and print what they print."""
    os.environ.update(BACKENDS[backend].environ)
    os.environ.update(OMP_NUM_THREADS="1", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false")
    for name in ["numpy", *FRAMEWORK[backend]]:
        importlib.import_module(name)
    package = mithril_folder()
    proofs = [everything()[name] for name in names]
    before = json.loads(in_fork(functools.partial(_before, proofs, backend), TIMEOUT * (1 + len(proofs))))
    for each in proofs:
        with tempfile.TemporaryDirectory(prefix="candidate-") as folder:
            tree = make_tree(each, package, Path(folder))
            after = in_fork(functools.partial(_after, each, backend, tree))
        print(json.dumps([each.name, *before[each.name], after]), flush=True)


def _before(proofs: list[Candidate], backend: str) -> str:
    """What proofs print with the installed package, twice, as JSON. Mithril is imported once for all of them."""
    exec(BACKENDS[backend].startup or "import mithril", {})
    runs = {each.name: functools.partial(prove, each, backend) for each in proofs}
    return json.dumps({name: [in_fork(run), in_fork(run)] for name, run in runs.items()})


def _after(candidate: Candidate, backend: str, tree: Path) -> str:
    sys.path.insert(0, str(tree))
    said = prove(candidate, backend)
    used = sys.modules.get("mithril")
    if used and not Path(used.__file__ or "").is_relative_to(tree):
        raise RuntimeError(f"{used.__file__} was imported, not the candidate")
    return said


def prove(candidate: Candidate, backend: str) -> str:
    """What a proof prints, or ``RAISED`` and the error. The framework's own words are left out."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(textwrap.dedent(candidate.proof), candidate.name, "exec"), tools(backend))
    except Exception as error:
        printed.write(f"RAISED {type(error).__name__}: {error}")
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", printed.getvalue().strip())


def in_fork(function: Callable[[], str], seconds: float = TIMEOUT) -> str:
    """What a function returns in a fork of this process, or how the fork ended."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        try:
            said = function()
        except BaseException as error:
            said = f"BROKEN {type(error).__name__}: {error}"
        with os.fdopen(theirs, "w", encoding="utf-8") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(theirs)
    parts: list[bytes] = []
    while True:
        if not select.select([ours], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            parts = [f"BROKEN nothing came for {seconds:g} s".encode()]
            break
        part = os.read(ours, 65536)
        if not part:
            break
        parts.append(part)
    os.close(ours)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return b"".join(parts).decode() or (f"BROKEN exit status {status}" if status else "")


def tools(name: str) -> dict[str, Any]:
    """The names that a proof may use."""
    import numpy as np

    scope: dict[str, Any] = {}
    exec(BACKENDS[name].startup, scope)
    import mithril as ml
    from mithril import models

    cls = getattr(ml, BACKENDS[name].cls)
    backend = cls()

    def tensor(values: object) -> Any:
        return backend.array(np.asarray(values))

    def build(model: Any, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
        shapes = {key: list(np.shape(value)) for key, value in (inputs or {}).items() if np.ndim(value)}
        return ml.compile(model, options.pop("backend", backend), **({"jit": False, "shapes": shapes} | options))

    def feed(compiled: Any, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        static = compiled.data_store.runtime_static_keys
        arrays = {key: compiled.backend.array(np.asarray(value)) for key, value in inputs.items()}
        return {k: v for k, v in arrays.items() if k not in static}, {k: v for k, v in arrays.items() if k in static}

    def run(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
        compiled = build(model, inputs, **options)
        params, data = feed(compiled, inputs)
        return compiled.evaluate(params, data)

    def weights(outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            key: tensor(np.linspace(1, 2, max(np.size(plain(value)), 1)).reshape(np.shape(plain(value))))
            for key, value in outputs.items()
            if np.issubdtype(np.asarray(plain(value)).dtype, np.floating)
        }

    def grads(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
        compiled = build(model, inputs, **options)
        params, data = feed(compiled, inputs)
        given = (
            {}
            if "final_cost" in compiled.output_keys
            else {"output_gradients": weights(compiled.evaluate(params, data))}
        )
        return compiled.evaluate_gradients(params, data, **given)

    def code(model: Any, inputs: dict[str, Any] | None = None, **options: Any) -> str:
        compiled = build(model, inputs, **options)
        return str(compiled._generated_eval_fn.keywords["fn"].metadata["source"])

    return {
        "ml": ml,
        "models": models,
        "np": np,
        "backend": backend,
        "Backend": cls,
        "show": show,
        "plain": plain,
        "tensor": tensor,
        "build": build,
        "feed": feed,
        "run": run,
        "weights": weights,
        "grads": grads,
        "raised": raised,
        "code": code,
        "calls": calls,
    }


def plain(value: Any) -> Any:
    """An array of any framework as a NumPy array; other values as they are."""
    import numpy as np

    if hasattr(value, "detach"):
        return value.detach().numpy()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return np.array(value)
    return value


def show(*values: Any) -> None:
    """Print values on one line: arrays as lists, numbers to six digits, dictionaries by their keys."""
    print(*(_shown(value) for value in values))


def _shown(value: Any) -> str:
    import numpy as np

    value = plain(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return format(value, ".6g") if isinstance(value, float) else str(value)


def raised(function: Callable[[], object]) -> str:
    """The type and the message of what a call raises, or that it raises nothing."""
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing raised"


@contextlib.contextmanager
def calls(module: Any, name: str) -> Iterator[list[int]]:
    """Count the calls of a function of a module; the number is the only item of the list."""
    sound, counted = getattr(module, name), [0]

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        return sound(*args, **kwargs)

    setattr(module, name, counting)
    try:
        yield counted
    finally:
        setattr(module, name, sound)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
