"""Speed of training, decoding and composing, against fairseq 0.12.2 and Hugging Face BART, turn by turn.

    python benchmarks/race.py [--rounds 5] [--threads 2] [--parts 1] [--out results/benchmarks/NAME]

SansType at paper size (BPE of 600, 3+3 layers, width 256), batches of 4,000 padded tokens; what a composed step costs
is measured at quick size (words, 2+2 layers, width 128, batches of 1,000 tokens), by an f that has learned to end its
programs. Every round asks every contender for every task once; a ratio is taken within a round, so that the load of
the machine falls on both sides. Rates are per CPU second and per wall second; CPU seconds are the sturdier.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from composed.datamodules import tokenizers
from composed.datamodules.batching import Batch, Pairs, Updates, encode
from composed.datamodules.noise import TemplateNoise, corrupt
from composed.datamodules.sanstype.grammar import Grammar, generate

CONTENDERS = Path(__file__).with_name("contenders.py")
PEERS = Path("build/peers/fairseq/bin/python")
INSTALL = "scripts/install_fairseq.sh"
LENGTH = 110  # of decoded rows
TASKS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> contender, request
    "train, fairseq fp32": ("fairseq", {"do": "train", "precision": "fp32"}),
    "train, BART fp32": ("bart", {"do": "train", "precision": "fp32"}),
    "train fp32": ("composed", {"do": "train", "precision": "fp32"}),
    "train, fairseq bf16": ("fairseq", {"do": "train", "precision": "bf16"}),
    "train bf16": ("composed", {"do": "train", "precision": "bf16"}),
    "greedy, fairseq fp32": ("fairseq", {"do": "greedy", "precision": "fp32", "length": LENGTH}),
    "greedy, BART fp32": ("bart", {"do": "greedy", "precision": "fp32", "length": LENGTH}),
    "greedy fp32": ("composed", {"do": "greedy", "precision": "fp32", "length": LENGTH}),
    "greedy bf16": ("composed", {"do": "greedy", "precision": "bf16", "length": LENGTH}),
    "sampling, fairseq fp32": ("fairseq", {"do": "sample", "precision": "fp32", "length": LENGTH}),
    "sampling fp32": ("composed", {"do": "sample", "precision": "fp32", "length": LENGTH}),
    "sampling bf16": ("composed", {"do": "sample", "precision": "bf16", "length": LENGTH}),
    "quick: standard step": ("quick", {"do": "train", "precision": "bf16"}),
    "quick: composed step, 1 sample": ("quick", {"do": "composed", "precision": "bf16", "samples": 1}),
    "quick: composed step, 4 samples": ("quick", {"do": "composed", "precision": "bf16", "samples": 4}),
    "quick: denoising step": ("quick", {"do": "denoising", "precision": "bf16"}),
    "matmul fp32": ("composed", {"do": "matmul", "precision": "fp32"}),
    "matmul bf16": ("composed", {"do": "matmul", "precision": "bf16"}),
}
RATIOS = (  # of the first's rate to the second's; the last two: of the second's time to the first's
    ("train fp32", "train, fairseq fp32"),
    ("train bf16", "train, fairseq fp32"),
    ("train bf16", "train, fairseq bf16"),
    ("train fp32", "train, BART fp32"),
    ("greedy fp32", "greedy, fairseq fp32"),
    ("greedy bf16", "greedy, fairseq fp32"),
    ("greedy fp32", "greedy, BART fp32"),
    ("sampling fp32", "sampling, fairseq fp32"),
    ("sampling bf16", "sampling, fairseq fp32"),
    ("quick: standard step", "quick: composed step, 1 sample"),
    ("quick: standard step", "quick: composed step, 4 samples"),
)
MEMORY = {name: request for name, (who, request) in TASKS.items() if who == "quick" and "step" in name}
FREED_AT_ONCE = {
    "MALLOC_MMAP_THRESHOLD_": "16384",
    "MALLOC_ARENA_MAX": "1",
}  # what is freed is given back, and counts no more
LEARNED = 800  # updates of the f whose composed step is measured


class Worker:
    """A contender in a process of its own."""

    def __init__(
        self, python: str, name: str, setup: Path, threads: int, script: Path = CONTENDERS, **variables: str
    ) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", **variables}
        self.process = subprocess.Popen(
            [python, str(script), name, str(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._read()

    def ask(self, request: dict[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._read()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self.process.args))} ended without an answer")  # type: ignore[arg-type]
        return json.loads(line)


def data_rates() -> tuple[Pairs, tokenizers.Tokenizer, dict[str, float]]:
    """The paper's training pairs, and how fast (per CPU second) data is made and prepared."""
    rates: dict[str, float] = {}
    clock = time.process_time

    start = clock()
    examples = generate(1000, seed=0, split="train")
    rates["programs generated"] = 1000 / (clock() - start)
    sources, targets = [one.source for one in examples], [one.target for one in examples]
    tokenizer = tokenizers.train("bpe", [*sources, *targets], 600)
    start = clock()
    corrupt(targets, TemplateNoise(unchanged=0.1, max_draws=3), 0)
    rates["programs corrupted"] = 1000 / (clock() - start)
    start = clock()
    pairs = Pairs(encode(tokenizer, sources), encode(tokenizer, targets), tokenizer.pad)
    rates["tokens encoded"] = sum(map(len, [*pairs.sources, *pairs.targets])) / (clock() - start)
    start = clock()
    batches = updates_of(pairs, 40, batch_tokens=16000, accumulate=4)
    rates["target tokens batched"] = sum(int((batch.target != 0).sum()) for batch in batches) / (clock() - start)
    for name in ("source", "target"):
        rows = [getattr(batch, name) for batch in batches]
        rates[f"share of pads, {name}"] = 1 - sum(int((row != 0).sum()) for row in rows) / sum(map(len_of, rows))
    return pairs, tokenizer, rates


