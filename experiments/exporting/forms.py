r"""The forms of an exported policy: npz, ONNX and StableHLO, one function in each.

An observation is clamped to the range of training, normalised, passed through the
layers, and scaled to the robot's units:

.. math:: a = m + h \tanh f\big((\min(\max(s, s_{low}), s_{high}) - \mu) / \sigma\big)
"""

import importlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import places
from experiments.exporting import policy
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError

Array = np.ndarray
Act = Callable[[Array], Array]
OPSET, IR_VERSION = 17, 10
"""Of ONNX, old enough for runtimes of 2023 and later."""


class Function(NamedTuple):
    """A deterministic policy as arrays, all float32."""

    low: Array
    """`[O]` to which observations are clamped; -inf where there is no limit."""
    high: Array
    mean: Array
    """`[O]` of the normalisation."""
    std: Array
    layers: tuple[tuple[Array, Array], ...]
    """Kernel `[., .]` and bias `[.]` of each."""
    middle: Array
    """`[A]` of the action's limits."""
    half: Array
    """`[A]` half the distance between them."""

    @property
    def arrays(self) -> dict[str, Array]:
        """Every array by name."""
        named = {k: v for k, v in self._asdict().items() if k != "layers"}
        for i, (kernel, bias) in enumerate(self.layers):
            named |= {f"kernel_{i}": kernel, f"bias_{i}": bias}
        return {k: np.asarray(v, np.float32) for k, v in named.items()}

    def act(self, observations: Array) -> Array:
        """`[n, O] -> [n, A]` in float64, the yardstick of every form."""
        x = np.clip(np.asarray(observations, np.float64), self.low, self.high)
        x = (x - self.mean) / self.std
        for i, (kernel, bias) in enumerate(self.layers):
            x = x @ np.asarray(kernel, np.float64) + bias
            if i + 1 < len(self.layers):
                x = np.maximum(x, 0)
        return self.middle + self.half * np.tanh(x)


class Form(NamedTuple):
    """How one kind of file is written, and run again from what was written."""

    write: Callable[[pathlib.Path, Function, Mapping[str, Any]], None]
    """`(path, function, contract)`."""
    load: Callable[[pathlib.Path], Act]
    """`path -> ([n, O] -> [n, A])`; of npz once its contract is beside it."""


def write_npz(
    path: pathlib.Path, function: Function, contract: Mapping[str, Any]
) -> None:
    """Arrays by name, which `policy.py` runs."""
    # The mark tells a command that would replace the file that it is ours.
    arrays: dict[str, Any] = function.arrays | {places.MARK: np.float32(policy.FORMAT)}
    np.savez(path, **arrays)


def write_onnx(
    path: pathlib.Path, function: Function, contract: Mapping[str, Any]
) -> None:
    """`obs [batch, O] -> action [batch, A]`, the contract in its metadata."""
    onnx = _needed("onnx")
    node, last = onnx.helper.make_node, len(function.layers) - 1
    nodes = [
        node("Max", ["obs", "low"], ["above"]),
        node("Min", ["above", "high"], ["within"]),
        node("Sub", ["within", "mean"], ["centred"]),
        node("Div", ["centred", "std"], ["x_0"]),
    ]
    for i in range(last + 1):
        inputs = [f"x_{i}", f"kernel_{i}", f"bias_{i}"]
        nodes.append(node("Gemm", inputs, [f"y_{i}"]))
        nodes.append(node("Tanh" if i == last else "Relu", [f"y_{i}"], [f"x_{i + 1}"]))
    nodes.append(node("Mul", [f"x_{last + 1}", "half"], ["scaled"]))
    nodes.append(node("Add", ["scaled", "middle"], ["action"]))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", n])
        for name, n in (("obs", len(function.mean)), ("action", len(function.half)))
    ]
    constants = [
        onnx.numpy_helper.from_array(array, name)
        for name, array in function.arrays.items()
    ]
    graph = onnx.helper.make_graph(nodes, "policy", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="h2o_jax",
    )
    onnx.helper.set_model_props(model, {"h2o_jax": json.dumps(dict(contract))})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def load_onnx(path: pathlib.Path) -> Act:
    """Run by onnxruntime on one thread."""
    runtime = _needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    return lambda obs: np.asarray(session.run(None, {"obs": obs})[0])


def write_stablehlo(
    path: pathlib.Path, function: Function, contract: Mapping[str, Any]
) -> None:
    """What `jax.export` serialises, for any number of observations at once."""
    _needed("flatbuffers")
    own = {name: jnp.atleast_2d(array) for name, array in function.arrays.items()}
    last = len(function.layers) - 1

    def h2o_jax_policy(obs: jax.Array) -> jax.Array:
        x = (jnp.clip(obs, own["low"], own["high"]) - own["mean"]) / own["std"]
        for i in range(last + 1):
            x = jnp.dot(x, own[f"kernel_{i}"], precision="float32") + own[f"bias_{i}"]
            if i < last:
                x = jnp.maximum(x, 0)
        return own["middle"] + own["half"] * jnp.tanh(x)

    (batch,) = jax.export.symbolic_shape("batch")
    rows = jax.ShapeDtypeStruct((batch, len(function.mean)), jnp.float32)
    exported = jax.export.export(jax.jit(h2o_jax_policy), platforms=("cpu", "cuda"))(
        rows
    )
    path.write_bytes(exported.serialize())


def load_stablehlo(path: pathlib.Path) -> Act:
    """Run by JAX, compiled."""
    _needed("flatbuffers")
    act = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
    return lambda obs: np.asarray(act(obs))


FORMS: dict[str, Form] = {
    ".npz": Form(write_npz, policy.Policy),
    ".onnx": Form(write_onnx, load_onnx),
    ".stablehlo": Form(write_stablehlo, load_stablehlo),
}
"""By suffix."""


def of(path: pathlib.Path) -> Form:
    """The form that a file's name asks for.

    Raises:
        ConfigError: there is none of that suffix.
    """
    if path.suffix not in FORMS:
        raise ConfigError(f"--to={path}: give a name that ends in {', '.join(FORMS)}")
    return FORMS[path.suffix]


def write(
    path: pathlib.Path, form: Form, function: Function, contract: Mapping[str, Any]
) -> None:
    """Writes the policy, whole or not at all."""
    with writing.replacing(path) as part:
        form.write(part, function, contract)


def _needed(name: str) -> Any:
    """A library of the extra `export`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ConfigError(
            f"--to: {name} is not installed; pip install 'h2o_jax[export]'"
        ) from None
