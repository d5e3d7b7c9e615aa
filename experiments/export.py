"""Writes a trained policy as a file that runs on a robot, with a contract beside it.

`python -m experiments.export RUN --to=policy.npz` writes policy.npz, its contract
policy.npz.json and policy.py, which runs it with NumPy alone. Names that end in .onnx
and .stablehlo give these forms. What was written is run on 10,000 observations and
refused where it differs from the run's policy; the time of a call is measured.
"""

import dataclasses
import pathlib
import shutil
from typing import Literal

import numpy as np

from experiments import data, groups, places, policies, run_folder
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.exporting import contract, forms, policy
from experiments.exporting.forms import Act, Function
from h2o_jax.data import files, writing
from h2o_jax.errors import ConfigError, ExportError
from h2o_jax.settings import FILE, PLACE, at_least, setting

SCRIPT = "policy.py"
"""Name of the file that runs a policy with NumPy alone."""
OBSERVATIONS = 10_000
TOLERANCE = 1e-5
"""Largest difference to the run's policy in float64, over half an action's range."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exporting:
    """What to export."""

    folder: str = setting(
        "", "Run folder of experiments.run; also given without the flag.", tags=[PLACE]
    )
    to: str = setting(
        "policy.npz",
        "File to write; .npz runs with NumPy, .onnx with onnxruntime, .stablehlo with "
        "JAX.",
        tags=[PLACE, FILE],
    )
    run: int | None = setting(
        None,
        "Which run of the folder, as in its versions.json; without it the one that did "
        "best in its simulator where that is right, and elsewhere the first.",
        at_least(0),
    )
    which: Literal["chosen", "last", "best"] = setting("chosen", run_folder.WHICH)


SETTINGS = (Exporting,)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Exporting)
    if flags.is_named("seed"):
        raise ConfigError("--seed: a folder's runs are counted; give --run")
    if not choice.folder:
        raise ConfigError("--folder: empty; give a run folder of experiments.run")
    folder, path = pathlib.Path(choice.folder), pathlib.Path(choice.to)
    form = forms.of(path)
    number = policies.recommended(folder) if choice.run is None else choice.run
    function = contract.function_of(folder, number, choice.which)
    about = contract.of_run(folder, number, choice.which, function)
    if path.suffix == ".npz":
        _check_script(path)
    places.try_file("to", path.with_name(path.name + ".json"))
    with places.writing("to", path), writing.replacing_all(path.parent) as scratch:
        part = scratch / path.name
        forms.write(part, form, function, about)
        contract.write(part, about, {})
        act = form.load(part)
        worst = parity(function, act)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"--to={path}: differs from the run's policy by {worst:.1e} of the "
                f"action range, more than {TOLERANCE:g}; train with --normalise, which "
                "keeps the numbers in the network small"
            )
        measured = {"observations": OBSERVATIONS, "largest_error": worst}
        written = [part, contract.write(part, about, measured)]
        if path.suffix == ".npz":
            written.append(scratch / SCRIPT)
            shutil.copyfile(policy.__file__, written[-1])
    run = about["run"]
    print(policy.describe(about))
    print(
        f"policy   the {run['policy']} of run {run['number']}: {run['setting']}, seed "
        f"{run['seed']}, of epoch {run['epoch']}"
    )
    if run["epoch"] == 0:
        print("note     that is the policy before any training; train for longer")
    if choice.run is None and (runs := len(run_folder.versions(folder)["runs"])) > 1:
        print(f"note     {_why(folder, number)} of {runs} runs; --run takes another")
    rate, control = about["rate_hz"], policies.robot(folder).get("control_hz")
    if rate and control:
        print("".join(f"warning  {x}\n" for x in data.two_rates(rate, control)), end="")
    print(f"parity   {worst:.1e} of the action range, on {OBSERVATIONS:,} observations")
    print(f"latency  {latency(function, act)}")
    print(f"wrote    {', '.join(str(path.with_name(x.name)) for x in written)}")


def _why(folder: pathlib.Path, run: int) -> str:
    """Why this run was taken, as the beginning of a sentence."""
    if run in policies.chosen_returns(folder):
        return "the run that did best in its simulator,"
    return "the first that was not lost, as no simulator can tell which is best,"


def _check_script(path: pathlib.Path) -> None:
    """Refuses to replace a policy.py beside a policy that is not of ours.

    Ours begins as this version's does, whichever version wrote it.

    Raises:
        ConfigError: somebody else wrote it.
    """
    there = path.with_name(SCRIPT)
    if not there.exists():
        return
    first = pathlib.Path(policy.__file__).read_bytes().splitlines()[0]
    found = files.read_bytes(there, files.LARGEST_TEXT, ConfigError, f"--to={path}: ")
    if not found.startswith(first):
        raise ConfigError(
            f"--to={path}: {there}: not written by this command, which would replace "
            "it; move it or give a --to in another folder"
        )


def parity(function: Function, act: Act) -> float:
    """Largest difference of a written policy and the run's, over half of the range.

    On observations uniform in the range of training, and beyond it by its width on
    either side.
    """
    observations = samples(function, OBSERVATIONS)
    off = np.abs(act(observations) - function.act(observations)) / function.half
    return float(off.max())


def samples(function: Function, count: int) -> np.ndarray:
    """`[n, O]` observations, half of them in the range of training, half around it."""
    centre, spread = function.mean, function.std
    low = np.where(np.isfinite(function.low), function.low, centre - 3 * spread)
    high = np.where(np.isfinite(function.high), function.high, centre + 3 * spread)
    rng, width = np.random.default_rng(0), high - low
    inside = rng.uniform(low, high, (count // 2, len(low)))
    around = rng.uniform(low - width, high + width, (count - len(inside), len(low)))
    return np.concatenate([inside, around]).astype(np.float32)


def latency(function: Function, act: Act) -> str:
    """The time of a call with one observation, in words."""
    one = samples(function, 2)[:1]
    median, slow = policy.microseconds(act, one)
    return f"{median:.0f} us a call here (99 %: {slow:.0f} us)"


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN, argument="folder")
