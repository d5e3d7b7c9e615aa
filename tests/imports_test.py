"""What importing the library does not do: a fresh interpreter tells."""

import json
import subprocess
import sys

CHILD = """
import json, sys
import jax
before = dict(jax.config.values)
import h2o_jax
unchanged = dict(jax.config.values) == before
import numpy as np
from absl import flags

settings = dict(hidden=(4,), discriminator_hidden=(4,))
algorithm = h2o_jax.h2o_plus(
    2, 1, learn_rows=slice(0, 2), discriminate_rows=slice(0, 2), **settings
)
batch = h2o_jax.Transition(
    *(np.ones(shape, np.float32) for shape in ((2, 2), (2, 1), (2,), (2,), (2, 2)))
)
state = jax.jit(algorithm.init)(jax.random.key(0))
state, _ = algorithm.update(state, batch, batch)
banned = ("gymnasium", "mujoco", "minari", "orbax")
print(json.dumps({
    "unchanged": unchanged,
    "still_unchanged": dict(jax.config.values) == before,
    "step": int(state.step),
    "imported": [name for name in banned if name in sys.modules],
    "flags": [m for m in flags.FLAGS.flags_by_module_dict() if "h2o_jax" in m],
}))
"""


def test_a_fresh_interpreter_stays_clean(tmp_path):
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert json.loads(child.stdout) == {
        "unchanged": True,
        "still_unchanged": True,
        "step": 1,
        "imported": [],
        "flags": [],
    }
    assert not list(tmp_path.iterdir())
