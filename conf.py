"""Sphinx's configuration. Sphinx executes nothing: it renders what the store holds."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "docs" / "_ext"))

project = "Mithril"
author = "The Mithril documentation project"
language = "en"
extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "mithril_docs.site",
    "mithril_docs.reference",
    "mithril_docs.errors",
]

# The pages.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
myst_ref_domains = ["std"]  # a link to the page `shapes` is none to the attribute
nitpicky = True

# The reference.
toc_object_entries = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
always_document_param_types = True
typehints_defaults = "comma"

# The looks.
html_theme = "sphinx_book_theme"
html_title = "Mithril docs"
html_favicon = "docs/_static/logo.svg"
html_static_path = ["docs/_static"]
templates_path = ["docs/_templates"]
html_show_sourcelink = False
html_copy_source = False
# The address that the site is published at. Without it no page names its own, and there is no list of pages for search
# engines.
html_baseurl = os.environ.get("MITHRIL_DOCS_URL", "")
html_sidebars = {"**": ["sbt-sidebar-nav.html"]}
html_theme_options = {
    "disable_search": True,  # the theme's: this site has its own
    "use_download_button": False,
    "use_fullscreen_button": False,
    "back_to_top_button": False,
    "article_header_start": ["section-name.html"],
    "article_header_end": [],
    "navbar_persistent": [],
    "primary_sidebar_end": [],
    "footer_content_items": ["built.html"],
}
