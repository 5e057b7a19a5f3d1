"""`composed-table NAME`: everything behind a table, from the file that lists its runs to the files that show it.

conf/table/NAME.yaml lists the runs; those that are missing are run, then all of them are reported into
results/NAME-PROFILE. Given again it goes on; when nothing is missing it writes the same bytes.
"""

import argparse
import shlex
import sys
from pathlib import Path

from composed.cli.frame import framed
from composed.errors import ConfigError, Interrupted
from composed.sweeps import slurm
from composed.sweeps.estimate import plan
from composed.sweeps.jobs import as_many_as_fit, run_jobs
from composed.sweeps.table import TABLES, Table, report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-table", description=__doc__.partition("\n")[0])
    parser.add_argument("name", help=f"one of {', '.join(sorted(path.stem for path in TABLES.glob('*.yaml')))}")
    parser.add_argument("overrides", nargs="*", help="for every run, such as profile=paper replicate=0,1 trainer=gpu")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at a time, each on its share of the cores; by default one for each core, "
        "but one alone with profile=paper and on GPUs",
    )
    parser.add_argument("--follow", action="store_true", help="say what the runs say, too, not in their logs alone")
    parser.add_argument("--retry-failed", action="store_true", help="also the runs that failed before")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what there is to do, and about how long it takes"
    )
    parser.add_argument("--no-report", action="store_true", help="only the runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help="instead of results/NAME-PROFILE")
    options = parser.parse_intermixed_args(arguments)
    command = shlex.join(["composed-table", *(sys.argv[1:] if arguments is None else arguments)])

    def stopped(interrupted: Interrupted) -> str:
        again = f"{interrupted}\ngo on with the same command:\n  {command}"
        return "\n".join(filter(None, (again, slurm.back_into_the_queue(interrupted.number))))

    return framed(lambda: _make(options), stopped=stopped)


def _make(options: argparse.Namespace) -> int:
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs}: must be above 0")
    table = Table.named(options.name)
    jobs = table.jobs(options.overrides)
    at_a_time = options.jobs or as_many_as_fit(jobs)
    if options.dry_run:
        print(plan(jobs, at_a_time=at_a_time, retry_failed=options.retry_failed))
        return 0
    failed = run_jobs(jobs, at_a_time=at_a_time, retry_failed=options.retry_failed, follow=options.follow)
    finished = [job.folder.path for job in jobs if job.folder.finished()]
    if finished and not options.no_report:
        out = options.out or Path("results") / table.place(options.overrides)
        report(table, finished, out, shlex.join(["composed-table", table.name, *options.overrides]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
