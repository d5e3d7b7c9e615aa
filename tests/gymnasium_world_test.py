"""Gymnasium environments with the manners of a world."""

import gymnasium
import numpy as np
import pytest

from h2o_jax.errors import CheckpointError, ConfigError, DivergenceError
from h2o_jax.sim import audit, gaps, rollout, tasks, worlds
from h2o_jax.sim.tasks import gymnasium_task
from tests.robots import arm

PENDULUM = tasks.get("gymnasium:Pendulum-v1")
PLACE = f"{arm.__file__}:"


class Counter(gymnasium.Env):
    """Observes its age; ends as it is told."""

    observation_space = gymnasium.spaces.Box(-100.0, 100.0, (1, 2))
    action_space = gymnasium.spaces.Box(np.float32([0, -2]), np.float32([4, 2]))

    def __init__(self, ends=None, cut=None, drift=False):
        self._ends, self._cut, self._drift, self._runs = ends, cut, drift, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._runs += 1
        self._age = 0
        return self._seen(), {}

    def step(self, action):
        self._age += 1
        over, cut = self._age == self._ends, self._age == self._cut
        return self._seen(), float(action.sum()), over, cut, {}

    def _seen(self):
        return np.array([[self._age, self._runs * self._drift]], np.float32)


def counting(**how):
    return gymnasium_task.made_by(lambda: Counter(**how), "counter", 6)


def forward(world, steps):
    """Rows under the same actions, as they come."""
    return rollout.collect(world, lambda s, t: np.full((world.n, 2), 0.5), steps)


def test_an_episode_is_gymnasiums_own():
    world = worlds.environments(PENDULUM, [()], [0])
    env = gymnasium.make("Pendulum-v1")
    world.reset(seeds=[7])
    seen, _ = env.reset(seed=7)
    np.testing.assert_array_equal(world.observations[0], seen)
    for action in (0.3, -1.0, 5.0):  # clipped to 1
        step = world.step(np.array([[action]]))
        command = np.array([2 * min(action, 1)], np.float32)
        seen, reward, *_ = env.step(command)
        np.testing.assert_allclose(step.s_t[0], seen)
        np.testing.assert_allclose(step.reward[0], reward)
    assert world.time[0] == pytest.approx(0.15)


def test_the_time_limit_is_the_tasks_and_no_terminal_state():
    assert PENDULUM.horizon == 200
    rows = forward(worlds.environments(counting(), [()], [0]), 13)
    assert (rows.transitions.discount_t == 1).all()
    assert rows.episodes.length.tolist() == [6, 6]


def test_a_terminal_state_and_a_cut_are_told_apart():
    rows = forward(worlds.environments(counting(ends=3), [()], [0]), 6).transitions
    assert rows.discount_t[0].tolist() == [1, 1, 0, 1, 1, 0]
    rows = forward(worlds.environments(counting(cut=3), [()], [0]), 6)
    assert (rows.transitions.discount_t == 1).all()
    assert rows.episodes.length.tolist() == [3, 3]
    # The row before the cut has the true successor, not the next episode's start.
    assert rows.transitions.s_t[0, :, 0].tolist() == [1, 2, 3, 1, 2, 3]


def test_actions_are_mapped_onto_the_box():
    world = worlds.environments(counting(), [()], [0])
    # 0.5 of [0, 4] is 3, 0.5 of [-2, 2] is 1
    assert world.step(np.array([[0.5, 0.5]])).reward[0] == 4.0


@pytest.mark.parametrize("task", [PENDULUM, tasks.get("gymnasium:Hopper-v5")])
def test_a_restored_state_goes_on_bit_for_bit(task, capsys):
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (12, 2, task.action_dim))
    world, other = (worlds.environments(task, [(), ()], [0, 1]) for _ in range(2))
    for action in actions[:7]:
        world.step(action)
    other.restore(world.state())
    for action in actions[7:]:
        first, second = world.step(action), other.step(action)
        np.testing.assert_array_equal(first.s_t, second.s_t)
        np.testing.assert_array_equal(first.reward, second.reward)
    np.testing.assert_array_equal(world.returns, other.returns)
    assert not capsys.readouterr().err


