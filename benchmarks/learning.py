"""What each method reaches on the analytic cart, over ten seeds.

    python -m benchmarks.learning [METHOD ...]

Methods that simulate are trained with the wrong mass and with the right one; the table
in docs/methods.md and the thresholds of tests/learning_test.py come from here.
"""

import argparse

import jax
import numpy as np

import h2o_jax
from benchmarks import cart

SEEDS = 10


def main() -> None:
    """Prints one line per method and mass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = sorted(h2o_jax.ALGORITHMS)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=", ".join(names))
    methods = parser.parse_args().methods or names
    if unknown := set(methods) - set(names):
        parser.error(f"no method {min(unknown)!r}; choose from {', '.join(names)}")
    ideal, logged = (
        float(cart.cost(driver, jax.random.key(0)))
        for driver in (cart.OPTIMAL, cart.LOGGED)
    )
    print(f"optimum {ideal:.2f}, log {logged:.2f}")
    keys = [jax.random.key(seed) for seed in range(SEEDS)]
    for name in methods:
        train = cart.trainer(name)
        simulates = "sim" in h2o_jax.ALGORITHMS[name](1, 1).domains
        for mass in (cart.SIM_MASS, cart.REAL_MASS)[: 1 + simulates]:
            costs = np.sort([float(train(key, mass)) for key in keys])
            print(f"{name}, mass {mass}: mean {costs.mean():.2f}, {costs.round(2)}")


if __name__ == "__main__":
    main()
