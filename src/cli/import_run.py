"""`composed-import fairseq CHECKPOINT OUT --dict dict.txt`: another library's model becomes a finished run of ours.

    composed-import fairseq checkpoint_best.pt runs/theirs --dict dict.txt --trust profile=quick task.folder=data-bin
    composed-predict runs/theirs < INPUTS

OUT is then what composed-predict and composed-evaluate --predict take, and `denoiser=` and `finetuning.start_from=`.
The words with `=` choose the task, whose data say how long an output may be, as for composed-train.
"""

import argparse
import shlex
import sys
from pathlib import Path

from composed.cli.frame import framed
from composed.exchange.import_run import fairseq
from composed.system.console import say


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-import", description=(__doc__ or "").split("\n", 1)[0])
    form = parser.add_subparsers(dest="form", required=True, metavar="FORMAT").add_parser(
        "fairseq", help="a pre-norm transformer of fairseq, with its dict.txt", usage="%(prog)s CHECKPOINT OUT --dict "
        "FILE --trust [--sentencepiece FILE] [KEY=VALUE ...]",
    )  # fmt: skip
    form.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint_best.pt or the like")
    form.add_argument("out", type=Path, metavar="OUT", help="folder of the run to write")
    form.add_argument("--dict", type=Path, required=True, metavar="FILE", help="the dict.txt of its data")
    form.add_argument(
        "--sentencepiece", type=Path, metavar="FILE", help="the model that cut its data into pieces, where one did"
    )
    form.add_argument(
        "--trust", action="store_true", help="read the pickle that a checkpoint is; code in it is refused all the same"
    )
    options, overrides = parser.parse_known_args(arguments)
    if unknown := [word for word in overrides if "=" not in word or word.startswith("-")]:
        parser.error(f"unknown: {' '.join(unknown)}")
    return framed(lambda: _import(options, overrides))


def _import(options: argparse.Namespace, overrides: list[str]) -> None:
    words = fairseq(
        options.checkpoint, options.out, options.dict, overrides,
        sentencepiece=options.sentencepiece, trust=options.trust,
    )  # fmt: skip
    like, out = shlex.join([*overrides, *words]), shlex.quote(str(options.out))
    say(f"next:\n  composed-predict {out} < INPUTS\n  composed-evaluate {out} --predict")
    say(f"or as f or Pi of a training:\n  composed-train {like} finetuning.start_from={out} ...")
    say(f"  composed-train {like} denoiser={out} ...")


if __name__ == "__main__":
    sys.exit(main())
