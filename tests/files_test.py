"""A file is replaced whole or not at all."""

import hashlib

import pytest

from h2o_jax.data import files, writing
from h2o_jax.errors import DatasetError

pytestmark = pytest.mark.fault


def test_a_file_appears_with_its_folders(tmp_path):
    path = tmp_path / "new" / "log.png"
    with writing.replacing(path) as part:
        assert part.suffix == ".png"
        assert not path.exists()
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("former")
    with pytest.raises(KeyError), writing.replacing(str(path)) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


CONTENT = b"a log"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "{}\n",
        "{}  log.csv\n",
        "{}\tlog.csv\n",
        "{} *log.csv",
        "SHA256 (log.csv) = {}\n",
    ],
)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_digest_beside_a_log_is_found_however_it_is_written(log, text, case):
    beside = log.with_name("log.csv.sha256")
    beside.write_text(text.format(case(DIGEST)))
    assert files.check_hash(log) == DIGEST
    beside.write_text(text.format(case("0" * 63 + "a")))
    with pytest.raises(DatasetError, match=f"its SHA-256 is {DIGEST}, not 0000"):
        files.check_hash(log)


@pytest.mark.parametrize("text", ["", "<html>", DIGEST[:-1], DIGEST * 2])
def test_a_file_of_digests_without_one(log, text):
    log.with_name("log.csv.sha256").write_text(text)
    with pytest.raises(
        DatasetError, match=r"log\.csv\.sha256: no SHA-256 .* remove it"
    ):
        files.check_hash(log)
