"""The written laws that learned ones are judged by, as a command."""

import re

from experiments.robot import yardsticks
from tests.commands import call


def test_both_laws_stand_on_the_fitted_robot(monkeypatch, capsys):
    call(yardsticks.main, monkeypatch, "--episodes=1", "--discount=0.995")
    table = capsys.readouterr().out
    rows = [line for line in table.splitlines() if re.search("LQR|operator", line)]
    assert len(rows) == 2 and "LQR, discount 0.995" in rows[0]
    assert "operator's gains" in rows[1]
    for row in rows:  # 30 s, no fall
        assert "| 1 | 30 ± 0 | 0 ± 0 |" in row
