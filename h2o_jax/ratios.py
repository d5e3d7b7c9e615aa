"""Ratios of the probability of a step in the real system to that in the simulator.

Two classifiers tell real (class 0) from simulated (class 1) rows: one sees (s, a),
the other (s, a, s'), whose logits are its own output plus the first one's. By Bayes'
rule the part of the evidence that only s' brings is the ratio of the two dynamics.
"""

import chex
import jax
import jax.numpy as jnp

REAL, SIM = 0, 1


def domain_cross_entropy(logits: jax.Array, domain: int) -> jax.Array:
    r"""Cross-entropy of rows that all come from one domain, :math:`-\log p(d)`.

    Args:
        logits: `[..., 2]` real, simulated.
        domain: `REAL` (0) or `SIM` (1).

    Returns:
        `[...]` the loss of each example.

    References:
        Eysenbach et al., 2021, Section 4.2 (arXiv 2006.13916).
    """
    chex.assert_axis_dimension(logits, -1, 2)
    if isinstance(domain, int) and domain not in (REAL, SIM):
        raise ValueError(f"domain {domain}; give REAL ({REAL}) or SIM ({SIM})")
    return -jax.nn.log_softmax(logits, axis=-1)[..., domain]


def dynamics_log_ratio(sas_raw_logits: jax.Array) -> jax.Array:
    r"""Log-ratio of real to simulated dynamics, :math:`\log P_M - \log P_{\hat M}`.

    .. math:: \log\frac{p(real|s,a,s')}{p(sim|s,a,s')}
              - \log\frac{p(real|s,a)}{p(sim|s,a)} = l_0 - l_1

    The (s, a, s') classifier adds the (s, a) logits to its raw output `l`, so they
    cancel and no softmax is needed: nothing to saturate, nothing to divide by.

    Args:
        sas_raw_logits: `[..., 2]` raw output of the (s, a, s') network, before the
            (s, a) logits are added.

    Returns:
        `[...]` the log-ratio.

    References:
        Niu et al., 2023, Eq. 9 (arXiv 2309.12716).
    """
    chex.assert_axis_dimension(sas_raw_logits, -1, 2)
    return sas_raw_logits[..., REAL] - sas_raw_logits[..., SIM]


def importance_weight(
    log_ratio: jax.Array, low: chex.Numeric, high: chex.Numeric
) -> jax.Array:
    r"""Clipped weight of a simulated row, :math:`clip(e^{\log w}, low, high)`.

    Args:
        log_ratio: `[...]` log of the dynamics ratio.
        low: smallest weight, > 0.
        high: largest weight; `low = high = 1` gives every row weight one.

    Returns:
        `[...]` weights, constant under differentiation.

    References:
        Niu et al., 2023, Eq. 8 (arXiv 2309.12716).
    """
    # Clipping the exponent first keeps the exponential finite for any input.
    bounded = jnp.clip(log_ratio, jnp.log(low), jnp.log(high))
    return jax.lax.stop_gradient(jnp.clip(jnp.exp(bounded), low, high))
