"""The examples of docs/export.md in C++ and as a ROS 2 node, without either."""

import pathlib
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest

TESTS = pathlib.Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "export.md").read_text()


def block(language, part):
    """The one block of a language that has `part` in it."""
    found = re.findall(rf"```{re.escape(language)}\n(.*?)```", PAGE, re.DOTALL)
    (text,) = [x for x in found if part in x]
    return text


def test_the_cpp_example_compiles(tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    source = tmp_path / "policy.cpp"
    source.write_text(block("c++", "onnxruntime_cxx_api"))
    strict = "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"
    include = f"-I{TESTS / 'cpp'}"
    done = subprocess.run(
        [compiler, *strict, include, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Node:
    """What the example asks of a ROS 2 node."""

    def __init__(self, name):
        self.name, self.timers, self.sent, self.warned = name, {}, [], []

    def create_subscription(self, kind, topic, callback, depth):
        self.subscribed = topic, callback

    def create_publisher(self, kind, topic, depth):
        return types.SimpleNamespace(publish=self.sent.append)

    def create_timer(self, period, callback):
        self.timers[period] = callback

    def get_logger(self):
        return types.SimpleNamespace(warning=self.warned.append)


class Policy:
    """Doubles what it is given, and says that it was called."""

    contract = {"rate_hz": 50}  # noqa: RUF012
    calls = 0

    def __init__(self, path):
        self.path = path

    def __call__(self, observation):
        self.calls += 1
        return 2 * np.asarray(observation)

    def report(self):
        return f"{self.calls} beyond" if self.calls else ""


def test_the_ros_node_acts_at_the_contracts_rate(monkeypatch):
    spun = []
    stubs = {
        "rclpy": {"init": lambda: None, "spin": spun.append},
        "rclpy.node": {"Node": Node},
        "policy": {"Policy": Policy},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"JointState": object},
        "std_msgs": {},
        "std_msgs.msg": {"Float64MultiArray": types.SimpleNamespace},
    }
    for name, content in stubs.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(block("python", "import rclpy"), "export.md", "exec"), {})
    (node,) = spun
    topic, sense = node.subscribed
    act, warn = node.timers[0.02], node.timers[10.0]
    act()  # before anything was sensed
    warn()
    assert topic == "joint_states" and not node.sent and not node.warned
    sense(types.SimpleNamespace(position=[1.0, 2.0], velocity=[3.0]))
    act()
    warn()
    assert node.sent[0].data == [2.0, 4.0, 6.0] and node.warned == ["1 beyond"]
