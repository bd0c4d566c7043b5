"""What the search knows: the site in sections, each with its titles, its text and its code, as one script.

A section is what a heading names, an object that autodoc describes, or a term of the glossary. The build reduces its
text to the words in it, and ``search-rank.js`` gives these to MiniSearch when a reader first opens the search. What the
browser reads are scripts, since a page that was opened from a disk may load no data.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Set
from pathlib import Path
from typing import Any

import rjsmin
import sphinx.search
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors import EnvironmentCollector
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from mithril_docs.build import npm
from mithril_docs.site import private
from mithril_docs.site.navigation import sections

#: What the search reads, under ``_static``: the engine, the stemmer that Sphinx brings, and the sections.
ENGINE, STEMMER, WORDS, FILE = "minisearch.js", "stemmer.js", "search-words.js", "search-index.js"
#: The folder with the text of each page, read for the snippets of what was found.
TEXTS = "search"
#: What a section may be; the index holds the place in this row.
KINDS = ("page", "section", "card", "object", "error", "term")
#: What people of other libraries call the same thing.
SYNONYMS = Path(__file__).with_name("synonyms.toml")
#: The attribute of Sphinx's environment that holds the sections of each page.
_SECTIONS = "mithril_docs_sections"

#: What no reader searches for: what programs put out, pictures, and what stands in no page's text.
_SKIPPED = (
    nodes.raw,
    nodes.comment,
    nodes.image,
    nodes.math_block,
    nodes.system_message,
    addnodes.toctree,
    nodes.target,
)
#: Names that a program calls, reads from an object, or imports.
_CODE_WORD = re.compile(r"(?<=\.)[A-Za-z_]\w+|[A-Za-z_]\w+(?=\()|(?<=import )[A-Za-z_]\w+")
#: In the programs of so many sections a name leads to none of them.
_COMMON = 25


@dataclasses.dataclass
class Entry:
    """A section as the search knows it.

    Attributes
    ----------
    anchor
        The id to link to; empty for the top of a page.
    titles
        Its heading, behind those of the sections that hold it; the page's is the first.
    kind
        ``page``, ``section``, ``card``, ``object``, ``error`` or ``term``.
    text
        What it says, without code blocks and outputs.
    extra
        What names it beside its heading: the messages of an error, the signature of an object.
    asked
        Its entries in the index: the words of those who do not know the heading's.
    code
        The names in its programs, each once.
    on
        The backends of its programs, where they run on some only.
    """

    anchor: str
    titles: tuple[str, ...]
    kind: str
    text: list[str] = dataclasses.field(default_factory=list)
    extra: list[str] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)
    code: dict[str, None] = dataclasses.field(default_factory=dict)
    on: list[str] = dataclasses.field(default_factory=list)


class SectionsCollector(EnvironmentCollector):
    """Collect the sections of each page that Sphinx reads, and keep those of the others."""

    def clear_doc(self, app: Sphinx, env: BuildEnvironment, docname: str) -> None:
        _kept(env).pop(docname, None)

    def merge_other(self, app: Sphinx, env: BuildEnvironment, docnames: Set[str], other: BuildEnvironment) -> None:
        _kept(env).update({name: found for name, found in _kept(other).items() if name in docnames})

    def process_doc(self, app: Sphinx, doctree: nodes.document) -> None:
        _kept(app.env)[app.env.docname] = entries(doctree, app.env.docname)


class IndexEntries(SphinxTransform):
    """Let entries of the index under a heading lead to the heading, and not to what stands behind them."""

    default_priority = 200  # before docutils hands the ids of targets on

    def apply(self, **kwargs: Any) -> None:
        for index in list(self.document.findall(addnodes.index)):
            section, target = index.parent, index.next_node(descend=False, siblings=True)
            if not isinstance(section, nodes.section) or not isinstance(target, nodes.target):
                continue
            found = [row for row in index["entries"] if row[2] in target["ids"]]
            if found:
                index["entries"] = [(*row[:2], section["ids"][0], *row[3:]) for row in found]
                section.remove(target)


def setup(app: Sphinx) -> None:
    app.add_env_collector(SectionsCollector)
    app.add_transform(IndexEntries)
    app.connect("builder-inited", _replace_sphinx_search)
    app.connect("builder-inited", _put_engine)
    app.connect("html-collect-pages", lambda _: [("search", {}, "search.html")])
    app.connect("build-finished", _write)
    app.add_css_file("search.css")
    app.add_js_file("search.js", loading_method="defer")


def _kept(env: BuildEnvironment) -> dict[str, list[Entry]]:
    if not hasattr(env, _SECTIONS):
        setattr(env, _SECTIONS, {})
    return getattr(env, _SECTIONS)


def _replace_sphinx_search(app: Sphinx) -> None:
    """Let Sphinx make no index of its own, which nothing would read."""
    if app.builder.format == "html":
        app.builder.search = False  # type: ignore[attr-defined]


def _put_engine(app: Sphinx) -> None:
    """Put the engine, and Sphinx's own stemmer, where the browser finds them; say so at once where there is none."""
    if app.builder.format != "html":
        return
    try:
        npm.check()
    except npm.MissingPackageError as error:
        raise ExtensionError(f"the search cannot be made: {error}") from None
    folder = Path(sphinx.search.__file__).parent / "minified-js"
    parts = ((folder / f"{name}-stemmer.js").read_text("utf-8") for name in ("base", "english"))
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    _put(static / ENGINE, rjsmin.jsmin(npm.file("minisearch", "dist/umd/index.js").read_text("utf-8")))
    _put(static / STEMMER, "\n".join(parts))


