"""Flags made from groups of settings, and read back into them.

A group is a dataclass whose fields are settings, such as the parts of an `Experiment`
and `Hyper`. A command names the groups that it takes; each field is a flag of that name
with the field's default, values and help.
"""

import pathlib
import shlex
import sys
import typing
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from absl import flags

from experiments import places, run_folder
from experiments.cli import problems, recommended, values
from experiments.cli.defining import Known, define, flag_name
from experiments.cli.flagfiles import FlagValues, at_home
from experiments.cli.help_texts import EVERYWHERE, flag_help, title
from h2o_jax import settings
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.settings import FILE, FOLDER, FREE, MACHINE, PLACE, Range
from h2o_jax.sim import tasks

T = TypeVar("T")


class Flags:
    """The flags of one command.

    Texts are kept as they were given, so that a flagfile of them repeats the command.
    """

    def __init__(
        self, *groups: type, hidden: Iterable[type | str] = (), argument: str = ""
    ):
        """Defines a flag for every setting of `groups`.

        Args:
            groups: dataclasses of settings, in the order in which `--help` shows them.
            hidden: groups, or names of flags, that are accepted but neither used nor
                shown, so that one flagfile serves several commands; `groups` go first.
            argument: the flag that a word without dashes is the value of; several
                words are the names of a list.
        """
        self._groups = groups
        self._hidden = set(hidden) - set(groups)
        self._argument = argument
        self._named: set[str] = set()
        self._known: dict[str, Known] = {}
        self._flags = FlagValues()
        self._flags.set_gnu_getopt()
        for group in (*groups, *(x for x in hidden if isinstance(x, type))):
            hints = typing.get_type_hints(group)
            for field, setting in settings.of(group):
                hint, name = hints[field.name], flag_name(field.name)
                setting = setting._replace(
                    values=setting.values or values.choices(hint)
                )
                known = Known(group, values.kind(group, hint), setting)
                if self._known.setdefault(name, known) is known:
                    define(self._flags, name, known, field.default)

    def parse(self, argv: Sequence[str]) -> None:
        """Reads a command line; with `--resume`, on top of that run's own flags.

        Raises:
            ConfigError: an unknown flag or a value that does not parse.
            CheckpointError: a resumed run's flag was given another value, or must be
                given again.
        """
        problems.check_utf8(argv)
        argv = [at_home(x) for x in argv]
        words = (x for x in argv[1:] if x.startswith("-"))
        self._named = {x.lstrip("-").partition("=")[0] for x in words}
        try:
            rest = self._flags(list(argv))
            if self._argument and len(rest) in self._arguments():
                self._flags[self._argument].parse(",".join(rest[1:]))
                del rest[1:]
            if "resume" in self._known and self._flags["resume"].value:
                self._resume(argv[0])
            elif "defaults" in self._known:
                self._recommend()
        except flags.Error as error:
            said = " ".join(str(error).split())
            known = {name: x.setting for name, x in self._known.items()}
            raise ConfigError(problems.told(said, known)) from None
        if rest[1:]:
            raise ConfigError(f"{rest[1]!r} is no flag; flags begin with --")

    def _recommend(self) -> None:
        """Gives flags that were not given their recommended values, where wanted."""
        kind, method = (str(self._flags[x].value) for x in ("defaults", "algorithm"))
        for name, text in recommended.values(kind, method).items():
            if not self._flags[name].present:
                self._flags[name].parse(text)
                self._flags[name].present = 0  # it counts what was given

    def _arguments(self) -> range:
        """How many words a command line may have, with the program's name."""
        several = self._known[self._argument].kind == values.NAMES
        return range(2, sys.maxsize if several else 3)

    def _resume(self, program: str) -> None:
        """Reads a saved run's flags, on top of which come those given now.

        A folder may come from anybody: only flags of a run are taken, and none that
        names what to write, or Python.
        """
        folder = pathlib.Path(str(self._flags["resume"].value))
        saved = run_folder.flag_lines(folder)
        if not any(line.startswith("--defaults=") for line in saved):
            saved.insert(0, "--defaults=published")  # as all were before there were two
        given = {flag.name: flag.value for flag in self._sorted() if flag.present}
        for name in (line.removeprefix("--").partition("=")[0] for line in saved):
            own = {name, name.removeprefix("no")} & self._known.keys()
            if not own or MACHINE in self._tags(own.pop()):
                raise CheckpointError(
                    f"{folder}: made by another version ({name!r} is no flag "
                    "of a run); go on with that one, or start a fresh run"
                )
        for flag in self._sorted():
            flag.unparse()
        try:
            self._flags([program, *saved])
        except flags.Error as error:
            raise CheckpointError(
                f"--resume={folder}: made by another version ({error}); go on with "
                "that one, or start a fresh run"
            ) from None
        if texts := [x for x in self.outside() if x[2:].partition("=")[0] not in given]:
            raise ConfigError(
                f"{folder}: what it writes to or runs as Python is not taken from a "
                f"folder; where you trust it, add {shlex.join(texts)}"
            )
        for name, value in given.items():
            former, free = self._flags[name].value, {FREE, MACHINE, FOLDER}
            # Of Python in two places the name of what it makes tells, with its digest.
            moved = all(tasks.is_place(str(x)) for x in (former, value))
            if not self._tags(name) & free and former != value and not moved:
                raise CheckpointError(
                    f"--resume={folder}: --{name} was {former!r} there, is {value!r} "
                    "now; drop the flag, or start a fresh run"
                )
            self._flags[name].value = value

    def of(self, group: type[T]) -> T:
        """A group filled from its flags.

        Raises:
            ConfigError: a value is out of range or malformed; it names the flag.
        """
        return group(**self.values(group))

    def values(self, group: type) -> dict[str, Any]:
        """The fields of a group by name; of `Hyper`, the values of a sweep in each.

        Raises:
            ConfigError: see `of`.
        """
        return {
            field.name: self.value(flag_name(field.name))
            for field, _ in settings.of(group)
        }

    def value(self, name: str) -> Any:
        """The typed value of one flag.

        Raises:
            ConfigError: see `of`.
        """
        text, known = self._flags[name].value, self._known[name]
        allowed = known.setting.values
        if text is None:
            return None
        if known.kind in values.CONVERTERS:
            return values.CONVERTERS[known.kind](name, text, allowed)
        if isinstance(allowed, Range) and not allowed.contains(text):
            raise ConfigError(f"--{name}={text}: {allowed.refusal(text)}")
        return text

    def set(self, name: str, text: str) -> None:
        """Gives one flag a text, as if it had been given."""
        if self._flags[name].value != text:
            self._flags[name].parse(text)
            self._flags[name].present += 1

    def is_given(self, name: str) -> bool:
        """Whether a flag was given, be it its default."""
        return bool(self._flags[name].present)

    def is_named(self, name: str) -> bool:
        """Whether a flag was given on the command line itself, in no flagfile."""
        return not self._named.isdisjoint({name, f"no{name}"})

    def is_default(self, name: str) -> bool:
        """Whether a flag has its default value, given or not."""
        return bool(self._flags[name].value == self._flags[name].default)

    def text(self) -> str:
        """All flags of the run as a flagfile that repeats it."""
        kept = [f for f in self._sorted() if MACHINE not in self._tags(f.name)]
        return "\n".join(f.serialize() for f in kept if f.value is not None) + "\n"

    def choices(self) -> list[str]:
        """The flags that are not at their default and can change what a run gives."""
        return [
            flag.serialize()
            for flag in self._sorted()
            if not self.is_default(flag.name)
            and not self._tags(flag.name) & {PLACE, MACHINE}
        ]

    def given(
        self, apart: Container[str] = (), tags: frozenset[str] = frozenset()
    ) -> list[str]:
        """`--name=value` of the flags that were given, without some.

        Args:
            apart: names that are left out.
            tags: flags with any of these are left out.
        """
        return [
            flag.serialize()
            for flag in self._sorted()
            if flag.present
            and flag.name not in apart
            and not self._tags(flag.name) & tags
        ]

    def outside(self) -> list[str]:
        """Flags of a run that name what is written, or Python that is run."""
        return [
            flag.serialize()
            for flag in self._sorted()
            if MACHINE not in self._tags(flag.name)
            and isinstance(flag.value, str)
            and (tasks.is_place(flag.value) or FOLDER in self._tags(flag.name))
            and flag.value
        ]

    def try_places(self) -> None:
        """Makes sure that all that the flags name can be written.

        Raises:
            ConfigError: it cannot; it names the flag.
            DiskError: the disk is full.
        """
        for name in self._known:
            tags = self._tags(name) & {FOLDER, FILE}
            if not tags or self._is_hidden(name):
                continue
            for text in filter(None, str(self._flags[name].value).split(",")):
                if "://" in text or text.startswith("minari:"):
                    continue
                attempt = places.try_folder if FOLDER in tags else places.try_file
                attempt(name, pathlib.Path(text))

    def unread(self) -> list[str]:
        """Flags that were given by hand, and serve other commands alone."""
        return [x for x in self._known if self.is_named(x) and self._is_hidden(x)]

    def names(self, group: type) -> list[str]:
        """The names of a group's flags."""
        return [name for name, known in self._known.items() if known.group is group]

    def help(self, describe: str) -> str:
        """What `--help` shows: the flags by group, in the order of the groups.

        What is recommended is for the given `--defaults` and `--algorithm`.
        """
        blocks = [describe.strip()]
        advised = {}
        if "defaults" in self._known and "defaults" not in self._hidden:
            names = ("defaults", "algorithm")
            kind, method = (str(self._flags[x].value) for x in names)
            advised = recommended.values(kind, method)
        for group in self._groups:
            shown = [x for x in self.names(group) if x not in self._hidden]
            about = [self._help(name, advised.get(name, "")) for name in shown]
            blocks.append("\n".join([title(group), *about]))
        blocks.append(EVERYWHERE)
        return "\n\n".join(blocks)

    def _help(self, name: str, advised: str) -> str:
        known, default = self._known[name], self._flags[name].default
        return flag_help(name, known.kind, known.setting, default, advised)

    def _is_hidden(self, name: str) -> bool:
        return not self._hidden.isdisjoint({name, self._known[name].group})

    def _sorted(self) -> Iterator[flags.Flag]:
        return (self._flags[name] for name in sorted(self._known))

    def _tags(self, name: str) -> frozenset[str]:
        return self._known[name].setting.tags
