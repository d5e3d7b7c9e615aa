"""What fewer bits in matrix products cost in learning, on the analytic cart.

Rounds every operand of the networks' products, forward and backward, to what an
accelerator multiplies with at `--matmul_precision`, and adds in float32 as it does. So
the effect can be seen on any machine; the speed cannot.
"""

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import h2o_jax
from benchmarks import cart, timing

BITS = {"float32": None, "tensorfloat32": 10, "bfloat16": 7}
"""Bits of the fraction."""


@contextlib.contextmanager
def rounded(bits: int | None) -> Iterator[None]:
    """Networks traced inside multiply numbers of so many fraction bits."""
    exact = jax.lax.dot_general
    if bits is not None:
        jax.lax.dot_general = _product(exact, bits)  # what flax's Dense calls
    try:
        yield
    finally:
        jax.lax.dot_general = exact


def _product(exact: Any, bits: int) -> Any:
    def cut(x: jax.Array) -> jax.Array:
        return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits)

    def product(a: jax.Array, b: jax.Array, dimensions: Any, **_: Any) -> jax.Array:
        @jax.custom_vjp
        def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
            return exact(cut(a), cut(b), dimensions)

        def forward(a: jax.Array, b: jax.Array) -> tuple[jax.Array, Any]:
            return jax.vjp(lambda x, y: exact(x, y, dimensions), cut(a), cut(b))

        multiply.defvjp(forward, lambda back, gradient: back(cut(gradient)))
        return multiply(a, b)

    return product


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--algorithm", default="h2o_plus", choices=sorted(h2o_jax.ALGORITHMS)
    )
    args = timing.arguments(parser, rounds=10)
    print(timing.machine(args.cores), end="\n\n")
    rows = []
    for name, bits in BITS.items():
        with rounded(bits):
            train = cart.trainer(args.algorithm)
            keys = [jax.random.key(seed) for seed in range(args.rounds)]
            costs = np.array([float(train(key, cart.SIM_MASS)) for key in keys])
        spread = f"{costs.min():.2f}-{costs.max():.2f}"
        rows.append((name, f"{costs.mean():.3f}", f"{costs.std():.3f}", spread))
    print(f"{args.algorithm}, real cost after learning, {args.rounds} seeds:\n")
    print(timing.table(("matrix products in", "mean", "std", "range"), rows))


if __name__ == "__main__":
    main()
