"""CPU seconds to read and tokenise the SPoC release, programs corrupted per second, memory. `benchmarks/spoc.py FOLDER`

All splits with the parts at hand, 10,000 pieces, one process; rates are medians over rounds with their range.
"""

import resource
import statistics
import sys
import time

from composed.datamodules import tokenizers
from composed.datamodules.batching import encode
from composed.datamodules.noise import corrupt
from composed.datamodules.noise_code import CodeErrors
from composed.datamodules.spoc import load

ROUNDS = 7
ANY = {"train": None, "val": None, "test": None}
SETTINGS = {
    "seed": 0,
    "cases": "all",
    "seconds": 2.0,
    "unannotated": "code",
    "unlabeled": None,
    "skip_bad": False,
    "longest": ANY,
    "at_most": ANY,
}


def main(folder: str) -> None:
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return clock[-1] - clock[-2]

    data = load({**SETTINGS, "folder": folder}, lambda _codes, _inputs: [])
    splits = [data.train, data.val, *data.tests.values()]
    reading = lap()
    tokenizer = tokenizers.train("bpe_bytes", [*data.train.sources, *data.train.targets], 10_000)
    training = lap()
    tokens = sum(len(row) for split in splits for row in encode(tokenizer, [*split.sources, *split.targets]))
    encoding = lap()
    rates: dict[str, list[float]] = {"corrupted": [], "corrupted and tokenised": []}
    for seed in range(ROUNDS):
        noised = corrupt(data.unlabeled, CodeErrors(), seed)
        corrupting = lap()
        encode(tokenizer, noised)
        rates["corrupted"].append(len(noised) / corrupting)
        rates["corrupted and tokenised"].append(len(noised) / (corrupting + lap()))
    print(f"{sum(map(len, splits)):,} programs, and the tests of testw, read in {reading:.2f} CPU seconds")
    print(
        f"{tokenizer.size:,} pieces trained in {training:.2f}, {tokens:,} tokens of all splits made in {encoding:.2f}"
    )
    for what, values in rates.items():
        middle, low, high = (round(f(values), -2) for f in (statistics.median, min, max))
        print(f"programs {what} per CPU second: {middle:,.0f} ({low:,.0f} to {high:,.0f}), {len(data.unlabeled)} each")
    print(f"largest resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")


if __name__ == "__main__":
    main(sys.argv[1])
