"""The reference's directives: a card for each model, and a row for each option."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Any, get_args

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mithril_docs.models.cards import build_model, cards
from mithril_docs.reference import capabilities, graph, package
from mithril_docs.reference.capabilities import COLUMNS, DIFFERS, NO, NONE, TITLES, UNTRIED, YES, Capability, Verdict
from mithril_docs.reference.matrix import MODELS
from mithril_docs.site.state import digest, state_of, tells_of
from mithril_docs.site.tables import table

LOGGER = logging.getLogger(__name__)

#: What autodoc is told of classes whose methods are described too.
MEMBERS = "   :members:\n   :inherited-members:\n   :undoc-members:\n"
#: How a mark is shown.
SHOWN = {YES: "yes", NO: "no", DIFFERS: "no", NONE: "–", UNTRIED: "not tried"}


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=510)  # behind the pages
    app.add_css_file("reference.css")
    app.add_js_file("reference.js", loading_method="defer")
    app.add_directive("model", ModelDirective)
    app.add_directive("setting", SettingDirective)


def models_of(app: Sphinx) -> dict[str, Capability]:
    """What this build knows of the models with a card, by name."""
    return state_of(app).models


def _collect(app: Sphinx) -> None:
    state = state_of(app)
    found = [card for record in state.build.records.values() for card in cards(record.page)]
    state.models = models = capabilities.read(found, state.store, state.build.environments)
    state.topics[MODELS] = digest({name: capability.results for name, capability in models.items()})
    for name, capability in models.items():
        state.topics[f"{MODELS}-{name}"] = digest(capability.results)
        card = capability.card
        for words in capabilities.lacking(capability):
            LOGGER.warning(words, type="mithril", subtype="matrix", location=card.where)
        if not card.examples:
            words = f"the card of {card.name} has no executed example"
            LOGGER.warning(words, type="mithril", subtype="reference", location=card.where)
        if bool(card.edges) == bool(card.harmless):
            words = (
                f"the card of {card.name} needs an edge case, or ':harmless:' with the reason for none, and not both"
            )
            LOGGER.warning(words, type="mithril", subtype="reference", location=card.where)


class ModelDirective(SphinxDirective):
    """``:::{model} Relu``: the card of a class of ``mithril.models``; ``models/cards.py`` says what it takes."""

    required_arguments = 1
    option_spec = dict.fromkeys(("build", "inputs", "data", "abstract", "harmless"), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in package.models():
            raise self.error(f"mithril.models has no class {name}")
        capability = models_of(self.env.app)[name]
        tells_of(self.env, f"{MODELS}-{name}")
        card = capability.card
        path = f"mithril.models.{name}"
        members = MEMBERS if path in package.CLASSES else ""
        parts = self.parse_text_to_nodes(f"```{{eval-rst}}\n.. autoclass:: {path}\n{members}\n```")
        if not card.build:
            return [*parts, nodes.paragraph("", card.abstract)]
        try:
            model = build_model(card)
        except Exception as error:
            words = f"the card of {name} cannot be made: {type(error).__name__}: {error}"
            raise self.error(words) from None
        box = nodes.container(classes=["mb-reference"])
        caption = _caption("Terminals of ")
        caption += _code(card.build)
        box += [caption, table(_terminals(model))]
        if dag := getattr(model, "dag", None):
            box += [_caption(f"Made of {len(dag)} models"), _picture(graph.svg(model, name))]
        box += [_caption("On each backend"), table(_capability_rows(capability)), *_words(capability)]
        if card.harmless:
            box += nodes.paragraph("", f"No edge case: {card.harmless}", classes=["mb-ran"])
        return [*parts, box]


class SettingDirective(SphinxDirective):
    """``:::{setting} compile.jit``: an option's type and default from the live signature, and a target to link to.

    ``free`` says why it has no cost to measure, ``cost`` where it is measured if not here; ``same-as`` names the
    option whose effect it shares.
    """

    required_arguments = 1
    option_spec = dict.fromkeys(("cost", "free", "same-as", "values"), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        parameter = package.options().get(name)
        if parameter is None:
            raise self.error(f"the package has no option {name}")
        missing = parameter.default is parameter.empty
        rows: list[list[Any]] = [["Option", "Type", "Default", "Values"]]
        default = "required" if missing else _code(repr(parameter.default))
        rows.append([_code(name), _annotation(parameter), default, self.options.get("values", "any")])
        target = nodes.target("", "", ids=[nodes.make_id(f"option-{name}")])
        box = nodes.container(classes=["mb-reference"])
        box += table(rows)
        if same := self.options.get("same-as"):
            box += nodes.paragraph("", f"Its effect and cost are those of {same}.", classes=["mb-ran"])
        if free := self.options.get("free"):
            box += nodes.paragraph("", f"No cost measured: {free}", classes=["mb-ran"])
        if cost := self.options.get("cost"):
            box += nodes.paragraph("", f"Its cost is {cost}.", classes=["mb-ran"])
        return [target, box]


def _annotation(parameter: inspect.Parameter) -> nodes.Node:
    """The type that a signature states, which may be a string."""
    stated = parameter.annotation
    if stated is parameter.empty:
        return nodes.Text("not stated")
    return _code(stated if isinstance(stated, str) else inspect.formatannotation(stated))


def _caption(words: str) -> nodes.Element:
    return nodes.paragraph("", words, classes=["mb-caption"])


def _picture(svg: str) -> nodes.Node:
    """A picture in a frame that scrolls where it is too wide, by the keyboard too."""
    frame = f'<div class="mb-table" tabindex="0" role="group" aria-label="Graph">{svg}</div>'
    return nodes.raw("", frame, format="html")


def _terminals(model: Any) -> list[list[Any]]:
    """Each input and output of a model: its type, its shape, and what it is by default."""
    rows: list[list[Any]] = [["Terminal", "Direction", "Type", "Shape", "By default"]]
    shapes = model.shapes
    outputs = list(model.conns.output_keys)
    for key in [key for key in (*model.conns.input_keys, *outputs) if not key.startswith("$")]:
        data = model.conns.get_connection(key).metadata.data  # what follows is internal to mithril 0.1.1
        tensor = type(data).__name__ == "Tensor"
        kind = _type(data._type)
        rows.append([
            _code(key),
            "output" if key in outputs else "input",
            f"tensor of {kind}" if tensor else kind,
            _code(_shape(shapes[key])) if tensor and shapes.get(key) is not None else "",
            "" if key in outputs else _default(data, tensor),
        ])  # fmt: skip
    return rows


def _type(kind: Any) -> str:
    """A type as a reader writes it, the members of a union in one order."""
    if isinstance(kind, UnionType):
        return " | ".join(sorted(map(_type, get_args(kind))))
    if base := getattr(kind, "base_type", None):  # no class, and its repr is an address
        return f"nested list of {_type(base)}"
    return str(kind) if get_args(kind) else getattr(kind, "__name__", str(kind))


def _default(data: Any, tensor: bool) -> str | nodes.Node:
    if type(data.value).__name__ != "ToBeDetermined":
        return _code(repr(data.value))
    if not tensor:
        return "a value is needed"
    return "trainable" if data._differentiable else "data"


def _shape(shape: Any) -> str:
    if shape and isinstance(shape[0], list):  # several patterns, of which all hold
        return " and ".join(_shape(one) for one in shape)
    return f"[{', '.join(str(size) for size in shape)}]"


def _code(words: str) -> nodes.Node:
    return nodes.literal(words, words)


def _capability_rows(capability: Capability) -> list[list[Any]]:
    rows: list[list[Any]] = [["Backend", *COLUMNS.values(), "Bits"]]
    for backend in capability.results:
        marks = [_mark(verdict) for verdict in capability.verdicts(backend).values()]
        rows.append([TITLES[backend], *marks, _bits(capability, backend)])
    return rows


def _mark(verdict: Verdict) -> nodes.Node:
    return nodes.inline("", SHOWN[verdict.mark], classes=[f"mb-{verdict.mark.replace(' ', '-')}"])


def _bits(capability: Capability, backend: str) -> str:
    return ", ".join(bits for bits, error in capability.precisions(backend).items() if not error) or SHOWN[NONE]


def _words(capability: Capability) -> list[nodes.Node]:
    """The error behind every "no" of a card, each once with the backends that raise it."""
    found: dict[tuple[str, str], list[str]] = {}
    for backend in capability.results:
        for column, verdict in capability.verdicts(backend).items():
            if verdict.words:
                found.setdefault((COLUMNS[column], verdict.words), []).append(TITLES[backend])
        for bits, words in capability.precisions(backend).items():
            if words:
                found.setdefault((f"{bits} bits", words), []).append(TITLES[backend])
    if not found:
        return []
    listed = nodes.bullet_list(classes=["mb-ran"])
    for (what, words), backends in found.items():
        row = nodes.paragraph("", f"{what} on {', '.join(backends)}: ")
        row += _code(words)
        listed += nodes.list_item("", row)
    return [listed]
