"""The same H2O+ update in plain, eager PyTorch: what one would write without JAX.

Modules, optimisers, separate losses and backward passes, as in published code. From the
same parameters, batches and normals an update equals ours, for batches whose terminal
rows hold their successor.
"""

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.torch_networks import Critic, Discriminator, Policy, Value

Batch = dict[str, Tensor]
"""observations, actions, rewards, dones, next_observations."""
REAL, SIM = 0, 1
DISCOUNT, MIX, EXPECTILE, TARGET_RATE = 0.99, 0.1, 0.7, 0.005
NOISE, LOG_RATIO_LOW, LOG_RATIO_HIGH = 0.1, math.log(1e-5), 0.0


class H2OPlus:
    """Networks, optimisers and the training step."""

    def __init__(
        self,
        obs_dim: int,
        action_dim: int,
        hidden: Sequence[int] = (256, 256),
        learn_rows: int = 128,
        lr: float = 3e-4,
    ):
        """Untrained networks.

        Args:
            obs_dim: O.
            action_dim: A.
            hidden: widths of all networks.
            learn_rows: rows of a batch that train more than the discriminators.
            lr: of every Adam.
        """
        self.learn_rows, self.target_entropy = learn_rows, -float(action_dim)
        self.policy = Policy(obs_dim, action_dim, hidden)
        self.q1, self.q2 = (Critic(obs_dim, action_dim, hidden) for _ in range(2))
        self.target_q1, self.target_q2 = copy.deepcopy((self.q1, self.q2))
        self.value = Value(obs_dim, hidden)
        self.d_sa = Discriminator(obs_dim + action_dim, hidden)
        self.d_sas = Discriminator(2 * obs_dim + action_dim, hidden)
        self.log_alpha = nn.Parameter(torch.tensor(0.0))

        def adam(*modules: nn.Module) -> torch.optim.Optimizer:
            return torch.optim.Adam([p for m in modules for p in m.parameters()], lr)

        self.policy_optimizer = adam(self.policy)
        self.q_optimizer = adam(self.q1, self.q2)
        self.value_optimizer = adam(self.value)
        self.d_optimizer = adam(self.d_sa, self.d_sas)
        self.alpha_optimizer = torch.optim.Adam([self.log_alpha], lr)

    def update(
        self, real: Batch, sim: Batch, normals: Batch | None = None
    ) -> dict[str, Tensor]:
        """One update of every network.

        Args:
            real: rows of the log.
            sim: as many rows of the simulator.
            normals: all draws by name; None to draw them.

        Returns:
            Losses by name.
        """
        normals = normals or self.draw(real)
        d_loss = self.discriminator_loss(real, sim, normals)
        _descend(self.d_optimizer, d_loss)

        n = self.learn_rows
        real, sim = ({k: x[:n] for k, x in batch.items()} for batch in (real, sim))
        value_loss = self.value_loss(real)
        weight = self.dynamics_weight(sim)
        q_loss = self.q_loss(real, 1.0, normals["next_real"])
        q_loss = q_loss + self.q_loss(sim, weight, normals["next_sim"])
        alpha_loss, policy_loss = self.policy_losses(real, sim, normals["policy"])
        _descend(self.alpha_optimizer, alpha_loss)
        # The policy's gradient also flows into the critics, who forget it here.
        _descend(self.policy_optimizer, policy_loss)
        _descend(self.q_optimizer, q_loss)
        _descend(self.value_optimizer, value_loss)
        self.move_targets()
        return {
            "discriminator": d_loss.detach(),
            "value": value_loss.detach(),
            "q": q_loss.detach(),
            "policy": policy_loss.detach(),
            "alpha": alpha_loss.detach(),
        }

    def draw(self, batch: Batch) -> Batch:
        """Standard normals for one update on such a batch of either domain."""
        names = {"s_tm1": "observations", "a_tm1": "actions", "s_t": "observations"}
        normals = {
            f"{domain}_{name}": torch.randn_like(batch[column])
            for domain in ("real", "sim")
            for name, column in names.items()
        }
        actions = batch["actions"][: self.learn_rows]
        normals |= {f"next_{d}": torch.randn_like(actions) for d in ("real", "sim")}
        return {**normals, "policy": torch.randn(2 * len(actions), actions.shape[-1])}

    def discriminator_loss(self, real: Batch, sim: Batch, normals: Batch) -> Tensor:
        """Cross-entropy of both classifiers on noisy rows."""
        loss = torch.tensor(0.0)
        for domain, batch, label in (("real", real, REAL), ("sim", sim, SIM)):
            s = batch["observations"] + NOISE * normals[f"{domain}_s_tm1"]
            a = batch["actions"] + NOISE * normals[f"{domain}_a_tm1"]
            s_next = batch["next_observations"] + NOISE * normals[f"{domain}_s_t"]
            labels = torch.full((len(s),), label)
            sa = self.d_sa(s, a)
            sas = self.d_sas(s, a, s_next) + sa
            loss = loss + F.cross_entropy(sa, labels) + F.cross_entropy(sas, labels)
        return loss

    @torch.no_grad()
    def dynamics_weight(self, batch: Batch) -> Tensor:
        """How much likelier rows are in the real system, at most 1."""
        s, a = batch["observations"], batch["actions"]
        logits = self.d_sas(s, a, batch["next_observations"])
        log_ratio = logits[:, REAL] - logits[:, SIM]
        return log_ratio.clamp(LOG_RATIO_LOW, LOG_RATIO_HIGH).exp()

    def value_loss(self, batch: Batch) -> Tensor:
        """Expectile regression onto the target critics."""
        s, a = batch["observations"], batch["actions"]
        with torch.no_grad():
            q = torch.min(self.target_q1(s, a), self.target_q2(s, a))
        advantage = q - self.value(s)
        weight = torch.where(advantage < 0, 1 - EXPECTILE, EXPECTILE)
        return (weight * advantage**2).mean()

    def q_loss(self, batch: Batch, weight: Tensor | float, normals: Tensor) -> Tensor:
        """Weighted regression of both critics onto the mixed target."""
        s, a, s_next = (
            batch[k] for k in ("observations", "actions", "next_observations")
        )
        with torch.no_grad():
            a_next, log_pi = self.policy(s_next, normals)
            q = torch.min(
                self.target_q1(s_next, a_next), self.target_q2(s_next, a_next)
            )
            explore = q - self.log_alpha.exp() * log_pi
            v = MIX * self.value(s_next) + (1 - MIX) * explore
            target = batch["rewards"] + DISCOUNT * (1 - batch["dones"]) * v
        error1, error2 = self.q1(s, a) - target, self.q2(s, a) - target
        return (weight * error1**2).mean() + (weight * error2**2).mean()

    def policy_losses(
        self, real: Batch, sim: Batch, normals: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Losses of the temperature and of the policy, on the same actions."""
        s = torch.cat([real["observations"], sim["observations"]])
        a, log_pi = self.policy(s, normals)
        entropy_gap = (log_pi + self.target_entropy).detach()
        alpha_loss = -(self.log_alpha * entropy_gap).mean()
        q = torch.min(self.q1(s, a), self.q2(s, a))
        policy_loss = (self.log_alpha.exp().detach() * log_pi - q).mean()
        return alpha_loss, policy_loss

    @torch.no_grad()
    def move_targets(self) -> None:
        """Moves the target critics towards the critics."""
        pairs = (self.target_q1, self.q1), (self.target_q2, self.q2)
        for target, online in pairs:
            for old, new in zip(target.parameters(), online.parameters(), strict=True):
                old.mul_(1 - TARGET_RATE).add_(TARGET_RATE * new)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
