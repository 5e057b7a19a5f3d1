"""`composed-check FOLDER`: before any training, what is amiss with data, and what the judge says of the gold outputs.

    composed-check mine --judge python
    composed-check mine task.tests=[id,ood] tokenizer.size=500

What there is goes to standard output. Exit code 1 where something has to be mended: a fault of a file, a gold output
that the judge does not take for correct, a gold output longer than a prediction may be.
"""

import argparse
import re
import sys
from pathlib import Path

from composed.cli.frame import framed
from composed.config.command_line import check_command_line, every_job
from composed.config.options import options as options_of
from composed.errors import ConfigError
from composed.system.console import say


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-check", description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", metavar="FOLDER", help="what task.folder would name")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as composed-train takes them")
    parser.add_argument("--task", metavar="NAME", help="files, or labels where the folder has .tsv or .label files")
    parser.add_argument("--judge", metavar="NAME", help=f"the judge: {', '.join(options_of('judge'))}")
    options = parser.parse_intermixed_args(arguments)
    return framed(lambda: _check(options))


def _check(options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    if strange := [word for word in options.overrides if "=" not in word]:
        raise ConfigError(f"{strange[0]}: one folder at a time; what is said beside it is KEY=VALUE")
    labels = any(folder.glob("*.tsv")) or any(folder.glob("*.label"))
    words = [f"task={options.task or ('labels' if labels else 'files')}", f"task.folder={_quoted(options.folder)}"]
    words += [f"judge={options.judge}"] if options.judge else []
    words += options.overrides
    check_command_line(words, write=False, effects=False)
    [(_, config)] = every_job(words)

    from composed.experiment.check import inspect

    problems = inspect(config)
    for problem in problems:
        say(problem)
    say(f"{len(problems)} to mend" if problems else "nothing to mend")
    return 1 if problems else 0


def _quoted(path: str) -> str:
    """As Hydra takes it for what it is."""
    escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", path).replace("'", r"\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    sys.exit(main())
