"""What a simulator lacks, learned from a log and added after every control step.

A `Residual` is an ensemble of small networks in NumPy. It maps what a policy saw, what
it did and how the simulator answered, `(s, a, s'_sim - s)`, to what the real system did
differently, in `s'` and in the reward. Learning one is `experiments.mending.residuals`.

It keeps to what it knows: numbers that it did not improve in held-out episodes stay as
the simulator has them; where its members disagree more than on nearly all of the rows
that it learned from, the correction fades away; and none takes a number out of the
log's range. With a `pessimism` above 0 a policy is kept there as well: disagreement
lowers the reward.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from h2o_jax.data import files, tables, writing
from h2o_jax.errors import CheckpointError

Array = np.ndarray
INPUT_LIMIT, OUTPUT_LIMIT = 8.0, 6.0
"""Largest standardised input and output; what is beyond is cut off."""
FADE = 2.0
"""Disagreement, in units of the limit, from which on nothing is corrected."""
_BLOCK = 8
"""Rows of one matrix product. Always as many, as bits may depend on it."""
_FORMAT = 1
_LARGEST = 1 << 30
"""Bytes of a file."""
_ABOUT = "about"
_MARK = "h2o_jax"
"""Tells a command that would replace the file that it is ours."""


class Correction(NamedTuple):
    """What the real system is expected to do otherwise, in `k` environments."""

    s_t: Array
    """`[k, O]` added to the simulator's observation."""
    r_t: Array
    """`[k]` added to its reward."""
    trust: Array
    """`[k]` in [0, 1], the share of the networks' answer that is used."""