def entries(doctree: nodes.document, docname: str) -> list[Entry]:
    """The sections of a page, in reading order."""
    found: list[Entry] = []
    _walk(doctree, Entry("", (), "page"), found, docname)
    return [entry for entry in found if entry.titles]


def _walk(node: nodes.Element, entry: Entry, found: list[Entry], docname: str) -> None:
    """Put what stands in a node into its section's entry, and begin an entry where a section begins."""
    for child in node.children:
        match child:
            case nodes.section():
                title = child.next_node(nodes.title)
                page = not entry.titles
                words = title.astext() if title else ""
                own = nodes.make_id(words)
                inner = Entry(
                    "" if page else own if own in child["ids"] else child["ids"][0],
                    (*entry.titles, words),
                    "page" if page else "section",
                )
                found.append(inner)
                _walk(child, inner, found, docname)
            case addnodes.desc():
                _walk_object(child, entry, found, docname)
            case nodes.definition_list_item() if (term := child.next_node(nodes.term)) and term["ids"]:
                inner = Entry(term["ids"][0], (*entry.titles, term.astext()), "term")
                found.append(inner)
                _walk(child, inner, found, docname)
            case nodes.title() | nodes.term():
                pass
            case addnodes.index():
                entry.asked += [row[1] for row in child["entries"] if row[0] == "single" and not row[1].endswith(")")]
            case nodes.literal_block() | nodes.doctest_block():
                entry.code.update(dict.fromkeys(_CODE_WORD.findall(child.astext())))
            case nodes.Element() if isinstance(child, _SKIPPED) or private.OUTPUT_CLASS in child.get("classes", ()):
                pass
            case nodes.container() if "mb-error" in child["classes"]:
                entry.kind = "error"
                entry.on = child.get("on", [])
                entry.extra += [literal.astext() for literal in child.findall(nodes.literal)]
            case nodes.container() if {"mb-reference", "mb-table"} & {*child["classes"]}:
                pass  # what the build measured: the same words on every card
            case nodes.table():
                rows = (" ".join(cell.astext() for cell in row.children) for row in child.findall(nodes.row))
                entry.text += [_flat(row) for row in rows]
            case nodes.TextElement():
                if "mb-label" not in child["classes"]:
                    entry.text.append(_flat(child.astext()))
            case nodes.Element():
                _walk(child, entry, found, docname)


