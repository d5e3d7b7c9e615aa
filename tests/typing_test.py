"""mypy tells someone who writes or uses a method what is wrong with it."""

import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("mypy")

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Each line that ends in a comment is an error, of that kind.
SNIPPET = """
import jax
import h2o_jax
from h2o_jax import learner, parts

key, rows = jax.random.key(0), slice(0, 4)
algorithm = h2o_jax.sac(3, 1)
state = algorithm.init(key, h2o_jax.Hyper(discount=0.9))
batch = h2o_jax.Transition(0, 0, 0, 0, 0)
state, metrics = algorithm.update(state, real_batch=None, sim_batch=batch)
state, metrics = algorithm.update(state, batch, None)
state, metrics = algorithm.step(state, None, batch, noise=algorithm.noise(key))
action = algorithm.act(state.actor, batch.s_tm1, key)
algorithm.init(0)  # arg-type
algorithm.init(key, {"discount": 0.9})  # arg-type
algorithm.update(state)  # call-arg
algorithm.update(state, batch)  # call-arg
algorithm.update(state, sim_batch=batch)  # call-arg
algorithm.update(state, None, simulated=batch)  # call-arg
algorithm.update(state, {"s_tm1": 0}, None)  # arg-type
algorithm.step(state, None, batch)  # call-arg
algorithm.step(state, batch, noise=())  # call-arg
algorithm.act(state.actor, batch.s_tm1, key=0)  # arg-type
algorithm.act(state, batch.s_tm1)  # arg-type
algorithm.noise(3)  # arg-type
h2o_jax.Hyper(discont=0.9)  # call-arg

def apply(view: h2o_jax.View, noise: dict[str, jax.Array]) -> jax.Array:
    view.critics(0)  # call-arg
    view.critic(view.batch["real"].s_tm1)  # call-arg
    view.batch["reel"]  # index
    return view.value(view.batch["real"].s_tm1)

h2o_jax.Loss(apply, rows)  # arg-type
h2o_jax.Loss(parts.cql(rows).apply, rows, apply)  # arg-type
parts.critic(rows, parts.min_target, {"simulated": parts.unit_weight})  # dict-item
networks = h2o_jax.make_networks(3, 1)
learner.make(networks, [{"critic": parts.cql(rows)}], domains=["reel"])  # list-item
networks._replace(critic=networks.value)  # arg-type
"""


def check(code, path, *options):
    path.write_text(code)
    command = [sys.executable, "-m", "mypy", "--no-pretty", *options, str(path)]
    mypy = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not mypy.stderr
    return mypy.stdout


def test_mypy_accepts_the_method_of_the_docs(tmp_path):
    page = (ROOT / "docs" / "write_a_method.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    options = "--allow-untyped-defs", "--check-untyped-defs"
    assert "Success" in check(code, tmp_path / "method.py", *options)


def test_mypy_refuses_mistakes(tmp_path):
    report = check(SNIPPET, tmp_path / "snippet.py")
    errors = re.findall(r"^\S*snippet\.py:(\d+): error: .*\[([\w-]+)\]$", report, re.M)
    expected = re.findall(r"# ([\w-]+)$", SNIPPET, re.M)
    numbers = [i for i, x in enumerate(SNIPPET.split("\n"), 1) if "  # " in x]
    assert errors == [(str(i), x) for i, x in zip(numbers, expected, strict=True)], (
        report
    )