@dataclasses.dataclass(frozen=True, eq=False)
class Residual:
    """An ensemble of K networks, with all that is needed to use it.

    I is 2 O + A; outputs are the O observations and the reward.
    """

    about: Mapping[str, Any]
    """Task, gap, log and settings: what it was learned from."""
    weights: tuple[Array, ...]
    """`[K, in, out]` float32 of each layer."""
    biases: tuple[Array, ...]
    """`[K, out]` float32."""
    input_mean: Array
    """`[I]`."""
    input_std: Array
    """`[I]`."""
    output_mean: Array
    """`[O + 1]`."""
    output_std: Array
    """`[O + 1]`."""
    change: Array
    """`[O + 1]` rms of the log's one-step changes and of its rewards' spread: the units
    of disagreement; the last one is that of what doubt costs, too."""
    used: Array
    """`[O + 1]` 1 where held-out rows came out better, 0 elsewhere."""
    limit: float
    """Disagreement up to which a correction counts in full."""
    low: Array
    """`[O]` least observations of the log."""
    high: Array
    """`[O]` largest ones."""
    pessimism: float = 0.0
    """What a step costs where members disagree up to the limit, in std of the log's
    rewards. It belongs to a use of the residual: no part of its file or digest."""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of everything above but `pessimism`, in hex."""
        digest = hashlib.sha256(_text(self.about).encode())
        for name, array in self.arrays().items():
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @functools.cached_property
    def _layers(self) -> list[tuple[Array, Array]]:
        """Weights `[K, 1, in, out]` and biases `[K, 1, 1, out]` of each layer."""
        pairs = zip(self.weights, self.biases, strict=True)
        return [(w[:, None], b[:, None, None]) for w, b in pairs]

    @functools.cached_property
    def _scale_and_mean(self) -> tuple[Array, Array]:
        """`[O + 1]` each, from the networks' units; zero in what is not used."""
        return self.output_std * self.used, self.output_mean * self.used

    @functools.cached_property
    def _unit(self) -> Array:
        """`[O + 1]` from the networks' units to a share of the disagreement."""
        unit = np.where(self.used > 0, self.output_std / self.change, 0.0)
        return unit / max(1.0, self.used.sum()) ** 0.5

    @property
    def useful(self) -> bool:
        """Whether anything is corrected at all."""
        return bool(self.used.any())

    def correct(self, s_tm1: Array, a_tm1: Array, s_t: Array) -> Correction:
        r"""The correction of one simulated control step of `k` environments.

        Each row's is a function of that row alone, to the bit. The reward becomes

        .. math:: \tilde r = r + \Delta r - \kappa \, \sigma_r \min(u, 2)

        where u is the members' disagreement over `limit`, 2 is `FADE`, kappa is
        `pessimism`, and sigma_r the std of the log's rewards, so that a policy keeps to
        where the residual knows the real system.

        Args:
            s_tm1: `[k, O]` what the policy saw.
            a_tm1: `[k, A]` its actions, in [-1, 1].
            s_t: `[k, O]` what the simulator made of it.

        References:
            Yu et al., MOPO: Model-based Offline Policy Optimization, NeurIPS 2020
            (arXiv 2005.13239), the reward penalised for uncertainty.
        """
        answers, disagreement = self.answers(s_tm1, a_tm1, s_t)
        doubt = np.minimum(disagreement / self.limit, FADE)
        trust = np.minimum((FADE - doubt) / (FADE - 1.0), 1.0)
        answers *= trust[:, None]
        wanted = s_t + answers[:, :-1]
        # What lies outside already may come back in, and goes no further out.
        bounded = np.minimum(
            np.maximum(wanted, np.minimum(self.low, s_t)), np.maximum(self.high, s_t)
        )
        cost = self.pessimism * self.change[-1] * doubt
        return Correction(bounded - s_t, answers[:, -1] - cost, trust)

    def answers(self, s_tm1: Array, a_tm1: Array, s_t: Array) -> tuple[Array, Array]:
        """The networks' mean answer `[k, O + 1]` and their disagreement `[k]`.

        The answer is zero in numbers that are not used. Disagreement is the rms over
        the others of the members' standard deviation, in units of `change`.
        """
        k = len(s_tm1)
        x = np.concatenate((s_tm1, a_tm1, s_t - s_tm1), axis=1)
        x = (x - self.input_mean) / self.input_std
        x = np.minimum(np.maximum(x, -INPUT_LIMIT), INPUT_LIMIT)
        blocks = -(-k // _BLOCK)
        rows = np.zeros((blocks * _BLOCK, x.shape[1]), np.float32)
        rows[:k] = x
        y = rows.reshape(1, blocks, _BLOCK, -1)
        for i, (w, b) in enumerate(self._layers):
            y = y @ w + b
            if i + 1 < len(self._layers):  # SiLU, without overflow
                y *= 0.5 + 0.5 * np.tanh(0.5 * y)
        y = y.reshape(len(y), blocks * _BLOCK, -1)[:, :k]
        y = np.minimum(np.maximum(y, -OUTPUT_LIMIT), OUTPUT_LIMIT).astype(np.float64)
        spread = y.std(axis=0) * self._unit
        scale, mean = self._scale_and_mean
        answer = y.mean(axis=0) * scale + mean
        return answer, np.sqrt(np.square(spread).sum(axis=1))

    def strayed(self, s_t: Array) -> Array:
        """Whether `s_t [k, O]` is further from the log's range than that is wide."""
        # A constant's range has no width, but float32 rounds the log's.
        width = np.maximum(self.high - self.low, self.change[:-1])
        return ((s_t < self.low - width) | (s_t > self.high + width)).any(axis=1)

    def arrays(self) -> dict[str, Array]:
        """Every number, by name."""
        layers = {
            f"{name}_{i}": array
            for name, arrays in (("weights", self.weights), ("biases", self.biases))
            for i, array in enumerate(arrays)
        }
        return {
            **layers,
            **{name: np.asarray(getattr(self, name)) for name in _NAMES},
        }


_NAMES = (
    "input_mean",
    "input_std",
    "output_mean",
    "output_std",
    "change",
    "used",
    "limit",
    "low",
    "high",
)


def save(path: pathlib.Path, residual: Residual) -> None:
    """Writes an .npz file that `load` reads and checks.

    Raises:
        OSError: the file system refuses.
    """
    header = {
        "format": _FORMAT,
        "about": dict(residual.about),
        "digest": residual.digest,
        "layers": len(residual.weights),
    }
    arrays: dict[str, Any] = {_ABOUT: np.array(_text(header)), **residual.arrays()}
    arrays[_MARK] = np.array(_FORMAT)
    with writing.replacing(path) as part:
        np.savez(part, **arrays)


def load(path: pathlib.Path, about: Mapping[str, Any] | None = None) -> Residual:
    """Reads a residual; nothing in the file is ever executed.

    Args:
        path: the file.
        about: what it must have been learned from; None for anything.

    Raises:
        CheckpointError: it is missing, damaged, of another version, or was learned
            from something else.
    """
    if reason := files.unreadable(path, _LARGEST):
        raise CheckpointError(f"{path}: {reason}; experiments.correct makes one")
    try:
        arrays = tables.npz_arrays(path)
        header = json.loads(str(arrays.pop(_ABOUT)))
        arrays.pop(_MARK, None)
        residual = _from(header, arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise CheckpointError(f"{path}: no residual, or damaged; remove it") from None
    if header["digest"] != residual.digest:
        raise CheckpointError(f"{path}: altered after it was saved; remove it")
    for name, value in json.loads(_text(about or {})).items():
        if residual.about.get(name) != value:
            raise CheckpointError(
                f"{path}: a residual with {name} {residual.about.get(name)}, not "
                f"{value}; make another with experiments.correct"
            )
    return residual


def _from(header: dict[str, Any], arrays: dict[str, Array]) -> Residual:
    if header["format"] != _FORMAT:
        raise ValueError
    layers = range(header["layers"])
    fields: dict[str, Any] = {name: arrays[name] for name in _NAMES}
    residual = Residual(
        about=header["about"],
        weights=tuple(arrays[f"weights_{i}"] for i in layers),
        biases=tuple(arrays[f"biases_{i}"] for i in layers),
        **{**fields, "limit": float(fields["limit"])},
    )
    # Arrays that do not fit each other fail here, not in a simulation.
    _ = residual.digest, residual._layers, residual._scale_and_mean, residual._unit
    return residual


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True)
