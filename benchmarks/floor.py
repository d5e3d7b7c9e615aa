"""The matrix products of one update and nothing else: how fast could it be?

Counted by hand from the method, not from the program, so that a product that the
program does in vain shows up as distance from the floor. A gradient that the method
does not need is not counted either: that of a first layer's inputs, of the weights of
critics under the policy, of targets.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

_Arrays = dict[Any, jax.Array]


class Pass(NamedTuple):
    """One perceptron applied to rows, and what flows back."""

    network: str
    rows: int
    inputs: int
    outputs: int
    back: Literal["nothing", "weights", "inputs"] = "nothing"
    """Which gradient is wanted; both need those of the layers between."""


class Product(NamedTuple):
    """`[n, a] @ [a, b]`, or one of its two gradients."""

    kind: Literal["forward", "weights", "inputs"]
    weight: tuple[str, int]
    """Network and layer."""
    n: int
    a: int
    b: int

    @property
    def flop(self) -> int:
        """Multiplications and additions, the same for all three kinds."""
        return 2 * self.n * self.a * self.b


def h2o_plus(o: int, a: int, learn: int, discriminate: int) -> Iterator[Pass]:
    """H2O+ with twin critics; `o` observations, `a` actions, rows per domain."""
    for _ in ("real", "sim"):
        yield Pass("sa", discriminate, o + a, 2, "weights")
        yield Pass("sas", discriminate, 2 * o + a, 2, "weights")
    yield Pass("sas", learn, 2 * o + a, 2)  # importance weight
    yield Pass("value", learn, o, 1, "weights")
    yield from _critics("target", learn, o + a)  # what the value regresses onto
    for _ in ("real", "sim"):
        yield from _critics("critic", learn, o + a, "weights")
        yield from _critics("target", learn, o + a)
        yield Pass("policy", learn, o, 2 * a)
        yield Pass("value", learn, o, 1)
    yield Pass("policy", 2 * learn, o, 2 * a, "weights")
    yield from _critics("critic", 2 * learn, o + a, "inputs")


def sac(o: int, a: int, learn: int, discriminate: int) -> Iterator[Pass]:
    """SAC with twin critics."""
    yield from _critics("critic", learn, o + a, "weights")
    yield from _critics("target", learn, o + a)
    yield Pass("policy", learn, o, 2 * a)
    yield Pass("policy", learn, o, 2 * a, "weights")
    yield from _critics("critic", learn, o + a, "inputs")


PASSES: dict[str, Callable[[int, int, int, int], Iterator[Pass]]] = {
    "h2o_plus": h2o_plus,
    "sac": sac,
}
"""Methods that have been counted."""


def _critics(
    name: str,
    rows: int,
    inputs: int,
    back: Literal["nothing", "weights", "inputs"] = "nothing",
) -> Iterator[Pass]:
    for i in (1, 2):
        yield Pass(f"{name}{i}", rows, inputs, 1, back)


def products(passes: Iterator[Pass], hidden: Sequence[int]) -> list[Product]:
    """Every product of some passes, in order."""
    products = []
    for one in passes:
        widths = (one.inputs, *hidden, one.outputs)
        shapes = [(one.rows, a, b) for a, b in itertools.pairwise(widths)]
        layers = [((one.network, i), *shape) for i, shape in enumerate(shapes)]
        products += [Product("forward", *layer) for layer in layers]
        if one.back == "nothing":
            continue
        for layer in reversed(layers):
            if one.back == "weights":
                products.append(Product("weights", *layer))
            if one.back == "inputs" or layer is not layers[0]:
                products.append(Product("inputs", *layer))
    return products


def program(todo: Sequence[Product], updates: int) -> Callable[[], jax.Array]:
    """All products `updates` times over, compiled.

    Each waits for the one before through a single number, so that none can be left
    out, hoisted or merged. Weights are those that the networks would have; what would
    be activations, or gradients of them, is one array per shape, warm as if it had
    just been computed.
    """
    rows = {key: _normals(key[1:]) for p in todo for key in _rows(p)}
    weights = {p.weight: _normals((p.a, p.b)) for p in todo}

    @jax.jit
    def run(rows: _Arrays, weights: _Arrays) -> jax.Array:
        def once(carry: tuple, _: None) -> tuple[tuple, None]:
            last, rows = carry[0], dict(carry[1])
            for p in todo:
                changed = _rows(p)[0]
                # In place, as the rows are carried.
                rows[changed] = rows[changed].at[0, 0].set(last)
                last = 1e-6 * _multiply(p, rows, weights[p.weight])[0, 0]
            return (last, rows), None

        return jax.lax.scan(once, (jnp.zeros(()), rows), length=updates)[0][0]

    return lambda: run(rows, weights)


def _rows(p: Product) -> list[tuple[str, int, int]]:
    """Keys `(what, n, width)` of the arrays that a product reads beside the weights."""
    activation, gradient = ("activation", p.n, p.a), ("gradient", p.n, p.b)
    return {
        "forward": [activation],
        "inputs": [gradient],
        "weights": [activation, gradient],
    }[p.kind]


def _multiply(p: Product, rows: _Arrays, weight: jax.Array) -> jax.Array:
    first, *second = (rows[key] for key in _rows(p))
    if p.kind == "weights":
        return second[0].T @ first  # transposed, as JAX computes it
    return first @ (weight if p.kind == "forward" else weight.T)


def _normals(shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(jax.random.key(math.prod(shape)), shape)
