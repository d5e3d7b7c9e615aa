"""Text that carries its own digest: what a run folder says about itself.

A digest finds what was edited by hand, cut or rotted on disk; it keeps out nobody who
knows how to make one.
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from h2o_jax.data import files
from h2o_jax.errors import CheckpointError

_KEY = "seal"
_LARGEST = 1 << 30
"""Bytes of the largest text that is read: metrics of a million lines are half of it."""


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its digest, ready for JSON."""
    return {**content, _KEY: digest(json.dumps(content, sort_keys=True))}


def unseal(content: Any, source: object) -> dict[str, Any]:
    """The content without its digest.

    Raises:
        CheckpointError: there is none, or it is of another content.
    """
    if not isinstance(content, dict) or _KEY not in content:
        raise CheckpointError(
            f"{source}: has no seal; it was written by another version or by hand; "
            "start a fresh run"
        )
    rest = {key: value for key, value in content.items() if key != _KEY}
    if seal(rest)[_KEY] != content[_KEY]:
        raise damaged(source, "was altered after it was written")
    return rest


def parse(text: str, source: object) -> Any:
    """JSON as Python values.

    Raises:
        CheckpointError: it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(source, "is no JSON") from None


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The content of a sealed JSON file.

    Raises:
        CheckpointError: it is absent, not a file, damaged or not sealed.
    """
    return unseal(parse(read_text(path), path), path)


def read_text(path: pathlib.Path) -> str:
    """A text file of a run folder.

    Raises:
        CheckpointError: it is absent, not a file, too large or no text.
    """
    return files.read_text(path, _LARGEST, CheckpointError)


def damaged(source: object, finding: str) -> CheckpointError:
    """The error that says what to do with a damaged file."""
    return CheckpointError(
        f"{source}: {finding}; restore it from a copy, or start a fresh run"
    )


def digest(text: str) -> str:
    """Of a text, as short as finding damage allows."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
