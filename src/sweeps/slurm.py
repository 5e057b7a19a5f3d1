"""A run whose machine SLURM is about to take: it has saved, and goes back into the queue, where it goes on.

SLURM gives warning by a signal that a job asks for (`#SBATCH --signal=USR1@120`). What it kills with SIGTERM it puts
back by itself where that is its policy; a person's `scancel` is SIGTERM too, and final.
"""

import os
import signal
import subprocess

from composed.system.console import in_sweep, main_process, say

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
MOST_RETURNS = 100


def back_into_the_queue(number: int, most: int = MOST_RETURNS) -> str:
    """Where the signal with this number was SLURM's warning: the same job waits again, and this one is killed soon.

    Returns why it does not wait again, else "". It does not after `most` returns: what its time limit never lets come
    to an end would take its machine for ever.
    """
    if number not in WARNINGS or "SLURM_JOB_ID" not in os.environ or in_sweep():
        return ""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it comes before the answer, and while the others end
    if not main_process():
        return ""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:  # whose first task has the number of the whole array
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) >= most:
        return f"job {job} has been back in the queue {most} times, as hydra.launcher.max_num_timeout allows"
    try:
        asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
        refused = asked.stderr.strip() if asked.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        refused = str(error)
    if refused:
        return f"SLURM does not take job {job} back: {refused}"
    say(f"job {job} goes back into the queue")
    return ""
