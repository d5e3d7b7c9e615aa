"""A file is replaced whole or not at all."""

import pytest

from h2o_jax.data import files

pytestmark = pytest.mark.fault


def test_a_file_appears_with_its_folders(tmp_path):
    path = tmp_path / "new" / "log.png"
    with files.replacing(path) as part:
        assert part.suffix == ".png"
        assert not path.exists()
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("former")
    with pytest.raises(KeyError), files.replacing(str(path)) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]
