"""Which public names a program shows: by the class of each object in it, not by the last word of a name."""

from __future__ import annotations

import pytest

from mithril_docs.page import read_page
from mithril_docs.reference import package
from mithril_docs.reference.shown import shown_by
from support.tiny import IMPORT, TinySite, cell

HEAD = "from mithril.models import *\nimport mithril.models as mm"
CLASSES = ("NumpyBackend", "TorchBackend", "JaxBackend", "MlxBackend")
BACKENDS = {f"mithril.{name}" for name in CLASSES}


def on_all(*names: str) -> set[str]:
    """Members of every backend's class, and of the class that they are made from."""
    return {f"{kind}.{name}" for kind in (*BACKENDS, "mithril.Backend") for name in names}


#: A program, and what it shows beside the backends' classes.
PROGRAMS = {
    "a class": ("Relu()", {"mithril.models.Relu"}),
    "a class of a module": ("mm.Relu()", {"mithril.models.Relu"}),
    "a class by another name": ("R = Relu\nR()", {"mithril.models.Relu"}),
    "only a word": ("relu = 'Relu'  # Relu()\nx.summary()", set()),
    "a name of another's": ("import numpy as np\nnp.zeros(3).sum()", set()),
    "a member": ("m = Model()\nm.summary()", {"mithril.models.Model", "mithril.models.Model.summary"}),
    "a member of a class made from it": (
        "t = TrainModel(Relu())\nt.summary()",
        {"mithril.models.TrainModel", "mithril.models.Relu", "mithril.models.TrainModel.summary"},
    ),
    "an inherited member": (
        "Model().extend(Relu())",
        {
            "mithril.models.Model",
            "mithril.models.Relu",
            "mithril.models.Model.extend",
            "mithril.models.TrainModel.extend",
        },
    ),
    "an inherited member, where it is inherited": (
        "TrainModel(Relu()).set_constraint(f)",
        {"mithril.models.TrainModel", "mithril.models.Relu", "mithril.models.TrainModel.set_constraint"},
    ),
    "what a function gives": (
        "pm = ml.compile(Relu(), backend)\npm.evaluate({}, {})",
        {"mithril.compile", "mithril.models.Relu", "mithril.models.PhysicalModel.evaluate"},
    ),
    "a terminal of a model": (
        "m = Relu()\nm.input.shape",
        {"mithril.models.Relu", "mithril.models.Connection.shape", "mithril.IOKey.shape"},
    ),
    "a member of a backend": ("backend.zeros(3)", on_all("zeros")),
    "a member of an array": ("backend.zeros(3).sum()", on_all("zeros")),
    "in a loop": ("for b in [backend]:\n    b.ones(1)", on_all("ones")),
    "in a list": ("[b.ones(1) for b in (backend,)]", on_all("ones")),
    "in a function": ("def f(b):\n    return b.ones(1)\nf(backend)", on_all("ones")),
    "from a function": ("def f():\n    return backend\nf().ones(1)", on_all("ones")),
    "in a lambda": ("(lambda b: b.ones(1))(backend)", on_all("ones")),
    "in a class": ("class B:\n    def f(self):\n        backend.ones(1)", on_all("ones")),
    "in a branch": ("if x:\n    pass\nelse:\n    backend.ones(1)", on_all("ones")),
    "in a try": (
        "try:\n    x\nexcept E:\n    backend.ones(1)\nfinally:\n    backend.zeros(1)",
        on_all("ones", "zeros"),
    ),
    "in a format": ("print(f'{backend.ones(1)}')", on_all("ones")),
    "by its word": ("getattr(backend, 'ones')(1)", on_all("ones")),
    "of another's name": ("backend = 3\nbackend.ones(1)", set()),
    "a decorator": (
        "class T(TrainModel):\n    @TrainModel.check_finalized\n    def f(self):\n        self.add_loss(1)",
        {
            "mithril.models.TrainModel",
            "mithril.models.TrainModel.check_finalized",
            "mithril.models.TrainModel.add_loss",
        },
    ),
    "a constant": ("ml.float32", {"mithril.float32"}),
    "an imported constant": ("from mithril import float32\nprint(float32)", {"mithril.float32"}),
    "an assignment in place": (
        "m = Model()\nm |= Relu()(input='x')\nm.set_shapes()",
        {
            "mithril.models.Model",
            "mithril.models.Relu",
            "mithril.models.Model.set_shapes",
            "mithril.models.TrainModel.set_shapes",
        },
    ),
}


def shown(tiny: TinySite, *cells: str, extra: str = "") -> set[str]:
    made = cell("backend = ml.NumpyBackend()", ":tags: [backend]")
    path = tiny.page("page", IMPORT, cell(HEAD), made, *cells, extra=extra)
    page = read_page(path, tiny.docs)
    assert not page.problems
    return shown_by(page)


@pytest.mark.parametrize("case", PROGRAMS)
def test_what_a_program_shows(tiny: TinySite, case: str) -> None:
    code, wanted = PROGRAMS[case]
    assert wanted <= package.names()
    assert shown(tiny, cell(code)) - BACKENDS == wanted


def test_a_cell_for_some_backends_shows_those(tiny: TinySite) -> None:
    found = shown(tiny, cell("backend.ones(1)", ":backends: [jax, mlx]"))
    assert found - BACKENDS == {"mithril.JaxBackend.ones", "mithril.MlxBackend.ones", "mithril.Backend.ones"}


def test_a_backend_that_the_page_does_not_run_on_is_not_shown(tiny: TinySite) -> None:
    found = shown(tiny, cell("backend.ones(1)"), extra="unsupported: {mlx: a reason}")
    assert found == (BACKENDS | on_all("ones")) - {"mithril.MlxBackend", "mithril.MlxBackend.ones"}


def test_a_class_is_swapped_in_its_cell_alone(tiny: TinySite) -> None:
    found = shown(tiny, cell("ml.NumpyBackend().ones(1)"))
    assert found - BACKENDS == {"mithril.NumpyBackend.ones", "mithril.Backend.ones"}
