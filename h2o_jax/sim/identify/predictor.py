"""What a simulator does in a log's states, with fields of any values."""

import dataclasses
from collections.abc import Mapping

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, gaps, replay_log
from h2o_jax.sim.fields import Value
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.models import Inertia, compile_model
from h2o_jax.sim.replay_log import Prediction
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.windows import Windows
from h2o_jax.sim.world import World

_BATCH = 4096


class Predictor:
    """What the simulator does with given fields, without any randomness."""

    def __init__(self, task: Task, start: Gaps, inertia: Inertia, threads: int):
        """Compiles the simulator that the fields scale.

        Raises:
            ConfigError: its states cannot be told from observations, or it does not
                have one of its fields.
        """
        if task.pose is None:
            raise ConfigError(
                f"--task={task.name}: its simulator cannot be put into a logged state, "
                "so there is nothing to fit; give the task a pose"
            )
        self.task = task
        own = gaps.interface(start, task.interface)
        self.known = {x.name: _unless(x, own) for x in gaps.from_file(start)}
        """Fields of the simulator file that it starts from, with their intervals."""
        self.given = {name: x.value for name, x in self.known.items()}
        self.gaps = gaps.without_fields(start)
        self.model = compile_model(task, self.gaps, inertia)
        interface = gaps.interface(self.gaps, task.interface)
        self.action_noise = own.action_noise
        """Of the simulator that it starts from, std."""
        low, high = interface.substeps or (task.frame_skip, task.frame_skip)
        middle = (low + high) // 2
        self._interface = dataclasses.replace(
            interface,
            action_noise=0.0,
            substeps=(middle, middle) if interface.substeps else None,
            stall_probability=0.0,
            push_probability=0.0,
            sensor_noise=(),
            sensor_quantum=(),
        )
        self._threads = threads
        self._worlds: dict[tuple[int, int], World] = {}

    @property
    def latency(self) -> int:
        """Of the simulator that it starts from, control steps."""
        return int(self.given.get("latency", self._interface.latency))

    def __call__(self, windows: Windows, values: Mapping[str, float]) -> Array:
        """`[n, h, O]` what the simulator does; `values` override those of its file."""
        return self.replayed(windows, values).s_t

    def replayed(self, windows: Windows, values: Mapping[str, float]) -> Prediction:
        """The same, with rewards and whether the physics diverged."""
        chosen = list({**self.given, **values}.items())
        model = fields.scaled(self.model, chosen)
        still = [(k, x) for k, x in chosen if k != "action_noise"]
        interface = fields.interface(self._interface, still)
        n = min(len(windows.first), _BATCH)
        key = n, interface.latency
        if key not in self._worlds:
            self._worlds[key] = World(
                self.task, [model] * n, [interface] * n, range(n), self._threads
            )
        world = self._worlds[key]
        world.use([model] * n)
        return replay_log.replay_in(world, windows.log, windows.first, windows.steps)


def _unless(value: Value, own: Interface) -> Value:
    """A field of a simulator file, unless a gap that follows the file sets another."""
    if value.name in ("latency", "action_noise"):
        now = float(getattr(own, value.name))
        return value if now == value.value else Value.exactly(value.name, now)
    return value