def _walk_object(node: addnodes.desc, entry: Entry, found: list[Entry], docname: str) -> None:
    """An object is a section of its own; a class whose heading is its name belongs to the heading."""
    signature = node.next_node(addnodes.desc_signature)
    content = node.next_node(addnodes.desc_content)
    if signature is None or content is None:
        return
    name = signature.get("fullname") or signature.astext()
    parameters = signature.next_node(addnodes.desc_parameterlist)
    words = _flat(parameters.astext()) if parameters else ""
    if entry.titles and name == entry.titles[-1]:
        entry.kind = "card" if docname.startswith("reference/models/") else entry.kind
        entry.extra.append(words)
        _walk(content, entry, found, docname)
    elif signature["ids"]:
        inner = Entry(signature["ids"][0], (*entry.titles, name), "object", extra=[words] if words else [])
        found.append(inner)
        _walk(content, inner, found, docname)
    else:
        _walk(content, entry, found, docname)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _write(app: Sphinx, exception: Exception | None) -> None:
    """Write what the engine indexes, and the text of each page for the snippets."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    pages, rows, texts = _sections(app)
    words = _indexed(texts, [static / STEMMER, static / WORDS])
    content = {"pages": pages, "entries": rows, "synonyms": _synonyms(), **words}
    _put(static / FILE, f"window.mithrilSearch={_json(content)};\n")
    folder = static / TEXTS
    folder.mkdir(exist_ok=True)
    for number in range(len(pages)):
        said = [" ".join(texts[i][:2]).strip() for i, row in enumerate(rows) if row[0] == number]
        _put(folder / f"{number}.js", f"window.mithrilTexts[{number}]={_json(said)};\n")


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _put(path: Path, content: str) -> None:
    """Write a file that holds something else."""
    if not path.is_file() or path.read_text("utf-8") != content:
        path.write_text(content, "utf-8")


def _sections(app: Sphinx) -> tuple[list[list[str]], list[list[Any]], list[list[str]]]:
    """What the index holds.

    Pages: address, title, section of the sidebar. Sections: page, anchor, kind, titles under the page's, and the
    backends of programs that run on some only. The texts of each section: what names it beside its titles, what it
    says, its index entries, its code.
    """
    env = app.env
    counts = Counter(name for found in _kept(env).values() for entry in found for name in entry.code)
    captions = {env.config.root_doc: ""} | {
        row.page: part.title for part in sections(env) for row in part.below if row.page
    }
    pages, rows, texts = [], [], []
    for name in [*captions, *sorted(_kept(env).keys() - captions.keys())]:
        pages.append([app.builder.get_target_uri(name), env.titles[name].astext(), captions.get(name, "")])
        for entry in _kept(env)[name]:
            titles = entry.titles[1:]
            anchor = 0 if titles and entry.anchor == nodes.make_id(titles[-1]) else entry.anchor
            rows.append([len(pages) - 1, anchor, KINDS.index(entry.kind), titles, *([entry.on] if entry.on else [])])
            extra, text = " ".join(entry.extra), " ".join(filter(None, entry.text))
            said = set(re.findall(r"\w+", f"{titles} {extra} {text}"))
            code = " ".join(name for name in entry.code if name not in said and counts[name] < _COMMON)
            texts.append([extra, text, " ; ".join(entry.asked), code])
    return pages, rows, texts


def _indexed(texts: list[list[str]], scripts: list[Path]) -> dict[str, Any]:
    """The words, and by field the sections that hold each: ``terms`` and ``fields``; see ``search-index.cjs``."""
    program, _ = npm.node()
    command = [program, str(Path(__file__).with_name("search-index.cjs")), *map(str, scripts)]
    made = subprocess.run(command, input=_json(texts), capture_output=True, text=True, encoding="utf-8")
    if made.returncode:
        raise ExtensionError(f"the search cannot be made: Node says {made.stderr.strip()}")
    return json.loads(made.stdout)


def _synonyms() -> dict[str, str]:
    try:
        return tomllib.loads(SYNONYMS.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ExtensionError(f"{SYNONYMS.name} cannot be read: {error}") from None
