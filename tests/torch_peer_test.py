"""One update of the benchmarks' PyTorch peer equals ours."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from h2o_jax.types import Transition

torch = pytest.importorskip("torch")

from benchmarks.torch_peer import H2OPlus  # noqa: E402

OBS, A, HIDDEN, LEARN, ROWS = 5, 2, (16, 16), 8, 24
NAMES = ("observations", "actions", "rewards", "dones", "next_observations")


def batch(seed):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    going = (rng.uniform(size=ROWS) > 0.2).astype(np.float32)
    return Transition(
        normal(ROWS, OBS),
        np.tanh(normal(ROWS, A)),
        normal(ROWS),
        going,
        normal(ROWS, OBS),
    )


def theirs(rows):
    columns = (*rows[:3], 1 - rows.discount_t, rows.s_t)
    return dict(zip(NAMES, map(tensor, columns), strict=True))


def tensor(x):
    return torch.from_numpy(np.array(x, np.float32))


def ours_by_module(params, targets):
    """Our parameters, a perceptron by module of the peer."""
    critic, discriminator = params["critic"], params["discriminator"]["params"]
    return {
        "policy": params["policy"]["params"]["MLP_0"],
        "q1": critic[0]["params"],
        "q2": critic[1]["params"],
        "target_q1": targets["critic"][0]["params"],
        "target_q2": targets["critic"][1]["params"],
        "value": params["value"]["params"],
        "d_sa": discriminator["sa"],
        "d_sas": discriminator["sas"],
    }


def pairs(agent, state):
    """Every parameter of the peer beside ours, by name, ours in its layout."""
    for name, layers in ours_by_module(state.params, state.target_params).items():
        linear = [x for x in getattr(agent, name).net if hasattr(x, "weight")]
        for i, layer in enumerate(linear):
            ours = layers[f"Dense_{i}"]
            yield f"{name}/{i}/weight", layer.weight, ours["kernel"].T
            yield f"{name}/{i}/bias", layer.bias, ours["bias"]
    for name in ("log_std_scale", "log_std_offset"):
        yield name, getattr(agent.policy, name), state.params["policy"]["params"][name]
    yield "log_alpha", agent.log_alpha, state.params["log_alpha"]


@pytest.fixture(scope="module")
def updated():
    """The peer and our state after one update each, and both reports."""
    algorithm = h2o_jax.h2o_plus(
        OBS,
        A,
        hidden=HIDDEN,
        discriminator_hidden=HIDDEN,
        learn_rows=slice(0, LEARN),
        discriminate_rows=slice(0, ROWS),
    )
    state = jax.jit(algorithm.init)(jax.random.key(0))
    # Larger than at first, so that no gradient is lost in rounding; targets lag.
    state = state.replace(params=jax.tree.map(lambda x: 1.5 * x, state.params))
    state.params["log_alpha"] = jnp.float32(-0.3)
    agent = H2OPlus(OBS, A, HIDDEN, LEARN)
    with torch.no_grad():
        for _, parameter, ours in pairs(agent, state):
            parameter.copy_(tensor(ours))
    noise = algorithm.noise(jax.random.key(1))
    real, sim = batch(0), batch(1)
    losses = agent.update(
        theirs(real),
        theirs(sim),
        {name: tensor(x) for stage in noise for name, x in stage.items()},
    )
    state, metrics = jax.jit(algorithm.step)(state, real, sim, noise=noise)
    return agent, state, losses, metrics


def test_all_parameters_are_equal_after_one_update(updated):
    agent, state, _, _ = updated
    parameters = list(pairs(agent, state))
    assert len(parameters) == 8 * 3 * 2 + 3
    leaves = jax.tree.leaves((state.params, state.target_params))
    assert len(parameters) == len(leaves)
    for name, parameter, ours in parameters:
        gap = np.abs(parameter.detach().numpy() - np.asarray(ours)).max()
        assert gap < 1e-5, name


def test_losses_are_equal(updated):
    _, _, losses, metrics = updated
    ours = {
        "discriminator": [
            f"discriminator/{net}_{domain}_loss"
            for net, domain in itertools.product(("sa", "sas"), ("real", "sim"))
        ],
        "value": ["value/loss"],
        "q": ["critic/real_loss", "critic/sim_loss"],
        "policy": ["policy/loss"],
        "alpha": ["log_alpha/loss"],
    }
    for name, loss in losses.items():
        expected = sum(float(metrics[key]) for key in ours[name])
        np.testing.assert_allclose(float(loss), expected, rtol=1e-5, atol=1e-6)


def test_it_draws_what_it_is_not_given(updated):
    agent = updated[0]
    losses = agent.update(theirs(batch(2)), theirs(batch(3)))
    assert all(np.isfinite(float(loss)) for loss in losses.values())
