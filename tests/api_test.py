"""The API pages of the documentation: every public name is on one of them."""

import ast
import importlib
import pathlib
import re
import types

import pytest

import h2o_jax

PAGES = pathlib.Path(__file__).resolve().parents[1] / "docs" / "api"
MODULES = [
    name
    for page in sorted(PAGES.glob("*.md"))
    for name in re.findall(r"automodule:: (\S+)", page.read_text())
]


def documented(module):
    """The names of a module that its page shows: those with a docstring."""
    body = ast.parse(pathlib.Path(module.__file__).read_text()).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(node):
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and (
                _is_text(after) or _is_function(getattr(module, target.id), module)
            ):
                yield target.id


def _is_function(value, module):
    """Whether a value is shown as a function that the module made."""
    return (
        isinstance(value, types.FunctionType)
        and value.__module__ == module.__name__
        and bool(value.__doc__)
    )


def _is_text(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_no_module_is_shown_twice():
    assert len(set(MODULES)) == len(MODULES)


def test_every_public_name_is_on_an_api_page():
    shown = set()
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.__doc__
        shown |= {name.removeprefix("h2o_jax."), *documented(module)}
    wanted = {*h2o_jax.__all__, *h2o_jax.parts.__all__} - {"__version__", "parts"}
    assert not wanted - shown


@pytest.mark.parametrize("name", h2o_jax.__all__)
def test_public_modules_have_a_page_of_their_own(name):
    public = getattr(h2o_jax, name)
    if isinstance(public, types.ModuleType):
        assert any(module.startswith(public.__name__) for module in MODULES)
