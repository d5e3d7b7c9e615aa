"""The benchmarks run and say what they are meant to; how fast is not tested."""

import os
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import breakdown, floor, precision, updates
from experiments import build
from h2o_jax import networks, packing

ROOT = pathlib.Path(__file__).resolve().parents[1]
RATE = r"[\d.]+ \([\d.]+-[\d.]+\)"
SHARE = r"[\d.]+"
ONE_RUN = (
    "1 update a call, batches passed in, 1 run",
    "2 updates a call, 1 run",
    "3 updates a call, 1 run",
    "matrix products alone",
)


def tables(module, *arguments):
    """Cells of a benchmark's tables, by the first of their row."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", "--quick", *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return {first: rest for first, *rest in rows}


def matches(pattern, *cells):
    return all(re.fullmatch(pattern, cell) for cell in cells)


@pytest.mark.slow
def test_update_time():
    figures = tables("update_time", "--cores=2")
    assert figures["updates x runs per second"] == [
        "1 core",
        "all cores together",
        "one device per core",
    ]
    for name in ONE_RUN:
        one, together, shared = figures[name]
        assert matches(RATE, one, together) and shared == "-"
    one, together, shared = figures["2 updates a call, 2 runs"]
    assert matches(RATE, one, shared) and together == "-"
    one, together, shared = figures["2 updates a call, 6 runs"]
    assert one == together == "-" and matches(RATE, shared)
    ratio = figures["2 updates a call, 6 runs / 2 updates a call, 1 run, 2 cores"]
    assert matches(SHARE, ratio[0]) and ratio[2] == ">= 1.1"


@pytest.mark.slow
def test_update_time_on_one_core():
    figures = tables("update_time", "--cores=1", "--algorithm=sac")
    assert figures["updates x runs per second"] == ["1 core"]
    for name in (*ONE_RUN, "2 updates a call, 2 runs"):
        assert matches(RATE, *figures[name])
    ratio = figures["matrix products alone / 2 updates a call, 1 run, 1 core"]
    assert matches(SHARE, ratio[0]) and ratio[2] == "<= 1.25"


HLO = """HloModule jit__block

%fused (p: f32[8,8]) -> f32[8,8] {
  %p = f32[8,8]{1,0} parameter(0)
  ROOT %dot.0 = f32[8,8]{1,0} dot(%p, %p), metadata={op_name="jit(_block)/dot"}
}

%region.update (state: (f32[8,8])) -> (f32[8,8]) {
  %state = (f32[8,8]) parameter(0)
  %get = f32[8,8]{1,0} get-tuple-element(%state), index=0
  %ynn_fusion.1 = f32[8,8]{1,0} fusion(%get), kind=kCustom, calls=%fused
  %dot.2 = f32[8,8]{1,0} dot(%get, %get), metadata={op_name="jvp(MLP)/dot_general"}
  %copy.3 = f32[8,8]{1,0} copy(%dot.2), metadata={op_name="jvp(MLP)/max"}
  %max.4 = f32[8,8]{1,0} maximum(%copy.3, %dot.2), metadata={op_name="jvp(MLP)/max"}
  %add.5 = f32[8,8]{1,0} add(%max.4, %dot.2), metadata={op_name="transpose(jvp(MLP))"}
  %add.6 = f32[8,8]{1,0} add(%add.5, %dot.2), metadata={op_name="jit(_normal)/add"}
  %sub.7 = f32[8,8]{1,0} subtract(%add.6, %dot.2)
  ROOT %tuple = (f32[8,8]) tuple(%sub.7)
}

