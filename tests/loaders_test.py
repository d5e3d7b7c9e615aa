"""Nothing outside the tests can run what it reads; what the lock holds is listed."""

import ast
import hashlib
import importlib.util
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("h2o_jax", "experiments", "benchmarks", "docs", ".ci")
SOURCES = sorted(x for name in FOLDERS for x in (ROOT / name).rglob("*.py"))
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.fromfile"),
    *("pandas.read_pickle", "pd.read_pickle", "tarfile.open", "shutil.unpack_archive"),
}
METHODS = {"extractall", "load_pickle", "read_pickle"}
KEYWORDS = {("allow_pickle", True), ("shell", True), ("weights_only", False)}
ALLOWED = {("h2o_jax/sim/tasks/files.py", "exec_module")}
"""A task file of the user's is Python: SECURITY.md says so."""


def unsafe(source):
    """Line and name of everything in a source that could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [x.name for x in node.names]
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            for name in names:
                if name.partition(".")[0] in MODULES:
                    yield node.lineno, name
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            method = name.rpartition(".")[2]
            if name in CALLS or method in METHODS | {"exec_module"}:
                yield node.lineno, method
            for word in node.keywords:
                value = getattr(word.value, "value", None)
                if (word.arg, value) in KEYWORDS and isinstance(value, bool):
                    yield node.lineno, word.arg


@pytest.mark.parametrize("path", SOURCES, ids=lambda x: str(x.relative_to(ROOT)))
def test_no_source_can_run_what_it_reads(path):
    place = str(path.relative_to(ROOT))
    found = [x for x in unsafe(path.read_text()) if (place, x[1]) not in ALLOWED]
    assert not found


@pytest.mark.fault
@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import os, cloudpickle",
        "from dill import loads",
        "from joblib.numpy_pickle import load",
        "eval(text)",
        "exec(text, {})",
        "torch.load(path)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "archive.extractall(folder)",
        "spec.loader.exec_module(module)",
    ],
)
def test_each_unsafe_loader_is_found(line):
    assert list(unsafe(line))


@pytest.mark.parametrize(
    "line",
    ["np.load(path, allow_pickle=False)", "re.compile(text)", "yaml.safe_load(x)"],
)
def test_safe_loaders_are_not(line):
    assert not list(unsafe(line))


def test_the_bill_of_materials_is_the_lock():
    spec = importlib.util.spec_from_file_location("sbom", ROOT / ".ci" / "sbom.py")
    sbom = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sbom)
    lock = (ROOT / "requirements.txt").read_text()
    found = sbom.bill(lock, "1.2.3")
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    parts = found["components"]
    pinned = re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", lock, re.MULTILINE)
    assert [x["version"] for x in parts] == [version for _, version in pinned]
    assert len({x["purl"] for x in parts}) == len(parts) > 100
    hashes = [
        file["hashes"][0] for part in parts for file in part["externalReferences"]
    ]
    assert len(hashes) == lock.count("--hash=")
    length = len(hashlib.sha256().hexdigest())
    assert all(x["alg"] == "SHA-256" and len(x["content"]) == length for x in hashes)
    numpy = next(x for x in parts if x["name"] == "numpy")
    assert numpy["purl"] == f"pkg:pypi/numpy@{numpy['version']}"


def test_everything_locked_has_a_hash_and_installs_ask_for_it():
    lock = (ROOT / "requirements.txt").read_text()
    blocks = re.split(r"\n(?=[A-Za-z])", lock)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    for name in ("README.md", "Makefile", ".ci/run", "SECURITY.md"):
        for line in (ROOT / name).read_text().splitlines():
            if "-r requirements.txt" in line and "pip" in line:
                assert "--require-hashes --only-binary :all:" in line
