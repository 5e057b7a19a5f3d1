"""Our compiled decoding beside CTranslate2, the fastest engine for such models on a CPU, of the same weights.

    python benchmarks/decoding_race.py [--rounds 5] [--threads 2] [--out results/benchmarks/decoding]

An f of the quick size and one of the paper's, after some updates, so that rows end as those of a trained f do. It is
exported as `composed-export huggingface` does, and CTranslate2's converter reads that. Every round asks every contender
for everything once; of CTranslate2's settings (sources at a time, threads between and within them) the one with the
best median counts, by each clock. Sources are encoded in the time that is measured.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch

sys.path.insert(0, str(Path(__file__).parent))
import contenders
from race import INSTALL, PEERS, Worker, data_rates, listed, paper_setup, processor, quick_setup, spread, updates_of

UPDATES = {"quick": 400, "paper": 150}
SOURCES = {"quick": 384, "paper": 96}
LENGTHS = {"quick": 150, "paper": 400}  # of rows, at most
WAYS = ("greedy", "sample", "beam")
OURS, PEERS_OWN = ("fp32", "bf16"), ("float32", "int8")
CLOCKS = ("cpu", "wall")
Seen = dict[tuple[str, str], list[list[dict[str, Any]]]]  # (way, precision) -> of each request its rounds' answers
RATIOS = (("fp32", "float32"), ("bf16", "int8"), ("fp32", "int8"))


def trained(size: str) -> dict[str, Any]:
    """A setup for contenders.py, whose f learns by it."""
    if size == "quick":
        setup = quick_setup()
        return {**setup, "learned": setup["learned"][: UPDATES[size]]}
    pairs, tokenizer, _ = data_rates()
    learned = listed(updates_of(pairs, UPDATES[size], batch_tokens=3000, accumulate=1))
    return {**paper_setup(pairs, tokenizer.size, 1), "learned": learned}


def prepare(size: str, threads: int, folder: Path) -> Path:
    """Trains, and writes what both contenders need; returns the setup's file."""
    from safetensors.torch import save_file

    torch.set_num_threads(threads)
    setup = trained(size)
    contender = contenders.Composed(setup)
    save_file({name: tensor.contiguous() for name, tensor in contender.model.state_dict().items()}, folder / "f")
    export(contender.model, setup, folder / "huggingface")
    rows = {tuple(row[row != 0].tolist()) for source, _ in contender.read(setup["learned"]) for row in source}
    path = folder / "setup.json"
    made = {
        "threads": threads,
        "vocabulary": setup["vocabulary"],
        "sizes": setup["sizes"],
        "sources": sorted(rows)[:: max(1, len(rows) // SOURCES[size])][: SOURCES[size]],
        "length": LENGTHS[size],
        "weights": str(folder / "f"),
        "huggingface": str(folder / "huggingface"),
        "peer_precisions": PEERS_OWN,
    }
    path.write_text(json.dumps(made))
    return path


def export(model: Any, setup: dict[str, Any], folder: Path) -> None:
    """As `composed-export huggingface`, with a word for each id."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from composed.models.fairseq_weights import OUR_POSITIONS, ImportedWeights
    from composed.models.huggingface_weights import pegasus

    names = ("dropout", "attention_dropout", "activation_dropout")
    settings = {**setup["sizes"], **dict.fromkeys(names, 0.0)}
    imported = ImportedWeights(OUR_POSITIONS, settings, model.state_dict())
    pegasus(imported, model.specials, positions=1024, max_length=400).save_pretrained(folder)
    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"t{one}" for one in range(4, setup["vocabulary"]))]
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def settings(threads: int) -> list[dict[str, int]]:
    between = [{"batch": batch, "inter": threads, "intra": 1} for batch in (16, 32, 64)]
    return between + [{"batch": batch, "inter": 1, "intra": threads} for batch in (32, 64) if threads > 1]


def requests(way: str, precision: str, threads: int) -> list[dict[str, Any]]:
    asked = {"do": way, "precision": precision}
    return [asked] if precision in OURS else [{**asked, **setting} for setting in settings(threads)]


def rates(answers: list[list[dict[str, Any]]], clock: str) -> list[float]:
    """Tokens a second, round by round, of the request with the best median; `answers` has a list for each request."""
    return max(([one["tokens"] / one[clock] for one in rounds] for rounds in answers), key=statistics.median)


def race(size: str, options: Any) -> tuple[list[str], list[float]]:
    """The lines of its tables, and the load at each round."""
    script = Path(__file__).with_name("decoding_contenders.py")
    with tempfile.TemporaryDirectory() as made:
        setup = prepare(size, options.threads, Path(made))
        workers = {
            name: Worker(python, name, setup, options.threads, script=script)
            for name, python in (("composed", sys.executable), ("ctranslate2", str(PEERS)))
        }
        asked = {(way, one): requests(way, one, options.threads) for way in WAYS for one in (*OURS, *PEERS_OWN)}
        seen: Seen = {key: [[] for _ in wanted] for key, wanted in asked.items()}
        loads = []
        for round_ in range(options.rounds + 1):
            for (way, precision), wanted in asked.items():
                worker = workers["composed" if precision in OURS else "ctranslate2"]
                for request, answers in zip(wanted, seen[way, precision], strict=True):
                    answer = worker.ask(request)
                    if round_:  # the first warms up
                        answers.append(answer)
            loads.append(os.getloadavg()[0])
            print(f"{size}: round {round_} of {options.rounds}, load {loads[-1]:.1f}", file=sys.stderr, flush=True)
        for worker in workers.values():
            worker.end()
    return table(size, seen), loads


def table(size: str, seen: Seen) -> list[str]:
    names = {**{one: f"ours, {one}" for one in OURS}, **{one: f"CTranslate2, {one}" for one in PEERS_OWN}}
    lines = [f"## The {size} size", "", "| | tokens per CPU second | tokens per second | rows as ours in fp32 |"]
    lines += ["| --- | --: | --: | --: |"]
    for (way, precision), answers in seen.items():
        medians = (f"{statistics.median(rates(answers, clock)):,.0f}" for clock in CLOCKS)
        mine = seen[way, "fp32"][0][0]["rows"]
        equal = statistics.mean(a == b for a, b in zip(mine, answers[0][0]["rows"], strict=True))
        same = "" if way == "sample" or precision == "fp32" else f"{equal:.1%}"
        lines.append(f"| {way}: {names[precision]} | {' | '.join(medians)} | {same} |")
    lines += ["", "| rate of | to that of | by CPU seconds | by wall seconds |", "| --- | --- | --- | --- |"]
    for way in WAYS:
        for mine, other in RATIOS:
            pairs = [[rates(seen[way, one], clock) for one in (mine, other)] for clock in CLOCKS]
            columns = [spread([a / b for a, b in zip(*both, strict=True)]) for both in pairs]
            lines.append(f"| {way}: {names[mine]} | {names[other]} | {' | '.join(columns)} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", choices=UPDATES, default=list(UPDATES))
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/decoding"))
    options = parser.parse_args()
    if not PEERS.exists():
        raise SystemExit(f"no peer: {INSTALL} installs CTranslate2 into {PEERS.parents[1]}")
    lines, loads = [], []
    for size in options.sizes:
        more, seen = race(size, options)
        lines += more
        loads += seen
    head = [
        "# Decoding beside CTranslate2",
        "",
        f"`python benchmarks/decoding_race.py --rounds {options.rounds} --threads {options.threads}`, "
        f"{datetime.date.today()}: {processor()}, {os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f}; "
        f"torch {torch.__version__}, Python {platform.python_version()}. Median [least, most] of the rounds; "
        "the rate of CTranslate2 is that of its best setting. Its beam search ranks and ends otherwise than "
        "ours, so that rows differ there; samples are drawn anew.",
        "",
    ]
    report = "\n".join(head + lines)
    print(report)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
