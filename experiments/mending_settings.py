"""The settings of mending a simulator with the log."""

import dataclasses
from typing import Literal

from h2o_jax.settings import NOT_NEGATIVE, at_least, setting

FITTING, CORRECTING = ("identified", "both", "auto"), ("residual", "both", "auto")
"""Values of `simulator` with which fields may be fitted, or a residual learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MendingSettings:
    """Mending the simulator with the log."""

    simulator: Literal["as_is", "identified", "residual", "both", "auto"] = setting(
        "as_is",
        "Simulator that a run learns in: as --gap has it; with parameters identified "
        "from the log; with what it misses learned from the log and added after every "
        "step (residual); both; or as the audit of the log advises (auto). An "
        "identified one may choose policies that the log alone taught, too.",
    )
    fields: tuple[str, ...] = setting(
        (),
        "What is fitted in an identified simulator, the least certain first, as in "
        "experiments.identify; empty: its default fields, and where these do not do, "
        "those of each joint, each body, its shape, and what damps each joint.",
    )
    residual_rows: int = setting(
        140_000, "Most rows of the log that a residual learns from.", at_least(500)
    )
    residual_updates: int = setting(
        8000,
        "Most updates of each of a residual's networks; a small log gets fewer.",
        at_least(1),
    )
    residual_hidden: tuple[int, ...] = setting(
        (200, 200), "Widths of a residual's networks.", at_least(1)
    )
    residual_members: int = setting(4, "Networks of a residual.", at_least(2))
    residual_seed: int = setting(
        0, "Of a residual: rows, held-out episodes, networks.", at_least(0)
    )
    pessimism: float = setting(
        0.0,
        "Keeps a policy where a residual is sure: what a step costs while learning, in "
        "std of the log's rewards, where its networks disagree as much as on the least "
        "certain hundredth of the log; 0: nothing. Raise it if real returns fall while "
        "sim/return rises.",
        NOT_NEGATIVE,
    )

    @property
    def fits(self) -> bool:
        """Whether fields of the simulators may be fitted to the log."""
        return self.simulator in FITTING

    @property
    def corrects(self) -> bool:
        """Whether a residual may correct the simulators."""
        return self.simulator in CORRECTING
