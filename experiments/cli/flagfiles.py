"""Flagfiles, looked at before they are read."""

import pathlib
import re
from typing import Any

from absl import flags

from h2o_jax.data import files
from h2o_jax.errors import ConfigError

_HOME = re.compile(r"(^--?\w+=@?|[,+]@?)~/")
_LARGEST = 1 << 20
"""Bytes of a flagfile."""
_DEEPEST, _MOST = 8, 100
"""Flagfiles within each other, and in all."""


class FlagValues(flags.FlagValues):
    """absl's flags; it would read whatever file it is given, and all that they name."""

    def _get_flag_file_lines(
        self, filename: str, parsed_file_stack: list[str] | None = None
    ) -> list[str]:
        opened = self.__dict__["opened"] = self.__dict__.get("opened", 0) + 1
        if opened > _MOST or len(parsed_file_stack or ()) > _DEEPEST:
            raise ConfigError(
                f"--flagfile={filename}: one of more than {_MOST} files, or named by "
                f"more than {_DEEPEST} within each other; write fewer"
            )
        path = pathlib.Path(filename)
        if path.exists():  # absl says what is not there
            files.read_text(path, _LARGEST, ConfigError, "--flagfile=")
        lines: Any = super()._get_flag_file_lines(filename, parsed_file_stack)
        return [at_home(line) for line in lines]


def at_home(argument: str) -> str:
    """A word of a command line, or a line of a flagfile, whose `~/` is the home folder.

    Shells see to that only where a word begins with it, and not in `--out=~/x`.
    """
    return _HOME.sub(lambda x: f"{x[1]}{pathlib.Path.home()}/", argument)
