"""Every flag of every command.

`command_line` reads and writes them; `from_flags` turns them into an `Experiment`.
"""

import dataclasses

from absl import flags

from experiments import hyperparameters
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.types import Hyper
from h2o_jax.value_losses import BACKBONES

FLAGS = flags.FLAGS

# --- what is learned ---------------------------------------------------------------

flags.DEFINE_enum(
    "task", "halfcheetah", list(tasks.TASKS), "Robot and reward; the real system."
)
flags.DEFINE_enum("algorithm", "h2o_plus", list(ALGORITHMS), "Method.")
flags.DEFINE_enum(
    "backbone", None, list(BACKBONES), "Value loss on real data; default: iql."
)
flags.DEFINE_string(
    "dataset",
    "",
    "Log of the real system: a .hdf5 (D4RL layout), .npz or .csv file, minari:NAME, "
    "or a wheel-legged robot's .txt. Empty: collect one (see --collect_*) and keep it "
    "in --cache_dir.",
)
flags.DEFINE_bool(
    "download", False, "Fetch a minari: dataset that is not on this machine."
)
flags.DEFINE_string(
    "columns",
    "",
    "Names in the log where they are not D4RL's, such as "
    "'observations=x,y,q_0..q_5;rewards=reward'.",
)
flags.DEFINE_string(
    "action_bounds", "", "LOW:HIGH of the log's actions, mapped to [-1, 1]."
)
flags.DEFINE_integer(
    "max_episode_steps",
    None,
    "Time limit of a log that has neither timeouts nor next observations.",
    1,
)
flags.DEFINE_string(
    "gap",
    "gravity:2",
    "How the simulator is wrong: NAME or NAME:FACTOR; a+b is both in one simulator, "
    "a,b is one run each; 'none' leaves it right. Names: "
    + ", ".join(gaps.names())
    + ".",
)
flags.DEFINE_string(
    "real",
    "none",
    "How the real system differs from the stock model, as in --gap; one, or a list for "
    "the robot command.",
)
flags.DEFINE_enum(
    "inertia",
    "modern",
    ["modern", "d4rl"],
    "Capsule inertia of every model; d4rl is that of MuJoCo before 2.1.1, with which "
    "the D4RL and ODRL logs were recorded.",
)
flags.DEFINE_string("seed", "0", "Base seeds: a list such as 0,1,2 or a range 0..4.")

# --- networks and batches ----------------------------------------------------------

flags.DEFINE_string("hidden", "256,256", "Widths of policy, critics and state value.")
flags.DEFINE_string("discriminator_hidden", "256,256", "Widths of discriminators.")
flags.DEFINE_integer(
    "critics", None, "Critics of the ensemble; default: 2, or 10 for edac.", 1
)
flags.DEFINE_bool(
    "critic_layer_norm", None, "LayerNorm in critics; default: only in rebrac."
)
flags.DEFINE_integer(
    "batch",
    128,
    "Rows of each of two domains for value, critics and policy; a method of one domain "
    "and the discriminators take twice as many.",
    1,
)
flags.DEFINE_string(
    "learn_rows",
    "",
    "FIRST:END rows of each batch for value, critics and policy; empty: as --batch.",
)
flags.DEFINE_string(
    "discriminate_rows",
    "",
    "FIRST:END rows of each batch for the discriminators; empty: as --batch.",
)
flags.DEFINE_bool(
    "normalise", False, "Normalise observations by the dataset's mean and std."
)
flags.DEFINE_float(
    "return_range",
    None,
    "Scale rewards, on top of --reward_scale, so that the dataset's best and worst "
    "episodes are so far apart; the IQL family's code uses 1000 for locomotion.",
    hyperparameters.POSITIVE[0],
)
flags.DEFINE_bool(
    "relative_noise",
    False,
    "Discriminator noise in units of the dataset's std per dimension, not absolute.",
)

# --- float hyperparameters: a list spans one program --------------------------------

flags.DEFINE_list(
    "lambda",
    None,
    "Sets lambda_real and lambda_sim together: share of V(s') in the Bellman target, "
    "in [0, 1]. A list such as 0,0.1,0.5 is one run each.",
)
for _field in dataclasses.fields(Hyper):
    flags.DEFINE_list(
        _field.name, [str(_field.default)], hyperparameters.HELP[_field.name]
    )

# --- schedule ----------------------------------------------------------------------

flags.DEFINE_integer("epochs", 1000, "Alternations of stepping and learning.", 1)
flags.DEFINE_integer("steps", 1000, "Simulator steps per epoch and run.", 1)
flags.DEFINE_integer("updates", 1000, "Updates per epoch and run.", 1)
flags.DEFINE_bool(
    "overlap",
    False,
    "Step the simulators while the device learns, by the policy of one block earlier.",
)
flags.DEFINE_integer(
    "replay_rows",
    None,
    "Simulated rows that a run keeps, at least --steps; default: ten times the log's.",
    1,
)
flags.DEFINE_integer("evaluate_every", 10, "Epochs between evaluations.", 1)
flags.DEFINE_integer(
    "episodes",
    None,
    "Real episodes per evaluation and run; default: 10, or 5 for the robot command.",
    1,
)
flags.DEFINE_integer(
    "evaluation_seed", 10_000, "Seed of the first evaluation episode.", 0
)