ENTRY %main (p: f32[8,8]) -> f32[8,8] {
  %p.2 = f32[8,8]{1,0} parameter(0)
  %dot.9 = f32[8,8]{1,0} dot(%p.2, %p.2)
  ROOT %while.8 = (f32[8,8]) while(%p.2), condition=%fused, body=%region.update
}
"""


def test_every_instruction_has_its_kind():
    kinds = breakdown.kinds(HLO)
    assert kinds["ynn_fusion.1"] == kinds["dot.2"] == breakdown.PRODUCTS
    assert kinds["copy.3"] == breakdown.COPIES
    assert kinds["max.4"].startswith("forward")
    assert kinds["add.5"].startswith("backward")
    assert kinds["add.6"] == "random numbers"
    assert kinds["sub.7"] == breakdown.OTHER
    assert "dot.9" not in kinds and "dot.0" not in kinds


@pytest.mark.slow
def test_breakdown():
    figures = tables("breakdown")
    assert figures["one update, 1 core"] == ["ms", "share"]
    parts = [breakdown.PRODUCTS, *breakdown.KINDS, breakdown.OTHER, breakdown.COPIES]
    whole = float(figures["all of it"][0])
    assert sum(float(figures[name][0]) for name in parts) == pytest.approx(
        whole, abs=0.1
    )
    assert float(figures[breakdown.PRODUCTS][0]) > 0
    assert float(figures["random numbers"][0]) > 0


def test_rollout_rate():
    figures = tables("rollout_rate")
    assert figures["thousand steps per second"] == ["halfcheetah", "walker2d"]
    physics = "mj_step loop, 1 thread"
    for name in (
        physics,
        "gymnasium's env.step, 1 thread",
        *(f"World.step, {n}" for n in ("1 environment", "5 environments")),
        *(f"collect with policy and storing, {n}" for n in ("1 run", "5 runs")),
    ):
        assert matches(RATE, *figures[name])
    for task in ("halfcheetah", "walker2d"):
        ratio = figures[f"collect with policy and storing, 5 runs / {physics}, {task}"]
        assert matches(SHARE, ratio[0]) and ratio[2] == ">= 1"


@pytest.mark.slow
def test_end_to_end():
    figures = tables("end_to_end", "--cores=2")
    assert figures["per epoch"] == [
        *("simulate, s", "learn, s", "evaluate, s"),
        *("updates x runs per second", "compile, s", "peak memory, MB"),
    ]
    for name in ("1 run", "3 runs"):
        assert matches(RATE, *figures[name][:4])
        assert matches(SHARE, *figures[name][4:])
        for ratio, target in {
            f"not update, % of an epoch, {name}": "<= 3",
            f"seconds of compiling, {name}": "<= 20",
        }.items():
            assert matches(SHARE, figures[ratio][0])
            assert figures[ratio][2] == target
    assert figures["MB of one more run"][2] == "<= 170"


@pytest.mark.slow
def test_scaling():
    figures = tables("scaling", "--cores=2")
    assert figures["updates x runs per second"] == ["1 device", "2 devices"]
    for name in ("4 runs a device", "4 runs"):
        assert matches(RATE, *figures[name])
        assert matches(SHARE, figures[f"{name}: 2 devices / 1 device"][0])


def test_peer():
    pytest.importorskip("torch")
    figures = tables("peer", "--cores=2")
    assert figures["updates per second"] == ["1 core", "all cores together"]
    ours, theirs = "2 updates a call, 1 run", "PyTorch, eager"
    assert matches(RATE, *figures[ours], *figures[theirs])
    for column, target in {"1 core": ">= 3.3", "all cores together": ">= 4"}.items():
        ratio = figures[f"{ours} / {theirs}, {column}"]
        assert matches(SHARE, ratio[0]) and ratio[2] == target


@pytest.mark.parametrize("algorithm", floor.PASSES)
def test_floor_is_what_the_compiled_update_multiplies(algorithm):
    plan = updates.Plan(algorithm, cores=1, runs=(1,))
    setup = updates.experiment(plan)
    method, task = build.algorithm(setup), setup.model
    state = jax.eval_shape(method.init, jax.random.key(0))
    width = packing.width(task.obs_dim, task.action_dim)
    rows = jax.ShapeDtypeStruct((method.batch_size, width), jnp.float32)

    def update(state, **packed):
        batches = {
            domain: packing.unpack(rows, task.obs_dim, task.action_dim)
            for domain, rows in packed.items()
        }
        return method.update(state, **batches)

    packed = {f"{domain}_batch": rows for domain in method.domains}
    compiled = jax.jit(update).lower(state, **packed).compile()
    flop = compiled.cost_analysis()["flops"]
    by_hand = sum(product.flop for product in updates.products(plan))
    # The rest is elementwise: activations, Adam, averages.
    assert by_hand < flop < 1.04 * by_hand


def test_precision_rounds_what_the_networks_multiply():
    network = networks.MLP((8,), 2)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    params = network.init(jax.random.key(0), x)

    def outputs(bits):
        with precision.rounded(bits):
            apply = jax.jit(lambda p, x: network.apply(p, x))
            gradient = jax.jit(jax.grad(lambda p: jnp.sum(network.apply(p, x) ** 2)))
            leaf = gradient(params)["params"]["Dense_0"]["kernel"]
            return np.asarray(apply(params, x)), np.asarray(leaf)

    exact, fine, coarse = (outputs(bits) for bits in (None, 10, 7))
    for full, ten, seven in zip(exact, fine, coarse, strict=True):
        near, far = (np.abs(x - full).max() for x in (ten, seven))
        assert 0 < near < far < 0.05 * np.abs(full).max()
    np.testing.assert_array_equal(exact[0], outputs(None)[0])
