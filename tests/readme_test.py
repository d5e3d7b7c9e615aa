"""The Python examples of README and of the pages in docs/ run as they stand."""

import doctest
import pathlib
import re
import runpy

import chex
import jax
import numpy as np
import pytest

import h2o_jax
from h2o_jax.sim import gaps, rollout, tasks, worlds

pytestmark = pytest.mark.usefixtures("fast_compile")
ROOT = pathlib.Path(__file__).resolve().parents[1]
TRUE = {
    "body_mass:pole": 2.0,
    "joint_damping:rail": 6.0,
    "joint_damping:hinge": 5.0,
    "actuator_gear": 0.6,
    "latency": 1.0,
}
"""What docs/pendulum/true.xml has, in units of model.xml."""
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def run_marked(page, scope):
    """Runs the one block of a page that is marked as tested."""
    marked = re.findall(
        r"<!-- tests/readme_test.py runs this block. -->\n```python\n(.*?)```",
        page.read_text(),
        re.DOTALL,
    )
    assert len(marked) == 1
    exec(marked[0], scope)
    return scope


def test_the_update_page_runs():
    first, *others = blocks(ROOT / "docs" / "update.md", "python")
    exec(first, scope := {})
    assert scope["action"].shape == (1,)
    assert int(scope["state"].step) == 3
    for block in others:
        exec(block, scope)
    assert np.abs(scope["log"].a_tm1).max() <= 1
    before, batch = scope["state"], scope["rows"](scope["alg"].batch_size)
    step = scope["update_if_finite"]
    (kept, _), (made, _) = (
        step(before, batch._replace(r_t=batch.r_t + x), batch) for x in (np.nan, 0)
    )
    chex.assert_trees_all_equal(kept.params, before.params)
    assert int(kept.step) == int(made.step) == int(before.step) + 1
    with pytest.raises(AssertionError):
        chex.assert_trees_all_equal(made.params, before.params)
    assert scope["values"].shape == (100, 2)
    assert scope["log_ratio"].shape == (100,) and int(scope["state"].step) == 3


def test_a_simulator_is_mended_from_python(tmp_path, monkeypatch):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)

    def act(observations, t):
        lean = observations @ np.array([0.35, 5.6, 0.56, 0.84])
        return np.clip(lean + 0.3 * rng.normal(size=len(lean)), -1, 1)[:, None]

    real = worlds.make(tasks.get("docs/pendulum/pendulum.py:REAL"), [()], [0])
    rows = rollout.collect(real, act, 800).transitions
    log = jax.tree.map(lambda x: x[0], rows)
    scope = run_marked(ROOT / "docs" / "identify.md", {"log": log, "act": act})
    found = {x.name: x.value for x in scope["fit"].values}
    assert found == pytest.approx(TRUE, rel=0.01)
    assert gaps.fitted(scope["mended"])
    assert scope["steps"].s_t.shape == (2, 100, 4)


@pytest.mark.slow
def test_a_residual_is_learned_from_python():
    scope = run_marked(ROOT / "docs" / "correct.md", {})
    assert scope["world"].corrected


def test_a_policy_of_ones_own_loop_leaves_the_library(tmp_path, monkeypatch):
    pytest.importorskip("flatbuffers")
    monkeypatch.chdir(tmp_path)
    alg = h2o_jax.bc(3, 1, hidden=(8, 8))
    scales = h2o_jax.unit_scales(3, 1)
    scales = scales._replace(obs_mean=np.ones(3), obs_std=np.full(3, 2.0))
    state = alg.init(jax.random.key(0), None, scales)
    observation = np.array([0.5, -1.0, 2.0], np.float32)
    wanted = np.asarray(alg.act(state.average_actor, observation))
    scope = {"alg": alg, "state": state, "obs_dim": 3}
    arrays, form = (
        block
        for block in blocks(ROOT / "docs" / "export.md", "python")
        if "average_actor" in block
    )
    exec(arrays, scope)
    np.testing.assert_allclose(scope["act"](observation), wanted, atol=1e-6)
    exec(form, scope)
    read = jax.export.deserialize((tmp_path / "policy.stablehlo").read_bytes())
    np.testing.assert_allclose(read.call(observation), wanted, atol=1e-6)


def test_the_loop_of_ones_own_runs():
    scope = runpy.run_path(str(ROOT / "docs" / "own_loop.py"))
    assert -2000 < scope["main"](steps=20) < 0


def test_the_page_on_methods_runs():
    run_marked(ROOT / "docs" / "write_a_method.md", {})


def test_readme_runs():
    obs_dim, action_dim, n = 3, 1, 256
    shapes = ((n, obs_dim), (n, action_dim), (n,), (n,), (n, obs_dim))
    batch = h2o_jax.Transition(*(np.zeros(shape, np.float32) for shape in shapes))
    given = {
        "obs_dim": obs_dim,
        "action_dim": action_dim,
        "real_batch": batch,
        "sim_batch": batch,
        "observation": np.zeros(obs_dim, np.float32),
    }
    scope = run_marked(ROOT / "README.md", given)
    assert scope["action"].shape == (action_dim,)
    assert int(scope["state"].step) == 1


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "pycon")], ids=lambda p: p.stem
)
def test_console_examples(page):
    text = "\n".join(blocks(page, "pycon"))
    example = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.DocTestRunner(optionflags=flags).run(example)[:2]
    assert (failed, tried > 0) == (0, True)