# --- where things go ---------------------------------------------------------------

flags.DEFINE_string(
    "run_dir", "", "Folder of this run; empty: a fresh one under runs/."
)
flags.DEFINE_string(
    "resume",
    "",
    "Folder of a run to continue bit for bit with its own flags; only --epochs, "
    "evaluation and logging flags may be given besides.",
)
flags.DEFINE_string("preset", "", "Name of these settings, for tables and figures.")
flags.DEFINE_string(
    "results_dir", "", "Also store one small file per run here, for tables."
)
flags.DEFINE_string(
    "cache_dir", "", "Collected data; empty: h2o_jax in the user's cache folder."
)

# --- devices and hosts -------------------------------------------------------------

flags.DEFINE_integer(
    "threads", 0, "CPU cores to use; 0: all. The bits of a run depend on it.", 0
)
flags.DEFINE_bool(
    "require_accelerator", False, "End with an error where there is only a CPU."
)
flags.DEFINE_enum(
    "matmul_precision",
    None,
    ["bfloat16", "tensorfloat32", "float32"],
    "Of matrix products on accelerators; default: JAX's, tensorfloat32 on NVIDIA's.",
)
flags.DEFINE_string(
    "compile_cache", "", "Folder that keeps compiled programs for later commands."
)
flags.DEFINE_bool(
    "distributed",
    False,
    "One program on several hosts: start the same command on each. Found by itself "
    "under SLURM, Kubernetes, Open MPI and on TPUs.",
)
flags.DEFINE_string(
    "coordinator", "", "HOST:PORT of the first host, where it is not found by itself."
)
flags.DEFINE_integer("hosts", None, "How many take part; with --coordinator.", 1)
flags.DEFINE_integer("host", None, "Which of them this is, from 0.", 0)

# --- collecting a log ----------------------------------------------------------------

flags.DEFINE_enum(
    "collect_kind",
    "medium-replay",
    ["medium-replay", "medium"],
    "medium-replay: all that SAC saw on its way to --collect_return; medium: rollouts "
    "of the policy it reached.",
)
flags.DEFINE_float(
    "collect_return",
    None,
    "Stop once SAC's deterministic return reaches this; default: as D4RL's recipe.",
)
flags.DEFINE_integer(
    "collect_epochs", 500, "Stop after so many epochs of --steps at the latest.", 1
)
flags.DEFINE_integer(
    "collect_rows",
    None,
    "Transitions of a medium log (200000) or of a wheel-legged operator's (16588).",
    1,
)
flags.DEFINE_integer("collect_seed", 0, "Seed of the collecting run.", 0)
flags.DEFINE_enum(
    "pairing",
    None,
    robot_log.PAIRINGS,
    "Which command of a wheel-legged log goes with a state: that of the same row, as "
    "published (official, the default), or that of the row after, which was computed "
    "from it. For a .txt log and for one that is collected.",
)
flags.DEFINE_string("collect_hidden", "256,256", "Widths of the collecting SAC.")
flags.DEFINE_integer("collect_batch", 256, "Rows per update of the collecting SAC.", 1)
flags.DEFINE_string(
    "out",
    "",
    "Where to write: a .hdf5 file or minari:NAME (collect), a .png (compare, "
    "calibrate), a folder (robot).",
)

flags.DEFINE_list(
    "runs",
    [],
    "Run folders to show, as FOLDER or NAME=FOLDER (robot); a NAME has no / and no =.",
)

# --- spreading a grid over jobs ------------------------------------------------------

flags.DEFINE_string(
    "part",
    "",
    "I/N: only the I-th (0 to N-1) of N nearly equal parts of the grid of runs, in its "
    "order; empty: all of it.",
)
flags.DEFINE_enum(
    "cluster",
    "local",
    ["local", "debug", "slurm"],
    "Where the launch command runs its jobs: side by side on this machine, one after "
    "another on this machine, or as one SLURM array.",
)
flags.DEFINE_integer(
    "jobs", 1, "Jobs that the launch command makes of the grid, one part each.", 1
)
flags.DEFINE_string(
    "slurm_partition", None, "Partition of the jobs; default: the cluster's."
)
flags.DEFINE_integer("slurm_time", 1440, "Minutes after which SLURM ends a job.", 1)
flags.DEFINE_integer(
    "slurm_cpus", None, "CPU cores of each job; default: the cluster's.", 1
)
flags.DEFINE_integer("slurm_gpus", None, "GPUs of each job; default: none.", 1)
flags.DEFINE_integer(
    "slurm_memory_gb", None, "Memory of each job; default: the cluster's.", 1
)
