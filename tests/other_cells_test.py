"""Cells that no table of the paper has: drawn all the same, or said to be left out."""

from tests.tables_test import cells, drawn, rows


def test_other_settings_and_gaps_of_ones_own_have_a_table(
    tmp_path, monkeypatch, capsys
):
    own = cells("h2o_plus", [[0, 1, 2]], "--weighting=unit", gap="short_torso:0.5")
    text, _ = drawn(tmp_path, monkeypatch, own)
    table = rows(text, "## Routes")
    assert any("short_torso:0.5" in x for x in table[1])
    assert "in no table" not in capsys.readouterr().out


def test_cells_in_no_table_are_counted(tmp_path, monkeypatch, capsys):
    own = [
        *cells("sac", [[0, 1, 2]], gap="none"),
        *cells("h2o_plus", [[0, 1, 2]]),
    ]
    drawn(tmp_path, monkeypatch, own)
    said = capsys.readouterr().out
    assert "in no table, only in curves.csv: 1 cell(s) of halfcheetah none" in said


def test_cells_of_methods_that_are_not_here_are_left_out(tmp_path, monkeypatch, capsys):
    (strange,) = cells("h2o_plus", [[0, 1, 2]])
    strange = {**strange, "algorithm": "mine", "seed": 7}
    text, _ = drawn(tmp_path, monkeypatch, [*cells("h2o_plus", [[0, 1, 2]]), strange])
    assert "left out: 1 cell(s) of unknown mine" in capsys.readouterr().out
    assert "mine" not in text
