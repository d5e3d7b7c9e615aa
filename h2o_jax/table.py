"""The table of an algorithm: its stages of losses, and what they need."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from h2o_jax.errors import ConfigError, check_choice
from h2o_jax.schedules import Schedule
from h2o_jax.types import Domain, Hyper, Loss, Networks, Sizes, Stage

_DOMAINS = get_args(Domain)


class Table(NamedTuple):
    """The arguments of `learner.make`."""

    networks: Networks
    stages: tuple[Stage, ...]
    domains: tuple[Domain, ...]
    targets: tuple[str, ...]
    schedules: dict[str, Schedule]
    needs_next_action: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of parameters in the order in which they are trained."""
        return tuple(group for stage in self.stages for group in stage)

    @property
    def sizes(self) -> Sizes:
        """Rows of each batch that the losses read, and the widths of both spaces."""
        rows = max(x.span[1] for stage in self.stages for x in stage.values())
        return Sizes(rows, self.networks.obs_dim, self.networks.action_dim)


def check(table: Table) -> None:
    """Refuses a table that could not be trained as it reads.

    Raises:
        ConfigError: it names the entry, what was found and the fix.
    """
    if not table.stages or not table.domains:
        raise ConfigError("no stages or no domains; give one of each at least")
    for stage in table.stages:
        _check_stage(stage)
    for group, times in Counter(table.groups).items():
        check_choice(
            "group", group, table.networks.init, ", or add it to networks.init"
        )
        if times > 1:
            raise ConfigError(f"group {group!r}: {times} stages train it; keep one")
    for domain in table.domains:
        check_choice("domain", domain, _DOMAINS)
    for group in table.targets:
        check_choice("target", group, table.groups)
    for group in table.schedules:
        check_choice("schedule of group", group, table.groups)


def _check_stage(stage: Any) -> None:
    if not isinstance(stage, Mapping) or not stage:
        raise ConfigError(f"stage {stage!r}: give a dict of group -> h2o_jax.Loss")
    for group, loss in stage.items():
        if not isinstance(loss, Loss):
            found = type(loss).__name__
            raise ConfigError(f"group {group!r}: got {found}, want an h2o_jax.Loss")


def check_hyper(table: Table, hyper: Any) -> None:
    """Refuses hyperparameters that lack the step size of a group.

    Raises:
        ConfigError: they are no `Hyper`, or lack a field.
    """
    if not isinstance(hyper, Hyper):
        found = type(hyper).__name__
        raise ConfigError(f"hyperparameters: got {found}, want an h2o_jax.Hyper")
    for group in table.groups:
        if not hasattr(hyper, f"{group}_lr"):
            raise ConfigError(
                f"group {group!r}: Hyper has no {group}_lr; add it in a subclass"
            )
