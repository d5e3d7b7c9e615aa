"""The contract that every algorithm keeps, on tiny networks.

The golden numbers are written anew by `H2O_JAX_REGENERATE=1 pytest
tests/algorithms_test.py`; a change of them needs a line in the changelog.
"""

import json
import os
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from tests.cases import (
    REAL,
    ROWS,
    SIM,
    UPDATES,
    A,
    Case,
    batch,
    build,
)

pytestmark = pytest.mark.usefixtures("fast_compile")
GOLDEN = pathlib.Path(__file__).parent / "golden"
REGENERATE = "H2O_JAX_REGENERATE" in os.environ


@pytest.fixture(scope="module", params=sorted(h2o_jax.ALGORITHMS))
def case(request):
    return Case(request.param)


def numbers(state):
    """The state's leaves as NumPy arrays; the key as its data."""
    state = state.replace(key=jax.random.key_data(state.key))
    leaves, tree = jax.tree.flatten(state)
    return [np.asarray(x) for x in leaves], tree


def assert_same(one, other):
    chex.assert_trees_all_equal(numbers(one)[0], numbers(other)[0])


def assert_finite(*trees):
    chex.assert_tree_all_finite(trees)


def test_every_method_is_public():
    assert set(h2o_jax.ALGORITHMS) <= set(h2o_jax.__all__)


@pytest.mark.fault
def test_rebrac_names_what_its_rows_lack():
    algorithm = build("rebrac")
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    with pytest.raises(
        ValueError, match=r"reads real rows' a_t; .*h2o_jax.with_next_action"
    ):
        jax.eval_shape(algorithm.update, state, batch(0, SIM))


@pytest.mark.fault
def test_traces_once(case):
    """NumPy or JAX batches, first or later updates, whatever the hyperparameters."""
    state, _ = case.run(case.start(), 0, 2)[-1]
    case.update(state, *(jax.tree.map(jnp.asarray, batch(2, b)) for b in (REAL, SIM)))
    case.update(case.start(1, discount=0.5), batch(0, REAL), batch(0, SIM))
    assert case.traces == 1


def test_dtypes_and_shapes_are_kept(case):
    start = case.start()
    state, metrics = case.run(start)[-1]
    chex.assert_trees_all_equal_shapes_and_dtypes(numbers(state)[0], numbers(start)[0])
    dtypes = {x.dtype for x in jax.tree.leaves((state.params, state.target_params))}
    assert dtypes == {np.dtype("float32")}
    assert all(m.dtype == np.float32 and m.shape == () for m in metrics.values())
    assert state.step == 5
    action = case.algorithm.act(state.actor, REAL.s_tm1[0])
    assert action.dtype == np.float32 and action.shape == (ROWS, A)


def test_every_group_learns(case):
    start = case.start()
    state, _ = case.run(start)[-1]
    for group, before in start.params.items():
        after = jax.tree.leaves(state.params[group])
        assert any(
            (x != y).any() for x, y in zip(jax.tree.leaves(before), after, strict=True)
        ), group


HOSTILE = {
    "huge rewards": lambda b: b._replace(r_t=1e6 * b.r_t),
    "saturated actions": lambda b: b._replace(a_tm1=np.sign(b.a_tm1)),
    "constant states": lambda b: b._replace(s_tm1=0 * b.s_tm1, s_t=0 * b.s_t),
    "huge states": lambda b: b._replace(s_tm1=1e6 * b.s_tm1, s_t=1e6 * b.s_t),
    "all terminal": lambda b: b._replace(discount_t=0 * b.discount_t),
    "no successor": lambda b: b._replace(discount_t=0 * b.discount_t, s_t=b.s_tm1),
}


@pytest.mark.fault
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("domains", ["real", "sim", "real sim"])
def test_hostile_batches_stay_finite(case, name, domains):
    spoil = HOSTILE[name]
    real = spoil(REAL) if "real" in domains else REAL
    sim = spoil(SIM) if "sim" in domains else SIM
    state, metrics = case.run(case.start(), real=real, sim=sim)[-1]
    assert_finite(numbers(state)[0], metrics)
    assert_finite(case.algorithm.act(state.actor, real.s_tm1[0]))


RUNS = (
    {"seed": 0},
    {"seed": 1, "lambda_real": 0.9, "lambda_sim": 0.5, "policy_lr": 3e-3},
)


def stacked(case):
    states = [case.start(**run) for run in RUNS]
    return states, jax.tree.map(lambda *x: jnp.stack(x), *states)


def test_vmap_over_runs_equals_a_loop(case):
    """Runs that differ in seed and hyperparameters do not touch each other."""
    singles, states = stacked(case)
    together = jax.jit(jax.vmap(case.algorithm.update, in_axes=(0, None, None)))
    mapped = case.run(states, last=UPDATES, update=together)
    for i, start in enumerate(singles):
        alone = case.run(start, last=UPDATES)
        for update, tolerance in ((0, 1e-6), (UPDATES - 1, 1e-5)):
            ours = numbers(jax.tree.map(lambda x, i=i: x[i], mapped[update][0]))[0]
            chex.assert_trees_all_close(
                ours, numbers(alone[update][0])[0], rtol=1e-5, atol=tolerance
            )


def make_block(algorithm):
    """Updates as a program runs them: scanned, one run after the other."""

    def update(state, batches):
        return algorithm.update(state, *batches)

    def one_run(state):
        return jax.lax.scan(update, state, (REAL, SIM))[0]

    return jax.jit(lambda states: jax.lax.map(one_run, states))


