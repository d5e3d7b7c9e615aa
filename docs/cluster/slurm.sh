#!/bin/bash
# One program over several hosts:  RUN=/shared/runs/a sbatch slurm.sh --flagfile=... --dataset=...
# Not tried on a real cluster; the options are examples.
#SBATCH --job-name=h2o_jax
#SBATCH --nodes=2
# One task per GPU: under SLURM JAX gives each task one of them.
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-node=4
#SBATCH --time=1440
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
: "${RUN:?a folder that all hosts see}"
# srun takes the cores of a task from here, not from the options above.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

place=--run_dir=$RUN
if [ -d "$RUN/checkpoint" ]; then
    place=--resume=$RUN
fi
srun python -m experiments.run --distributed "$@" "$place"
code=$?
# 75: the signal came and the run has saved itself.
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
