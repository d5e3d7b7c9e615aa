"""Small changes of a text in Python, each of which its tests must notice."""

import ast
import copy
from collections.abc import Mapping
from typing import Any

_OTHERS: Mapping[type[ast.AST], type[ast.AST]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In},
}
_SMALL = 10
"""Numbers below are changed: others are sizes and names of formats."""
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}


class Changes(ast.NodeTransformer):
    """Finds what can be changed in a text, and makes the change of a number."""

    def __init__(self, text: str, site: int | None = None):
        """Reads the text; `tree` is what it is after change `site`."""
        self.found: list[str] = []
        self._site = site
        self._joins_paths = "import pathlib" in text
        self.tree = ast.fix_missing_locations(self.visit(ast.parse(text)))

    def visit(self, node: ast.AST) -> Any:
        """The node and its parts, one of them changed or none."""
        other = None if self._is_path(node) else _changed(node)
        chosen = other is not None and len(self.found) == self._site
        if other is not None:
            self.found.append(_says(node, other))
        node = self.generic_visit(node)
        return other if chosen else node

    def _is_path(self, node: ast.AST) -> bool:
        """Whether a quotient is none: a path with anything but `/` is an error."""
        return self._joins_paths and isinstance(getattr(node, "op", None), ast.Div)


def _changed(node: ast.AST) -> ast.AST | None:
    """Another node in place of this one; None where none is known."""
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _OTHERS:
            return _with(node, op=_OTHERS[type(op)]())
        case ast.Compare(ops=[op, *more]) if type(op) in _OTHERS:
            return _with(node, ops=[_OTHERS[type(op)](), *more])
        case ast.UnaryOp(ast.USub() | ast.Not(), x):
            return x
        case ast.Call(ast.Attribute(attr="stop_gradient"), [x]):
            return x
        case ast.Name(name) if name in _NAMES:
            return _with(node, id=_NAMES[name])
        case ast.Attribute(attr=name) if name in _NAMES:
            return _with(node, attr=_NAMES[name])
        case ast.Constant(int() | float() as x) if _is_small(x):
            return _with(node, value=1 - x if x in (0, 1) else x + 1)
        case ast.If(test) | ast.IfExp(test) | ast.While(test) if _is_plain(test):
            return _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[test]) if _is_plain(test):
            return _with(node, ifs=[ast.UnaryOp(ast.Not(), test)])
    return None


def _is_small(x: float) -> bool:
    """Whether a constant is a number like those of formulas."""
    return not isinstance(x, bool) and abs(x) < _SMALL


def _is_plain(test: ast.AST) -> bool:
    """Whether a condition is changed as a whole: in others a sign is."""
    return not isinstance(test, ast.Compare | ast.UnaryOp)


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _says(node: ast.AST, other: ast.AST) -> str:
    """The line of a change, and its first line before and after."""
    line = getattr(node, "lineno", None) or node.target.lineno  # type: ignore[attr-defined]
    before, after = (ast.unparse(x).strip().partition("\n")[0] for x in (node, other))
    return f"{line}: {before[:60]} -> {after[:60]}"
