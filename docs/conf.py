"""How the documentation is built: `sphinx-build -W -b html docs docs/_build`."""

import pathlib
import re
from typing import Any

from sphinx.application import Sphinx

import h2o_jax

ROOT = pathlib.Path(__file__).resolve().parents[1]

project = "h2o_jax"
author = "h2o_jax developers"
project_copyright = "h2o_jax developers"
release = h2o_jax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
default_role = "code"

html_theme = "furo"
html_title = f"h2o_jax {release}"
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "parent, scope"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
copybutton_exclude = ".linenos, .gp, .go"

SITE_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages that lie outside docs/, as one finds them in the repository."""


def include_root_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replaces `<!-- include FILE -->` by the file; links then point into the site."""

    def text(match: re.Match[str]) -> str:
        app.env.note_dependency(str(ROOT / match[1]))
        return (ROOT / match[1]).read_text()

    page = re.sub(r"<!-- include (\S+) -->", text, source[0])
    for file, target in SITE_PAGES.items():
        page = re.sub(rf"\]\((\.\./)?{re.escape(file)}", f"]({target}", page)
    source[0] = re.sub(r"\]\((\.\./)?docs/", "](", page)


attribute_lines: dict[str, list[str]] = {}


def keep_attribute(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Notes an attribute's text: napoleon takes what precedes a colon for a type."""
    if what == "attribute":
        alias = any(line.startswith("Alias for field number") for line in lines)
        attribute_lines[name] = [] if alias else list(lines)


def restore_attribute(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Puts the text back that `keep_attribute` noted."""
    if what == "attribute":
        lines[:] = attribute_lines.pop(name, lines)


def setup(app: Sphinx) -> None:
    """Connects the functions above to Sphinx."""
    app.connect("source-read", include_root_pages)
    app.connect("autodoc-process-docstring", keep_attribute, priority=100)
    app.connect("autodoc-process-docstring", restore_attribute, priority=900)
