"""The methods by name: each a short table of stages over shared parts."""

from h2o_jax.algorithms.bc import bc
from h2o_jax.algorithms.cql import cql
from h2o_jax.algorithms.darc import darc
from h2o_jax.algorithms.edac import edac
from h2o_jax.algorithms.h2o import h2o
from h2o_jax.algorithms.h2o_plus import h2o_plus
from h2o_jax.algorithms.in_sample import eql, iql, sql, xql
from h2o_jax.algorithms.rebrac import rebrac
from h2o_jax.algorithms.sac import sac
from h2o_jax.types import Builder

ALGORITHMS: dict[str, Builder] = {
    "bc": bc,
    "cql": cql,
    "darc": darc,
    "edac": edac,
    "eql": eql,
    "h2o": h2o,
    "h2o_plus": h2o_plus,
    "iql": iql,
    "rebrac": rebrac,
    "sac": sac,
    "sql": sql,
    "xql": xql,
}
"""Name -> builder `(obs_dim, action_dim, **settings) -> Algorithm`."""
