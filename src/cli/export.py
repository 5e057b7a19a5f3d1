"""`composed-export FORMAT RUN OUT`: what a finished run learned, f and Pi, as files that others read."""

import argparse
import sys
from pathlib import Path

from composed.cli.frame import framed
from composed.exchange.export import FORMATS, export
from composed.runs.folder import RunFolder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-export", description=__doc__)
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORMAT")
    for name, write in FORMATS.items():
        about = (write.__doc__ or "").split("\n", 1)[0]
        form = forms.add_parser(name, help=about, description=about)
        form.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
        form.add_argument("out", type=Path, metavar="OUT", help="folder to write, new or empty")
    options = parser.parse_args(arguments)
    return framed(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    export(options.form, RunFolder.existing(options.run), options.out)
    print("\n".join(str(path) for path in sorted(options.out.rglob("*")) if path.is_file()))


if __name__ == "__main__":
    sys.exit(main())
