"""Fits fields of a wrong simulator to a log, and says how far that can be trusted.

One step first, from several starts; then windows of several steps from the best. What
the log cannot tell is left alone and named; see `fields`, `fitting` and `log_noise`.
"""

from h2o_jax.errors import DatasetError
from h2o_jax.sim import windows
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identify import fit_plan, latencies
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.identified import Identified
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.identify.search import Search
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.windows import Rows
from h2o_jax.types import Transition

VERSION = 2
"""Counts changes of what is found in a log; fits that were kept are of one."""


def identify(
    task: Task,
    start: Gaps,
    log: Transition,
    how: Fitting,
    inertia: Inertia = "modern",
    threads: int = 0,
) -> Identified:
    """Fits fields of the simulator with gaps `start` to a log.

    Args:
        task: of the log.
        start: the simulator that is wrong.
        log: rows in the order in which they were recorded.
        how: what is fitted, and how.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the simulator does not have a field, or all of them are silent.
        DatasetError: the log has too few rows, or they do not follow each other.
    """
    predict = Predictor(task, start, inertia, threads)
    named = not fit_plan.is_standard(how)
    how = fit_plan.of_model(how, predict.model)
    rows = windows.sort(task, predict.model, log, how.held_out, how.fit_seed)
    longest = max(latencies.lags(predict.latency))
    late = "latency" in how.fields and _follow(rows, longest)
    lead = longest if late else predict.latency
    if not _follow(rows, lead):
        raise DatasetError(
            f"fewer than {windows.LEAST} rows of the log have {lead} rows of their "
            "episode before them, whose commands wait in this simulator; give a log "
            "in the order in which it was recorded"
        )
    return Search(predict, rows, how, lead, late, named).run()


def _follow(rows: Rows, lead: int) -> bool:
    """Whether enough rows have others before them, whose commands may still wait."""
    return len(rows.pick(windows.LEAST, 1, 0, lead=lead).first) == windows.LEAST
