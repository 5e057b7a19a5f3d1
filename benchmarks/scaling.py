"""Strong scaling: how much faster an update of the same global batch is in several processes of one thread each.

    python benchmarks/scaling.py [--processes 1 2] [--updates 20 120] [--rounds 3] [--finetuning standard]
        [--trainer ddp]

Each run is `composed-train trainer=ddp` or fsdp, on SansType at its quick sizes, on the CPU. Two budgets are timed, and
the difference counts, so that starting processes and reading data do not. Runs take turns, round after round; the table
has the median of the rounds, with the least and the greatest. Wants as many idle cores as there are processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from composed.system.files import read_json

WORDS = ("task=sanstype", "profile=quick", "logger=csv", "trainer.accelerator=cpu", "trainer.threads=1")


def seconds(processes: int, updates: int, trainer: str, finetuning: str, store: Path) -> float:
    """Of a training of so many updates in so many processes, from its start."""
    with tempfile.TemporaryDirectory() as runs:
        budget = [f"schedules.{name}.updates={updates}" for name in ("scratch", "pretrained")]
        often = [f"optim.{key}={updates}" for key in ("validate_every", "checkpoint_every")]
        words = [*WORDS, *budget, *often, f"trainer={trainer}", f"trainer.devices={processes}"]
        words += [f"finetuning={finetuning}", f"runs={runs}", f"store={store}", "finetuning.compose_after=0"]
        words.append("beginnings.size=0")  # all of it is to be timed
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "composed.cli.train", *words], env=environment, check=True)
        (training,) = Path(runs).glob("*/training.json")
        return read_json(training)["seconds"]["training"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--updates", type=int, nargs=2, default=[20, 120], metavar=("FEW", "MANY"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--finetuning", default="standard")
    parser.add_argument("--trainer", default="ddp", choices=["ddp", "fsdp"])
    parser.add_argument("--store", type=Path, default=Path("store"))
    options = parser.parse_args()
    few, many = options.updates
    rates: dict[int, list[float]] = {processes: [] for processes in options.processes}
    for _ in range(options.rounds):
        for processes in options.processes:
            how = options.trainer, options.finetuning, options.store
            took = [seconds(processes, updates, *how) for updates in (few, many)]
            rates[processes].append((many - few) / (took[1] - took[0]))
    alone = median(rates[options.processes[0]])
    print(f"\n`python benchmarks/scaling.py {' '.join(sys.argv[1:])}`, load {os.getloadavg()[0]:.1f}\n")
    print("| processes | updates a second (median, least to greatest) | times one | efficiency |")
    print("| --: | --: | --: | --: |")
    for processes, found in rates.items():
        times = median(found) / alone
        spread = f"{median(found):.3f} ({min(found):.3f} to {max(found):.3f})"
        print(f"| {processes} | {spread} | {times:.2f} | {times / processes * options.processes[0]:.0%} |")


if __name__ == "__main__":
    main()
