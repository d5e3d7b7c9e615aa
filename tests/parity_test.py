"""One and five updates against numbers recorded from the published PyTorch code."""

import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from h2o_jax.types import Transition

NETS = {"q1": ("critic", 0), "q2": ("critic", 1)}


class Recording:
    """The recorded file in our shapes."""

    def __init__(self, path):
        self.data = np.load(path)

    def mlp(self, step, net):
        layers = {
            f"Dense_{i}": {
                "kernel": jnp.asarray(self.data[f"{step}/{net}/w{i}"]),
                "bias": jnp.asarray(self.data[f"{step}/{net}/b{i}"]),
            }
            for i in range(3)
        }
        return layers

    def params(self, step):
        scale, offset = (
            jnp.asarray(self.data[f"{step}/policy/log_std_{x}"])
            for x in ("scale", "offset")
        )
        policy = {"MLP_0": self.mlp(step, "policy")}
        policy |= {"log_std_scale": scale, "log_std_offset": offset}
        return {
            "policy": {"params": policy},
            "critic": [{"params": self.mlp(step, net)} for net in ("q1", "q2")],
            "value": {"params": self.mlp(step, "v")},
            "discriminator": {
                "params": {"sa": self.mlp(step, "d_sa"), "sas": self.mlp(step, "d_sas")}
            },
            "log_alpha": jnp.asarray(self.data[f"{step}/log_alpha"]),
        }

    def targets(self, step):
        return {"critic": [{"params": self.mlp(step, net)} for net in ("tq1", "tq2")]}

    def batch(self, step, domain):
        """16 rows for the critics, then 32 for the discriminators."""

        def column(name, discriminate=True):
            rows = self.data[f"step{step}/{domain}/{name}"]
            if not discriminate:
                return np.concatenate([rows[:, 0], np.zeros(32, np.float32)])
            return np.concatenate([rows, self.data[f"step{step}/d_{domain}/{name}"]])

        return Transition(
            s_tm1=column("observations"),
            a_tm1=column("actions"),
            r_t=column("rewards", discriminate=False),
            discount_t=1 - column("dones", discriminate=False),
            s_t=column("next_observations"),
        )

    def noise(self, step):
        names = ("s_tm1", "a_tm1", "s_t")
        draws = [f"{d}_{n}" for d in ("real", "sim") for n in names]
        recorded = {
            name: self.data[f"step{step}/randn{i}"] for i, name in enumerate(draws)
        }
        normals = {
            name: self.data[f"step{step}/normal{i}"]
            for i, name in enumerate(("policy", "next_real", "next_sim"))
        }
        return recorded, normals

    def metric(self, step, name):
        return float(self.data[f"step{step}/metric/{name}"])


@pytest.fixture(scope="module")
def run(request):
    """The recording, and our states and metrics over its five updates."""
    import jax

    from tests.conftest import SHARED

    path = SHARED / "parity" / "h2oplus.npz"
    if not path.exists():
        pytest.skip("needs parity/h2oplus.npz in shared/data")
    recording = Recording(path)
    algorithm = h2o_jax.h2o_plus(
        5,
        2,
        hidden=(16, 16),
        discriminator_hidden=(16, 16),
        learn_rows=slice(0, 16),
        discriminate_rows=slice(16, 48),
    )
    state = algorithm.init(jax.random.key(0))
    state = state.replace(
        params=recording.params(0), target_params=recording.targets(0)
    )
    states, metrics = [], []
    step = jax.jit(algorithm.step)
    for i in range(5):
        state, report = step(
            state,
            recording.batch(i, "real"),
            recording.batch(i, "sim"),
            noise=recording.noise(i),
        )
        states.append(state)
        metrics.append(report)
    return recording, states, metrics


def largest_gap(ours, theirs):
    import jax

    gaps = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), ours, theirs)
    return max(jax.tree.leaves(gaps))


@pytest.mark.parametrize(
    ("updates", "online", "target"), [(1, 4e-5, 2e-7), (5, 1e-4, 1e-6)]
)
def test_parameters_equal_the_published_code(run, updates, online, target):
    recording, states, _ = run
    state = states[updates - 1]
    assert largest_gap(state.params, recording.params(updates)) < online
    assert largest_gap(state.target_params, recording.targets(updates)) < target


OURS_AND_THEIRS = {
    "critic/real_loss": ("real_qf1_loss", "real_qf2_loss"),
    "critic/sim_loss": ("sim_qf1_loss", "sim_qf2_loss"),
    "critic/real_target": ("average_blended_real_td_target",),
    "critic/sim_target": ("average_blended_sim_td_target",),
    "policy/loss": ("policy_loss",),
    "value/loss": ("vf_loss",),
    "value/v": ("df_vf_pred",),
    "log_alpha/loss": ("alpha_loss",),
    "log_alpha/alpha": ("alpha",),
}


@pytest.mark.parametrize("name", OURS_AND_THEIRS)
def test_losses_and_targets_equal_the_published_code(run, name):
    recording, _, metrics = run
    for i, report in enumerate(metrics):
        recorded = sum(recording.metric(i, key) for key in OURS_AND_THEIRS[name])
        np.testing.assert_allclose(report[name], recorded, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net", ["sa", "sas"])
def test_discriminator_losses_equal_the_published_code(run, net):
    recording, _, metrics = run
    for i, report in enumerate(metrics):
        ours = sum(report[f"discriminator/{net}_{d}_loss"] for d in ("real", "sim"))
        recorded = recording.metric(i, f"d{net}_train_loss")
        np.testing.assert_allclose(ours, recorded, rtol=1e-4)


def test_entropy_equals_the_published_code(run):
    recording, _, metrics = run
    for i, report in enumerate(metrics):
        recorded = recording.metric(i, "log_pi")
        np.testing.assert_allclose(-report["policy/entropy"], recorded, rtol=1e-4)
