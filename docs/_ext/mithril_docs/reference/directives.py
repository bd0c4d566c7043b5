"""The reference's directives: a card for each model, and a row for each option."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Any, get_args

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mithril_docs.blocks import entries
from mithril_docs.models.cards import C, Card, build_model, cards
from mithril_docs.reference import capabilities, conformance, graph, options, package
from mithril_docs.reference.capabilities import (
    COLUMNS,
    DIFFERS,
    NO,
    NONE,
    TITLES,
    UNTRIED,
    YES,
    Capability,
    Verdict,
    offered_bits,
)
from mithril_docs.reference.matrix import MODELS
from mithril_docs.site.state import TOPIC_OF_CASES, digest, state_of, tells_of
from mithril_docs.site.tables import code, linked, table

LOGGER = logging.getLogger(__name__)

#: What autodoc is told of classes whose methods are described too.
MEMBERS = "   :members:\n   :inherited-members:\n   :undoc-members:\n"
#: Where ``ml.TBD`` is described, and what the C library lacks.
TBD, LACKING = ("reference/api/connections", "#tbd"), ("backends/index", "#the-c-backend")
#: The type of a tensor that may hold anything.
ANYTHING = "bool | float | int"
#: The name under which Sphinx keeps, while it reads a page, the methods of the last card.
_METHODS = "mithril_methods"
#: How a mark is shown.
SHOWN = {YES: "yes", NO: "no", DIFFERS: "no", NONE: "–", UNTRIED: "not tried"}


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _collect, priority=510)  # behind the pages
    app.add_css_file("reference.css")
    app.add_js_file("reference.js", loading_method="defer")
    app.add_directive("model", ModelDirective)
    app.add_directive("options", OptionsDirective)
    app.add_directive("setting", SettingDirective)


def models_of(app: Sphinx) -> dict[str, Capability]:
    """What this build knows of the models with a card, by name."""
    return state_of(app).models


def _collect(app: Sphinx) -> None:
    state = state_of(app)
    pages = [record.page for record in state.build.records.values()]
    found = [card for page in pages for card in cards(page)]
    listed = {entry.argument for page in pages for entry in entries(page, "options")}
    state.models = models = capabilities.read(found, state.store, state.build.environments)
    for name, capability in models.items():
        capability.wrong = conformance.wrong_of(state.verdict, name)
        state.topics[f"{MODELS}-{name}"] = digest((capability.results, capability.wrong))
        card = capability.card
        read = not state.build.records[card.page].page.problems  # else it is told, and its models are not run
        for words in capabilities.lacking(capability) if read else ():
            LOGGER.warning(words, type="mithril", subtype="matrix", location=card.where)
        if name not in listed:
            words = f"the card of {name} needs ':::{{options}} {name}' behind its example"
            LOGGER.warning(words, type="mithril", subtype="reference", location=card.where)
        if not card.examples:
            words = f"the card of {card.name} has no executed example"
            LOGGER.warning(words, type="mithril", subtype="reference", location=card.where)
        if bool(card.edges) == bool(card.harmless):
            words = (
                f"the card of {card.name} needs an edge case, or ':harmless:' with the reason for none, and not both"
            )
            LOGGER.warning(words, type="mithril", subtype="reference", location=card.where)
    told = {name: (capability.results, capability.wrong) for name, capability in models.items()}
    state.topics[MODELS] = digest(told)


class ModelDirective(SphinxDirective):
    """``:::{model} Relu``: the head of a card of ``mithril.models``; ``models/cards.py`` says what it takes.

    It shows the signature alone, so that what the model computes and its example come first. All else of the card
    stands where the page puts its ``{options}``.
    """

    required_arguments = 1
    option_spec = dict.fromkeys(("build", "inputs", "data", "abstract", "harmless"), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in package.models():
            raise self.error(f"mithril.models has no class {name}")
        path = f"mithril.models.{name}"
        members = MEMBERS if path in package.CLASSES else ""
        parts = self.parse_text_to_nodes(f"```{{eval-rst}}\n.. autoclass:: {path}\n{members}\n```")
        methods: list[nodes.Node] = []
        for desc in [part for part in parts if isinstance(part, addnodes.desc)]:
            signature, content = desc.children
            signature.remove(signature.next_node(addnodes.desc_annotation))  # type: ignore[attr-defined]
            methods += [child for child in content.children if isinstance(child, (addnodes.desc, addnodes.index))]
            content.clear()  # type: ignore[attr-defined]
            desc["classes"].append("mb-card")
        self.env.current_document[_METHODS] = name, methods
        return parts


class OptionsDirective(SphinxDirective):
    """``:::{options} Softmax``: the rest of a card, behind its example.

    The content is a field for each argument of the constructor; see :mod:`mithril_docs.reference.options`. Below them
    stand the terminals, the graph, what runs on which backend, and the methods of a class that has some.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        kept: tuple[str, list[nodes.Node]] | None = self.env.current_document.get(_METHODS)
        head, methods = kept or ("", [])
        if name != head:
            raise self.error(f"the options of {name} do not stand behind its ':::{{model}}'")
        kind = package.models()[name]
        said = options.sentences(self.parse_content_to_nodes())
        for words in options.problems(kind, said):
            LOGGER.warning(words, type="mithril", subtype="reference", location=self.get_location())
        capability = models_of(self.env.app)[name]
        tells_of(self.env, f"{MODELS}-{name}")
        made: list[nodes.Node] = []
        if said:
            made += [_box(_caption("Options")), options.listing(kind, said, linked(self.env, code("ml.TBD"), *TBD))]
        made.append(_box(*self._run(capability)))
        tells_of(self.env, f"{TOPIC_OF_CASES}-{name}")
        made += conformance.card(self.env, name)
        if methods:
            made += [_box(_caption("Methods")), nodes.container("", *methods, classes=["mb-methods"])]
        return [*made, _box(*self._behind(capability.card))]

    def _run(self, capability: Capability) -> list[nodes.Node]:
        """What the model that was run is made of, and how it went."""
        card = capability.card
        if not card.build:
            return [nodes.paragraph("", card.abstract)]
        try:
            model = build_model(card)
        except Exception as error:
            words = f"the card of {card.name} cannot be made: {type(error).__name__}: {error}"
            raise self.error(words) from None
        terminals = nodes.container("", table(_terminals(model)), classes=["mb-terminals"])
        parts: list[nodes.Node] = [_caption("Terminals of ", card.build), terminals]
        if dag := getattr(model, "dag", None):
            parts += [_caption(f"Made of {len(dag)} models"), _picture(graph.svg(model, card.name))]
        everywhere = models_of(self.env.app).values()
        offered = {backend: offered_bits(everywhere, backend) for backend in capability.results}
        rows = _capability_rows(capability)
        for row in rows:
            if row[0] == TITLES[C]:
                row[0] = linked(self.env, nodes.inline("", row[0]), *LACKING)
        run = nodes.container("", table(rows), classes=["mb-capabilities"])
        return [
            *parts,
            _caption("On each backend, with these options: ", card.build),
            run,
            *_words(capability, offered),
        ]

    def _behind(self, card: Card) -> list[nodes.Node]:
        """What stands above the cells behind the options."""
        if card.harmless:
            return [nodes.paragraph("", f"No edge case: {card.harmless}", classes=["mb-ran"])]
        page = state_of(self.env.app).build.records[card.page].page
        lines = [entry.line for entry in entries(page, "options") if entry.argument == card.name]
        later = [cell for cell in card.cells if cell.line > max(lines)]
        if not later:
            return []
        more = any(cell not in card.edges for cell in later)
        return [_caption("More examples, edge cases and limits" if more else "Edge cases and limits")]


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
        default = "required" if missing else code(repr(parameter.default))
        rows.append([code(name), _annotation(parameter), default, self.options.get("values", "any")])
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
    return code(stated if isinstance(stated, str) else inspect.formatannotation(stated))


