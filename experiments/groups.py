"""The groups of settings of a run, for the commands that its flagfile serves, too."""

from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.experiment import Grid, Method, Schedule, Source
from experiments.jobs import Launch
from experiments.mending_settings import MendingSettings
from experiments.run_folder import Output
from h2o_jax.types import Hyper

RUN = (
    *(Source, Reading, Collecting, Grid, MendingSettings),
    *(Method, Hyper, Schedule, Machine, Output),
)
"""Those of `experiments.run`, in the order of its help."""
JOBS = (*RUN, Launch)
"""Those of `experiments.launch`.

Commands that learn nothing accept them without using what they do not need, so that
RUN/flags.flags, and a flagfile of one's own, can be given to each.
"""
