#!/bin/bash
# Four independent jobs:  RUN=/shared/runs/a sbatch slurm_array.sh --flagfile=... --dataset=...
# Not tried on a real cluster; the options are examples.
#SBATCH --job-name=h2o_jax
#SBATCH --array=0-3
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --time=1440
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
: "${RUN:?a folder that all hosts see}"
folder=$RUN/shard$SLURM_ARRAY_TASK_ID
# srun takes the cores of a task from here, not from the options above.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

place=--run_dir=$folder
if [ -d "$folder/checkpoint" ]; then
    place=--resume=$folder
fi
srun --ntasks=1 python -m experiments.run "$@" \
    --shard="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "$place"
code=$?
# 75: the signal came and the run has saved itself.
if [ "$code" -eq 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
