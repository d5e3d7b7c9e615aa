"""How simulated rows count in the critics' loss of H2O+."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from h2o_jax.algorithms.parts.critics import PerRow, unit_weight
from h2o_jax.algorithms.parts.discriminators import dynamics_weight
from h2o_jax.errors import check_choice
from h2o_jax.types import Domain, View


class Weighting(NamedTuple):
    """A weight of simulated rows."""

    weight: PerRow
    discriminates: bool
    """Whether it reads the discriminators, which are trained only then."""


def normalised_weight(view: View, domain: Domain) -> jax.Array:
    r"""Clipped dynamics ratio over its mean, :math:`w_i / \bar w` (self-normalised).

    The rows of a batch compete with each other, and a simulator whose rows are all
    unlikely counts as much as the log.
    """
    weight = dynamics_weight(view, domain)
    return weight / jnp.mean(weight)


WEIGHTINGS: dict[str, Weighting] = {
    "ratio": Weighting(dynamics_weight, discriminates=True),
    "normalised": Weighting(normalised_weight, discriminates=True),
    "unit": Weighting(unit_weight, discriminates=False),
}
"""Name -> weight; `ratio` is the published one (Eq. 8)."""


def weighting(name: str) -> Weighting:
    """The weighting of a name.

    Raises:
        ConfigError: there is none; it lists them.
    """
    check_choice("weighting", name, WEIGHTINGS)
    return WEIGHTINGS[name]
