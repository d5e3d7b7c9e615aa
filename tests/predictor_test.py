"""What a simulator does in a log's states, as fields of it change."""

from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.identify.predictor import Predictor


def test_a_gap_after_a_file_goes_before_what_the_file_says(tmp_path):
    (tmp_path / "late.toml").write_text("[fields]\nlatency = 1\ngravity = 0.9\n")
    start = gaps.parse(f"@{tmp_path}/late.toml+latency:4", "halfcheetah")
    predict = Predictor(tasks.get("halfcheetah"), start, "modern", 1)
    assert predict.latency == 4 and predict.given == {"latency": 4, "gravity": 0.9}
