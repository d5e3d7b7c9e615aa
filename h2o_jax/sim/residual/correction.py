"""Residuals at work: the corrections of many environments, and where they lead."""

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim.residual import Correction, Residual
from h2o_jax.sim.tasks.task import Array, Task

_EXTREME = 1e6
"""Beyond any observation: where such a state is told, nothing is ever clipped."""


_TURNS = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL


class Shift(NamedTuple):
    """What moves a simulator by a change of its observations."""

    qpos: Array
    """`[k, nq]`; zero for positions that no observation tells."""
    qvel: Array
    """`[k, nv]`."""
    memory: Array
    """`[k, m]`."""


class Residuals:
    """The residuals of `n` environments; nothing here ever changes.

    Attributes:
        settable: whether the simulator can go on from a corrected observation; where
            it cannot, the stored row alone is corrected.
        digests: `[n, 32]` uint8, what corrects each environment; zeros for nothing.
    """

    def __init__(
        self, task: Task, model: mujoco.MjModel, residuals: Sequence[Residual | None]
    ):
        """Groups the environments by residual.

        Raises:
            ConfigError: a residual is of another task.
        """
        used = {x.digest: x for x in residuals if x is not None}
        for residual in used.values():
            if residual.about.get("task") != task.name:
                raise ConfigError(
                    f"a residual of {residual.about.get('task')} cannot correct "
                    f"{task.name}"
                )
        self._distinct = list(used.values())
        names = list(used)
        self._group = np.array([-1 if x is None else names.index(x.digest)
                                for x in residuals])  # fmt: skip
        self._one = len(names) == 1 and bool((self._group == 0).all())
        digests = ["0" * 64 if x is None else x.digest for x in residuals]
        self.digests = np.array([list(bytes.fromhex(x)) for x in digests], np.uint8)
        self.settable = task.pose is not None
        self._task, self._model = task, model
        kind = model.jnt_type
        self._turn = np.zeros(model.nq)
        self._turn[model.jnt_qposadr[kind == mujoco.mjtJoint.mjJNT_HINGE]] = 2 * np.pi
        self._turns = bool(np.isin(kind, _TURNS).any())
        extremes = np.outer([-_EXTREME, _EXTREME], np.ones(task.obs_dim))
        self._clips = self.settable and not self._told(extremes).all()

    def of(self, s_tm1: Array, a_tm1: Array, s_t: Array, ids: Array) -> Correction:
        """What corrects the environments `ids [k]`; see `Residual.correct`."""
        if self._one:
            return self._distinct[0].correct(s_tm1, a_tm1, s_t)
        k = len(ids)
        whole = Correction(np.zeros_like(s_t), np.zeros(k), np.zeros(k))
        for residual, rows in self._rows(ids):
            part = residual.correct(s_tm1[rows], a_tm1[rows], s_t[rows])
            for column, values in zip(whole, part, strict=True):
                column[rows] = values
        return whole

    def shift(self, qpos: Array, s_t: Array, change: Array) -> Shift:
        """Where a change of observations moves simulators at positions `qpos [k, nq]`.

        As only the way from one pose to the other counts, what no observation tells
        stays as it is. Without a change nothing moves, whatever was observed.

        Args:
            qpos: of the simulators, which no observation need tell.
            s_t: `[k, O]` observations.
            change: `[k, O]` of them.
        """
        assert self._task.pose is not None
        before, after = (self._task.pose(self._model, x) for x in (s_t, s_t + change))
        way, qvel = after.qpos - before.qpos, after.qvel - before.qvel
        # An angle that is seen as cosine and sine jumps by a whole turn somewhere.
        way -= self._turn * np.rint(way / np.where(self._turn, self._turn, np.inf))
        if self._turns:
            ends = before.qpos + way
            for i, (q, start, end) in enumerate(
                zip(qpos, before.qpos, ends, strict=True)
            ):
                way[i] = _turned(self._model, q, start, end) - q
                qvel[i] = _headed(self._model, q, start, qvel[i])
        moves: Array = np.any(change, axis=1, keepdims=True)
        memory = after.memory - before.memory
        return Shift(*(np.where(moves, x, 0.0) for x in (way, qvel, memory)))

    def clipped(self, s_t: Array) -> Array:
        """Whether observations `[k, O]`, without noise, hide a part of the state."""
        return ~self._told(s_t) if self._clips else np.zeros(len(s_t), bool)

    def _told(self, s_t: Array) -> Array:
        assert self._task.pose is not None
        exact: Array = self._task.pose(self._model, s_t).exact
        return exact

    def strayed(self, s_t: Array, ids: Array) -> Array:
        """Which environments `ids [k]` left the range of their logs by far."""
        if self._one:
            return self._distinct[0].strayed(s_t)
        strayed = np.zeros(len(ids), bool)
        for residual, rows in self._rows(ids):
            strayed[rows] = residual.strayed(s_t[rows])
        return strayed

    def check(self, digests: Array | None) -> None:
        """Makes sure that a saved state was corrected by the same residuals.

        Raises:
            CheckpointError: it was not.
        """
        if digests is None or not np.array_equal(digests, self.digests):
            raise CheckpointError(
                "the saved simulators were corrected by another residual than the one "
                "that is learned or cached now; start a fresh run"
            )

    def _rows(self, ids: Array) -> list[tuple[Residual, Array]]:
        """Each residual and which of `ids` it corrects, as positions in `ids`."""
        group = self._group[ids]
        pairs = [
            (residual, np.flatnonzero(group == i))
            for i, residual in enumerate(self._distinct)
        ]
        return [(residual, rows) for residual, rows in pairs if len(rows)]


def _turned(model: mujoco.MjModel, qpos: Array, start: Array, end: Array) -> Array:
    """A position after the way between two others, whose quaternions turn it."""
    way, moved = np.zeros(model.nv), np.array(qpos)
    mujoco.mj_differentiatePos(model, way, 1.0, start, end)
    mujoco.mj_integratePos(model, moved, _headed(model, qpos, start, way), 1.0)
    return moved


def _headed(model: mujoco.MjModel, qpos: Array, start: Array, way: Array) -> Array:
    """A velocity `[nv]` of `start`, for a base that heads as in `qpos`.

    The linear velocity of a free joint is in the world's axes, and a pose whose heading
    is not observed has another one.
    """
    way, turn, back = np.array(way), np.zeros(4), np.zeros(4)
    for i in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        q, v = model.jnt_qposadr[i] + 3, model.jnt_dofadr[i]
        mujoco.mju_negQuat(back, start[q : q + 4])
        mujoco.mju_mulQuat(turn, qpos[q : q + 4], back)
        mujoco.mju_rotVecQuat(way[v : v + 3], way[v : v + 3].copy(), turn)
    return way
