"""Networks of the eager PyTorch peer."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int, small: bool = True
) -> nn.Sequential:
    """A ReLU perceptron; its outputs are near zero at first if `small`."""
    widths = (inputs, *hidden)
    layers = [
        layer
        for a, b in itertools.pairwise(widths)
        for layer in (nn.Linear(a, b), nn.ReLU())
    ]
    last = nn.Linear(widths[-1], outputs)
    if small:
        nn.init.xavier_uniform_(last.weight, gain=0.01)
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class Policy(nn.Module):
    """Tanh-Gaussian with a learned scale and offset of the log-std."""

    def __init__(self, obs_dim: int, action_dim: int, hidden: Sequence[int]):
        super().__init__()
        self.net = mlp(obs_dim, hidden, 2 * action_dim)
        self.log_std_scale = nn.Parameter(torch.tensor(1.0))
        self.log_std_offset = nn.Parameter(torch.tensor(-1.0))

    def forward(self, obs: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities."""
        mean, raw = self.net(obs).chunk(2, dim=-1)
        log_std = self.log_std_scale * raw + self.log_std_offset
        std = log_std.clamp(-20.0, 2.0).exp()
        u = mean + std * normals
        log_prob = torch.distributions.Normal(mean, std).log_prob(u)
        squash = 2 * (math.log(2) - u - F.softplus(-2 * u))
        return torch.tanh(u), (log_prob - squash).sum(dim=-1)


class Critic(nn.Module):
    """Value of a state and an action."""

    def __init__(self, obs_dim: int, action_dim: int, hidden: Sequence[int]):
        super().__init__()
        self.net = mlp(obs_dim + action_dim, hidden, 1)

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        return self.net(torch.cat([obs, actions], dim=-1)).squeeze(-1)


class Value(nn.Module):
    """Value of a state."""

    def __init__(self, obs_dim: int, hidden: Sequence[int]):
        super().__init__()
        self.net = mlp(obs_dim, hidden, 1)

    def forward(self, obs: Tensor) -> Tensor:
        return self.net(obs).squeeze(-1)


class Discriminator(nn.Module):
    """Logits of real and simulated, within +-2."""

    def __init__(self, inputs: int, hidden: Sequence[int]):
        super().__init__()
        self.net = mlp(inputs, hidden, 2, small=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        return 2 * torch.tanh(self.net(torch.cat(inputs, dim=-1)))