def test_mapped_runs_do_not_depend_on_their_company(case):
    singles, states = stacked(case)
    block = make_block(case.algorithm)
    forward = block(states)
    backward = block(jax.tree.map(lambda x: x[::-1], states))
    assert_same(forward, jax.tree.map(lambda x: x[::-1], backward))
    alone, _ = case.run(singles[0], last=UPDATES)[-1]
    ours = numbers(jax.tree.map(lambda x: x[0], forward))[0]
    chex.assert_trees_all_close(ours, numbers(alone)[0], rtol=1e-5, atol=1e-5)


def test_resumes_exactly(case):
    """5 updates = 2, everything to NumPy and back, 3 more."""
    straight, _ = case.run(case.start())[-1]
    leaves, tree = numbers(case.run(case.start(), 0, 2)[-1][0])
    saved = jax.tree.unflatten(tree, [jnp.asarray(x.copy()) for x in leaves])
    saved = saved.replace(key=jax.random.wrap_key_data(saved.key))
    resumed, _ = case.run(saved, 2, 5)[-1]
    assert_same(resumed, straight)


def test_only_its_own_domains_matter(case):
    start = case.start()
    straight, _ = case.run(start)[-1]
    given = {"real": REAL, "sim": SIM}
    for domain, data in given.items():
        other = data._replace(r_t=data.r_t + 1, s_tm1=data.s_tm1 + 1)
        state, _ = case.run(start, **{**given, domain: other})[-1]
        if domain in case.algorithm.domains:
            with pytest.raises(AssertionError):
                assert_same(state, straight)
        else:
            assert_same(state, straight)
    own = {
        f"{d}_batch": batch(0, data) if d in case.algorithm.domains else None
        for d, data in given.items()
    }
    shapes, _ = jax.eval_shape(case.algorithm.update, start, **own)
    chex.assert_trees_all_equal_shapes_and_dtypes(shapes.params, start.params)


def summary(case):
    """Metrics of five updates, and each group's parameters after them."""
    history = case.run(case.start())
    record = {"metrics": [{k: float(v) for k, v in m.items()} for _, m in history]}
    state = history[-1][0]
    for part in ("params", "target_params"):
        for group, tree in getattr(state, part).items():
            leaves = np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
            record[f"{part}/{group}"] = {
                "sum": float(leaves.sum()),
                "norm": float(np.linalg.norm(leaves)),
            }
    return record


def test_golden(case):
    path = GOLDEN / f"{case.name}.json"
    ours = summary(case)
    if REGENERATE:
        path.write_text(json.dumps(ours, indent=1, sort_keys=True) + "\n")
    assert path.exists(), "write them with H2O_JAX_REGENERATE=1, see this file's head"
    golden = json.loads(path.read_text())
    assert ours.keys() == golden.keys()
    for report, recorded in zip(
        ours.pop("metrics"), golden.pop("metrics"), strict=True
    ):
        assert report == pytest.approx(recorded, rel=1e-3, abs=1e-5)
    for name, record in golden.items():
        assert ours[name] == pytest.approx(record, rel=1e-3, abs=1e-4), name


# --- under the user's own configuration -----------------------------------------------

CONFIGURATIONS = {
    "x64": lambda: jax.enable_x64(True),
    "no jit": lambda: jax.disable_jit(),
    "debug_nans": lambda: jax.debug_nans(True),
    "bfloat16": lambda: jax.default_matmul_precision("bfloat16"),
}


@pytest.mark.fault
@pytest.mark.parametrize(
    "name",
    [
        "debug_nans",
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in ("bfloat16", "x64", "no jit")
        ),
    ],
)
def test_works_under_the_users_configuration(case, name):
    before = dict(jax.config.values)
    start = case.start()
    with CONFIGURATIONS[name]():
        given = start, batch(0, REAL), batch(0, SIM)
        jax.eval_shape(build(case.name).update, *given)  # traced anew
        state, metrics = case.update(*given)  # compiled again where that matters
    assert jax.config.values == before
    expected, report = case.run(start, 0, 1)[-1]
    chex.assert_trees_all_equal_shapes_and_dtypes(
        numbers(state)[0], numbers(expected)[0]
    )
    chex.assert_trees_all_close(state.params, expected.params, rtol=1e-2, atol=1e-3)
    assert metrics.keys() == report.keys()


@pytest.mark.parametrize("name", sorted(h2o_jax.ALGORITHMS))
def test_is_built_in_single_precision_where_double_is_on(name):
    with jax.enable_x64(True):
        algorithm = build(name)
        start = jax.eval_shape(algorithm.init, jax.random.key(0))
        state, metrics = jax.eval_shape(
            algorithm.update, start, batch(0, REAL), batch(0, SIM)
        )
    floats = jax.tree.leaves((state.params, state.opt_state, metrics))
    assert {x.dtype for x in floats} <= {np.dtype("float32"), np.dtype("int32")}


@pytest.mark.parametrize("name", sorted(h2o_jax.ALGORITHMS))
@pytest.mark.parametrize("kind", ["raw", "rbg"])
def test_takes_any_kind_of_key(name, kind):
    algorithm = build(name)
    key = jax.random.PRNGKey(0) if kind == "raw" else jax.random.key(0, impl="rbg")
    start = jax.eval_shape(algorithm.init, key)
    state, _ = jax.eval_shape(algorithm.update, start, batch(0, REAL), batch(0, SIM))
    chex.assert_trees_all_equal_shapes_and_dtypes(state, start)