def updates_of(pairs: Pairs, count: int, *, batch_tokens: int, accumulate: int) -> list[Batch]:
    updates = Updates(pairs, batch_tokens=batch_tokens, accumulate=accumulate, seed=0)
    updates.stop = count
    return list(updates)


def paper_setup(pairs: Pairs, vocabulary: int, parts: int) -> dict[str, Any]:
    """Batches nearest to the mean length."""
    batches = updates_of(pairs, 4, batch_tokens=16000, accumulate=4)
    return {
        "vocabulary": vocabulary,
        "sizes": {"width": 256, "layers": 3, "heads": 2, "feedforward": 1024},
        "dropouts": [0.1, 0.2, 0.2],
        "batches": listed(
            sorted(batches, key=lambda batch: abs(batch.target.shape[1] - np.mean(pairs.cost())))[:parts]
        ),
    }


def quick_setup() -> dict[str, Any]:
    """As conf/sizes/sanstype_quick.yaml."""
    examples = generate(1000, seed=0, split="train", grammar=Grammar(max_variables=2, max_rounds=3))
    sources, targets = [one.source for one in examples], [one.target for one in examples]
    tokenizer = tokenizers.train("word", [*sources, *targets], 600)
    clean = encode(tokenizer, targets)
    noised = encode(tokenizer, corrupt(targets, TemplateNoise(unchanged=0.1, max_draws=3), 0))
    sizes = {"batch_tokens": 1000, "accumulate": 1}
    batches = updates_of(Pairs(encode(tokenizer, sources), clean, tokenizer.pad), LEARNED, **sizes)
    return {
        "vocabulary": tokenizer.size,
        "sizes": {"width": 128, "layers": 2, "heads": 4, "feedforward": 512},
        "dropouts": [0.1, 0.0, 0.0],
        "learned": listed(batches),
        "batches": listed(batches[:8]),
        "denoising": listed(updates_of(Pairs(noised, clean, tokenizer.pad), 8, **sizes)),
    }


def listed(batches: list[Batch]) -> list[tuple[list[Any], list[Any]]]:
    return [(batch.source.tolist(), batch.target.tolist()) for batch in batches]


