"""Replaying logs: exact on the model's own, and as good as the analysis on the true."""

import numpy as np
import pytest

from experiments.robot import calibrate
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim.robot import calibration, scripted_operator
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot.log import Log
from tests.commands import call


def simulated(rows=160):
    """A log that the real variant produces under its own replay."""
    rng = np.random.default_rng(0)
    torque = np.repeat(rng.uniform(-0.5, 0.5, rows // 4 + 1), 4)[:rows]
    log = Log(np.zeros((rows, 4)), torque, np.zeros(rows, bool))
    start = np.array([4])
    outcome = calibration.replay(log, calibration.VARIANTS["real"], start, rows - 5)[0]
    log.states[5:, [2, 3, 1]] = outcome
    return log


def test_the_models_own_log_is_explained():
    log = simulated()
    starts = np.arange(10, 40, 3)
    outcome = calibration.skill(log, calibration.VARIANTS["real"], starts)
    for k in calibration.HORIZONS:
        assert (outcome[k] > 0.999).all()
    other = calibration.skill(
        log, calibration.VARIANTS["idealised, same timing"], starts
    )
    assert (other[12] < 0.9).all()


def test_windows_avoid_stalls_and_falls():
    states = np.zeros((100, 4))
    states[:, 2] = np.where(np.arange(100) > 40, 0.1, 0.0)
    states[:, 3] = 0.01
    log = Log(states, np.zeros(100), np.arange(100) == 99)
    starts = calibration.windows(log, first=5, stride=1)
    # The stall is between rows 40 and 41, torques count from three rows before.
    assert 28 in starts
    assert not set(range(29, 44)) & set(starts)
    assert 44 in starts
    assert max(starts) + 12 <= 99 - 15


def test_spread_leaves_falls_out():
    states = np.zeros((400, 4))
    states[250:, 2] = 0.5
    states[::2, 1] = 1.0
    log = Log(states, np.zeros(400), np.arange(400) == 399)
    outcome = calibration.spread(log)
    assert outcome["theta"] == 0
    assert outcome["v"] == pytest.approx(0.5, abs=0.01)


def test_spectrum_finds_an_oscillation():
    seconds = robot_log.PERIOD * np.arange(8000)
    frequency, power = calibration.spectrum(np.sin(2 * np.pi * 3.0 * seconds))
    assert frequency[np.argmax(power)] == pytest.approx(3.0, abs=0.1)
    # Parseval: the area below the density is the variance, 1/2.
    assert np.sum(power) * frequency[1] == pytest.approx(0.5, rel=0.05)


# The analysis that the model goes back to found .87 .89 .91 for theta, theta_dot and v
# over 12 held-out rows, and .54 .18 .31 for the ideal simulator. It counts 60 stalls,
# which are those of the first rule: there the model now reaches .828 .900 .927 (1306
# windows), so theta is .04 short and the others above. The second rule leaves out
# windows with shorter stalls too: .870 .913 .946 (1173 windows).
@pytest.mark.parametrize(
    ("jump", "windows", "least", "ideal_most"),
    [
        (robot_log.STALL_JUMP, 1306, [0.82, 0.89, 0.92], [0.65, 0.37, 0.33]),
        (calibration.STRICT_JUMP, 1173, [0.86, 0.90, 0.935], [0.565, 0.205, 0.18]),
    ],
    ids=["60 stalls", "short stalls too"],
)
def test_held_out_skill_on_the_published_log(
    jump, windows, least, ideal_most, shared_file
):
    log, _ = robot_log.read(shared_file("robot/log.txt"))
    starts = calibration.windows(log, jump=jump)
    assert len(starts) == windows
    real, ideal = (
        calibration.skill(log, calibration.VARIANTS[name], starts, [12])[12]
        for name in ("real", "idealised, same timing")
    )
    assert (real > least).all()
    assert (ideal < ideal_most).all()


def test_the_operator_shakes_the_model_like_the_robot(shared_file):
    log, _ = robot_log.read(shared_file("robot/log.txt"))
    robot = calibration.spread(log)
    real = calibration.closed_loop(scripted_operator.drive(3000, range(4)))
    for name in ("v", "theta", "theta_dot", "u"):
        assert real[name][0] == pytest.approx(robot[name], rel=0.3)


def test_the_command_prints_tables_and_draws(
    shared_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(scripted_operator, "ROWS", 1500)
    monkeypatch.setattr(calibrate, "_SEEDS", range(2))
    log, figure = shared_file("robot/log.txt"), tmp_path / "new" / "figure.png"
    call(calibrate.main, monkeypatch, f"--dataset={log}", f"--out={figure}")
    printed = capsys.readouterr().out
    assert "SHA-256  088ab5c7" in printed
    assert "12 rows  0.87  0.91  0.95" in printed
    assert "over 2 seeds" in printed
    assert 50_000 < figure.stat().st_size < 200_000
    assert [path.name for path in figure.parent.iterdir()] == ["figure.png"]


def test_what_the_command_refuses(tmp_path, monkeypatch):
    short = tmp_path / "short.txt"
    np.savetxt(short, np.zeros((300, 6)))
    cases = {
        (): (ConfigError, "--dataset: give"),
        ("--dataset=absent.txt",): (DatasetError, "absent.txt"),
        (f"--dataset={short}",): (DatasetError, "no 240 rows .* row 11000"),
        (f"--dataset={short}", "--out=a.pdf"): (ConfigError, "ending in .png"),
    }
    for arguments, (error, message) in cases.items():
        with pytest.raises(error, match=message):
            call(calibrate.main, monkeypatch, *arguments)
