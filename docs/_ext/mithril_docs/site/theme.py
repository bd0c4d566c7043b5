"""The lean theme layer: what the theme loads on every page, less what this site's pages do not use.

It goes with the overrides in ``docs/_templates``. Icons come from a subset of the theme's own fonts, scripts
do not block, assets stand only on pages that use them, and mathematics is MathML when the page is written.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydata_sphinx_theme
from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from mithril_docs.site import private

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.util.typing import ExtensionMetadata
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
THEME_CSS = "styles/pydata-sphinx-theme.css"
FONTS = "vendor/fontawesome/webfonts"

# Assets that extensions put on every page, and the text in a page's body without which they do nothing there.
USED_WITH = {
    "clipboard.min.js": "<pre",
    "copybutton.js": "<pre",
    "copybutton.css": "<pre",
    "design-tabs.js": "sd-tab-set",
    "sphinx-design.min.css": "sd-",
    "mystnb.": "cell_",
    "landing.css": "mb-landing",
    "together.css": "mb-together",
    "reference.css": "mb-reference",
    "reference.js": "mb-matrix",
    "errors-index.js": "mb-paste",
    "errors.js": "mb-paste",
}
# Scripts that wait for the document anyway, so that none need stop the parser.
DEFERRED = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "design-tabs.js",
)
# Scripts that no page loads. The last takes the focus from the buttons of the bar when they are pressed.
UNUSED = ("fontawesome.js", "bootstrap.js", "sphinx-book-theme.js")

ICON_RULE = re.compile(r'((?:\.fa-[\w-]+,?)+)\{--fa:"([^"]+)"\}')
ICON_NAME = re.compile(r"\bfa-[a-z0-9-]+")
#: How a rule gives an icon its glyph, whatever stands around it.
GLYPH = "--fa:"
PRIVATE_USE = re.compile("[\ue000-\uf8ff]")


def set_defaults(app: Sphinx, config: Config) -> None:
    """Let a page be light where no script runs; where one does, ``layout.html`` follows the system."""
    config.html_context.setdefault("default_mode", "light")


def trim_assets(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out of a page's head what its body does not use, and defer the scripts that can wait."""
    body = context.get("body", "")

    def used(asset: Any) -> bool:
        name = Path(asset.filename or "").name
        # The theme's settings for a version switcher and for search as you type: neither is on.
        if not name and asset.attributes.get("body", "").lstrip().startswith("DOCUMENTATION_OPTIONS."):
            return False
        if name in UNUSED:
            return False
        return all(mark in body for start, mark in USED_WITH.items() if name.startswith(start))

    for files in (context["css_files"], context["script_files"]):
        files[:] = filter(used, files)
    for script in context["script_files"]:
        if script.filename and Path(script.filename).name in DEFERRED:
            script.attributes["defer"] = "defer"


def check_icons(app: Sphinx) -> None:
    """Say so where the theme writes its icons otherwise than :data:`ICON_RULE` reads them: some would be cut out."""
    css = (THEME / THEME_CSS).read_text("utf-8")
    rules, read = css.count(GLYPH), len(ICON_RULE.findall(css))
    if not read or read != rules:
        words = "the theme's style sheet has %s rules for icons, of which %s can be read: see ICON_RULE in theme.py"
        logger.warning(words, rules, read, type="mithril", subtype="icons")


def subset_icons(app: Sphinx, exception: Exception | None) -> None:
    """Cut the icon fonts, and the rules that name their glyphs, down to the icons in the built pages.

    The theme's own style sheet names a few glyphs by their character; these stay too.
    """
    static = Path(app.outdir, "_static")
    if exception or app.builder.format != "html" or not (static / FONTS).is_dir():
        return
    sources = [*Path(app.outdir).rglob("*.html"), *static.glob("*.js"), *static.glob("scripts/pydata*.js")]
    names = {name for source in sources for name in ICON_NAME.findall(source.read_text("utf-8"))}
    css = (THEME / THEME_CSS).read_text("utf-8")
    kept: set[int] = set(map(ord, PRIVATE_USE.findall(ICON_RULE.sub("", css))))

    def keep(rule: re.Match[str]) -> str:
        if names.isdisjoint(selector.lstrip(".") for selector in rule[1].split(",")):
            return ""
        escaped = re.fullmatch(r"\\([0-9a-f]+) ?", rule[2])
        kept.add(int(escaped[1], 16) if escaped else ord(rule[2][-1]))
        return rule[0]

    (static / THEME_CSS).write_text(ICON_RULE.sub(keep, css), "utf-8")
    for source in sorted((THEME / FONTS).glob("*.woff2")):
        font = TTFont(source)
        options = subset.Options(flavor="woff2", layout_features=[])
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=kept)
        subsetter.subset(font)
        subset.save_font(font, static / FONTS / source.name, options)
    for name in UNUSED:
        for file in (static / "scripts").glob(f"{name}*"):
            file.unlink()


def mathml(node: nodes.math | nodes.math_block, *, as_block: bool) -> str:
    """A formula's LaTeX as MathML, through docutils; a warning at the formula's place where it cannot be."""
    code = node.astext()
    try:
        return private.mathml(code, as_block=as_block)
    except ValueError as error:
        logger.warning("mathematics not understood: %s", error, location=node, type="math", subtype="mathml")
        return f"<code>{escape(code)}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number where it has a label."""
    # The theme's script lets a keyboard scroll this class where it is wider than the page.
    self.body.append(self.starttag(node, "div", CLASS="math pst-scrollable-table-container"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(mathml(node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the layer; Sphinx prefers a renderer of one's own to MathJax."""
    app.connect("config-inited", set_defaults)
    app.connect("builder-inited", check_icons)
    # After every other extension has added its assets to the page.
    app.connect("html-page-context", trim_assets, priority=900)
    app.connect("build-finished", subset_icons)
    app.add_css_file("theme.css", priority=800)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