def len_of(rows: Any) -> int:
    return rows.numel()


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", type=int, default=2, help="batches of 4,000 tokens in an update")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/race"))
    options = parser.parse_args()
    pairs, tokenizer, rates = data_rates()
    setups = {"paper": paper_setup(pairs, tokenizer.size, options.parts), "quick": quick_setup()}
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, setup in setups.items():
            paths[name] = Path(folder) / f"{name}.json"
            paths[name].write_text(json.dumps({**setup, "threads": options.threads}))

        def worker(name: str, **variables: str) -> Worker:
            python = sys.executable if name in ("composed", "quick") else str(PEERS)
            return Worker(python, name, paths["quick" if name == "quick" else "paper"], options.threads, **variables)

        workers = {name: worker(name) for name in ("composed", "quick")}
        if PEERS.exists():
            workers |= {name: worker(name) for name in ("fairseq", "bart")}
        else:
            print(f"no peers: {INSTALL} installs fairseq and transformers into {PEERS.parents[1]}", file=sys.stderr)
        operations = workers["composed"].ask({"do": "count"})["tokens"]
        seen: dict[str, list[dict[str, float]]] = {}
        loads = []
        for round_ in range(options.rounds + 1):
            for name, (who, request) in TASKS.items():
                if who in workers:
                    figures = workers[who].ask(request)
                    if round_:  # the first warms up
                        seen.setdefault(name, []).append(figures)
            loads.append(os.getloadavg()[0])
            print(f"round {round_} of {options.rounds}, load {loads[-1]:.1f}", file=sys.stderr, flush=True)
        memory = {}
        for name, request in MEMORY.items():
            workers["fresh"] = worker("quick", **FREED_AT_ONCE)
            workers["fresh"].ask(request)  # loads code, and makes kernels for its shapes
            asked = [workers["fresh"].ask({**request, "memory": True})["bytes"] for _ in range(5)]
            memory[name] = {"median": statistics.median(asked), "most": max(asked)}
            workers["fresh"].end()
        for one in workers.values():
            one.end()
    report = table(options, seen, rates, operations, memory, loads)
    print(report)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text(report + "\n")
    facts = {"options": {k: str(v) for k, v in vars(options).items()}, "loads": loads, "data": rates, "rounds": seen}
    facts["memory"] = memory
    options.out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


def table(
    options: Any,
    seen: dict[str, Any],
    rates: dict[str, float],
    operations: float,
    memory: dict[str, dict[str, float]],
    loads: list[float],
) -> str:
    import torch

    def per(name: str, clock: str) -> list[float]:
        return [one["tokens"] / one[clock] for one in seen[name]]

    today = datetime.date.today()
    lines = [
        "# Speed",
        "",
        f"`python benchmarks/race.py --rounds {options.rounds} --threads {options.threads} --parts {options.parts}`, "
        f"{today}: {processor()}, {os.cpu_count()} cores, "
        f"load {min(loads):.1f} to {max(loads):.1f}; torch {torch.__version__}, Python {platform.python_version()}. "
        "Median [least, most] of the rounds.",
        "",
        "| task | tokens per CPU second | tokens per second | GFLOP per CPU second |",
        "| --- | --- | --- | --- |",
    ]
    tokens = seen["train fp32"][0]["tokens"]
    for name in seen:
        if name.startswith("matmul"):
            lines.append(f"| {name} | | | {statistics.median(per(name, 'cpu')) / 1e9:.0f} |")
            continue
        work = ""
        if name in ("train fp32", "train bf16"):
            done = statistics.median(per(name, "cpu")) * operations / tokens
            peak = statistics.median(per(f"matmul {name[-4:]}", "cpu"))
            work = f"{done / 1e9:.0f}, {done / peak:.0%} of the matmul's"
        medians = (statistics.median(per(name, clock)) for clock in ("cpu", "wall"))
        lines.append(f"| {name} | {' | '.join(f'{value:,.0f}' for value in medians)} | {work} |")
    lines += ["", "| rate of | against | by CPU seconds | by wall seconds |", "| --- | --- | --- | --- |"]
    for mine, other in RATIOS:
        if mine in seen and other in seen:
            columns = [
                spread([a / b for a, b in zip(per(mine, clock), per(other, clock), strict=True)])
                for clock in ("cpu", "wall")
            ]
            lines.append(f"| {mine} | {other} | {' | '.join(columns)} |")
    first = next(iter(memory.values()))["median"]
    lines += [
        "",
        "| memory above the idle process, 5 times 8 steps | median, MiB | most | |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {size['median'] / 2**20:.0f} | {size['most'] / 2**20:.0f} | {size['median'] / first:.2f} |"
        for name, size in memory.items()
    ]
    lines += ["", "| data | |", "| --- | --- |"]
    lines += [
        f"| {name}{'' if 'pads' in name else ' per CPU second'} | {value:.1%} |"
        if "pads" in name
        else f"| {name} per CPU second | {value:,.0f} |"
        for name, value in rates.items()
    ]
    return "\n".join(lines)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
