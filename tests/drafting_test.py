"""What is guessed from the names of a log's columns."""

import numpy as np

from experiments import drafting
from h2o_jax.data import frames


def test_a_draft_takes_an_action_off_centre_as_it_was_seen():
    frame = frames.Frame({"x": np.arange(3.0), "u": np.array([-30.0, 0, 90.0])})
    text = drafting.draft(frame, "log.csv")
    assert "low = -30.0009 " in text and "high = 90.0009" in text
    for seen in ([-70.0, 0, 90.0], [90.0, 90, 90]):
        frame = frames.Frame({"x": np.arange(3.0), "u": np.array(seen)})
        text = drafting.draft(frame, "log.csv")
        assert "low = -90.0009 " in text and "high = 90.0009" in text


def test_a_draft_tells_actions_from_actual_positions():
    names = "act_0", "act_1", "act_pos", "cmd_hip"
    frame = frames.Frame({name: np.arange(3.0) for name in names})
    observations, _, actions = drafting.draft(frame, "log.npz").partition("[[actions]]")
    assert '"act_pos"' in observations and '"act_pos"' not in actions
    assert all(f'"{x}"' in actions for x in ("act_0", "act_1", "cmd_hip"))
