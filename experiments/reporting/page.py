"""What a section of a report is made of, and the page that shows all of them.

The page is one file: styles, figures and numbers are in it, and nothing is fetched.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jinja2
from jinja2.loaders import PackageLoader


class Table(NamedTuple):
    """Rows of text below a head; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    of_numbers: bool = True
    """Whether to align the columns for comparison."""


class Figure(NamedTuple):
    """A figure as markup, and what it shows."""

    svg: str
    caption: str


class Section(NamedTuple):
    """A part of the page."""

    text: Sequence[str] = ()
    """Paragraphs."""
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


class Missing(Exception):
    """Why a section cannot be made, in one line."""


def render(title: str, about: str, sections: Mapping[str, Section]) -> str:
    """The page.

    Args:
        title: of the page; any text.
        about: a line below it.
        sections: by title, in their order.
    """
    environment = jinja2.Environment(
        loader=PackageLoader("experiments.reporting", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja")
    return page.render(title=title, about=about, sections=sections)