def _box(*parts: nodes.Node) -> nodes.Node:
    """A part of a card that the build made."""
    return nodes.container("", *parts, classes=["mb-reference"])


def _caption(words: str, python: str = "") -> nodes.Element:
    caption = nodes.paragraph("", words, classes=["mb-caption"])
    if python:
        caption += code(python)
    return caption


def _picture(svg: str) -> nodes.Node:
    return nodes.raw("", svg, format="html")


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
            code(key),
            "output" if key in outputs else "input",
            kind if not tensor else "tensor" if kind == ANYTHING else f"tensor of {kind}",
            code(_shape(shapes[key])) if tensor and shapes.get(key) is not None else "",
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
        return code(repr(data.value))
    if not tensor:
        return "a value is needed"
    return "trainable" if data._differentiable else "data"


def _shape(shape: Any) -> str:
    if shape and isinstance(shape[0], list):  # several patterns, of which all hold
        return " and ".join(_shape(one) for one in shape)
    return f"[{', '.join(str(size) for size in shape)}]"


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


def _words(capability: Capability, offered: dict[str, frozenset[str]]) -> list[nodes.Node]:
    """The error behind every "no" of a card, each once with the backends that raise it.

    What holds for nearly all models is left out, and told with the matrix: bits that a backend does not offer, and
    errors on C, whose library has two operators.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for backend in capability.results:
        for column, verdict in capability.verdicts(backend).items():
            if verdict.words and not (backend == C and verdict.mark == NO):
                found.setdefault((COLUMNS[column], verdict.words), []).append(TITLES[backend])
        for bits, words in capability.precisions(backend).items():
            if words and bits in offered[backend]:
                found.setdefault((f"{bits} bits", words), []).append(TITLES[backend])
    if not found:
        return []
    listed = nodes.bullet_list(classes=["mb-ran"])
    for (what, words), backends in found.items():
        row = nodes.paragraph("", f"{what} on {', '.join(backends)}: ")
        row += code(words)
        listed += nodes.list_item("", row)
    return [listed]