def test_what_does_not_come_back_begins_a_new_episode_and_says_so(capsys):
    world, other = (
        worlds.environments(counting(drift=True), [(), ()], [0, 1]) for _ in range(2)
    )
    world.step(np.zeros((2, 2)))
    other.restore(world.state())
    assert other.age.tolist() == [0, 0]
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 of 2 environments do not come back" in line and "new episodes" in line


@pytest.mark.fault
def test_a_state_of_other_environments():
    world = worlds.environments(PENDULUM, [()], [0])
    with pytest.raises(CheckpointError, match="not one of 2 counter"):
        worlds.environments(counting(), [(), ()], [0, 1]).restore(world.state())


class Broken(Counter):
    """Fails at one of its calls, as somebody's own code may."""

    def __init__(self, fails):
        super().__init__()
        self._left = fails

    def _seen(self):
        self._left -= 1
        if not self._left:
            raise ZeroDivisionError("by\nzero")
        return super()._seen()


def breaking(*fails):
    """Environments, of which each fails at the given call."""
    given = iter([0, *fails])  # `made_by` looks at one
    return gymnasium_task.made_by(lambda: Broken(next(given)), "broken", 6)


@pytest.mark.fault
def test_what_fails_in_an_environment_is_one_line_with_its_cause():
    line = r"^broken: environment 1 cannot {}: ZeroDivisionError: by zero; mend"
    with pytest.raises(DivergenceError, match=line.format("reset")) as caught:
        worlds.environments(breaking(0, 1), [(), ()], [0, 1])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    world = worlds.environments(breaking(0, 2), [(), ()], [0, 1])
    with pytest.raises(DivergenceError, match=line.format("step")):
        world.step(np.zeros((2, 2)))


@pytest.mark.fault
def test_an_action_that_is_not_finite():
    with pytest.raises(DivergenceError, match="not finite"):
        worlds.environments(PENDULUM, [()], [0]).step(np.array([[np.nan]]))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("place", "finding"),
    [
        ("gymnasium:Nope-v0", "gymnasium:Nope-v0: .*doesn't exist"),
        ("gymnasium:CartPole-v1", "its action space is Discrete, give a Box"),
        (PLACE + "make_discrete", "action space is Discrete"),
        (PLACE + "NUMBER", "NUMBER is a int"),
    ],
)
def test_environments_that_do_not_fit(place, finding):
    with pytest.raises(ConfigError, match=finding):
        tasks.get(place)


@pytest.mark.fault
def test_a_gap_is_refused():
    settings = gaps.parse("gravity:2", PENDULUM.robot)
    with pytest.raises(
        ConfigError, match=r"--gap=gravity:2: .*--real=FILE\.py:make_real"
    ):
        worlds.environments(PENDULUM, [settings], [0])
    with pytest.raises(ConfigError, match="no model that could be edited"):
        worlds.make(PENDULUM, [()], [0])


def test_a_function_makes_them():
    task = tasks.get(PLACE + "make_sim")
    assert task.name.startswith("make_sim-") and task.horizon == 200
    worlds_ = [
        worlds.environments(tasks.get(PLACE + name), [()], [0])
        for name in ("make_sim", "make_real")
    ]
    first, second = (world.step(np.array([[0.0]])).s_t for world in worlds_)
    assert not np.array_equal(first, second)


@pytest.mark.fault
def test_an_audit_is_refused():
    world = worlds.environments(PENDULUM, [()], [0])
    rows = rollout.collect(world, lambda s, t: np.zeros((1, 1)), 20).transitions
    log = type(rows)(*(None if x is None else x[0] for x in rows))
    with pytest.raises(ConfigError, match="cannot be put into a logged state"):
        audit.audit(PENDULUM, [()], log)
