"""`judge_spoc_gold.py FOLDER OUT`: the gold programs of a SPoC release that the judge accepts, into OUT/README.md.

Each is judged by all its test cases after a round trip through lines, BPE pieces and back; what fails, as it was
published too. Rejected programs are named, with the cause that the compiler or the judge states.
"""

import re
import sys
from collections import Counter
from itertools import starmap
from pathlib import Path

from composed import judges
from composed.datamodules import tokenizers
from composed.datamodules.spoc import release
from composed.datamodules.spoc.code import to_cpp
from composed.datamodules.spoc.release import PARTS, Program, Skipped
from composed.errors import ComposedError
from composed.system.files import write_text

CAUSES = (
    (r"'gets' was not declared", "`gets`, which C++14 removed"),
    (r"reference to '(\w+)' is ambiguous", "a name that newer headers declare too"),
    (r"ambiguating new declaration", "a name that newer headers declare too"),
)

TEXT = """# Gold programs of SPoC that the judge accepts

    python scripts/judge_spoc_gold.py FOLDER OUT          ({compiler}, all test cases, 2 CPU seconds for each)

| part | programs | accepted | share | rejected |
| --- | --- | --- | --- | --- |
{rows}

Each program was judged as it comes back from its line of tokens and from BPE pieces (10,000, trained on the parts but
testw). Programs that are accepted as published and rejected after this round trip: {broken}.

{named}
"""


def published(path: Path) -> dict[release.Key, str]:
    """The code of each program as the file has it."""
    lines: dict[release.Key, list[str]] = {}
    for row in path.read_text(encoding="utf-8").split("\n")[1:]:
        if row:
            _, *code, worker, problem, submission, _, _ = row.split("\t")
            lines.setdefault(release.Key(problem, submission, worker), []).append("\t".join(code))
    return {key: judges.PRELUDE + "\n".join(code) + "\n" for key, code in lines.items()}


def cause(verdict: judges.Verdict) -> str:
    """Why a program was rejected, in words."""
    if verdict.verdict == "compile_error":
        return next((words for pattern, words in CAUSES if re.search(pattern, verdict.diagnostics)), "other errors")
    return f"{verdict.verdict.replace('_', ' ')}"


def judged(folder: Path, part: str, codes: dict[release.Key, str]) -> dict[release.Key, judges.Verdict]:
    programs = [
        judges.Program("-".join(key), code, tuple(starmap(judges.Test, release.tests(folder, key.problem, "all"))))
        for key, code in codes.items()
    ]
    print(f"{part}: judging {len(programs)} programs", file=sys.stderr)
    return dict(zip(codes, judges.judge(programs, compare="tokens"), strict=True))


def report(folder: Path) -> str:
    parts: dict[str, list[Program]] = {
        name: release.read(folder / file, Skipped(False)) for name, file in PARTS.items() if (folder / file).exists()
    }
    learned = [one for name in parts if name != "testw" for one in parts[name]]
    texts = [text for one in learned for text in (one.source("code"), one.target)]
    tokenizer = tokenizers.train("bpe_bytes", texts, 10_000)
    rows, named, broken = [], [], 0
    for part, programs in parts.items():
        codes = {one.key: to_cpp(tokenizer.decode(tokenizer.encode(one.target))) for one in programs}
        rejected = {key: one for key, one in judged(folder, part, codes).items() if one.verdict != "correct"}
        originals = published(folder / PARTS[part])
        before = judged(folder, part, {key: originals[key] for key in rejected})
        broken += sum(before[key].verdict == "correct" for key in rejected)
        accepted = len(codes) - len(rejected)
        causes = Counter(map(cause, rejected.values()))
        what = "; ".join(f"{count} {words}" for words, count in causes.most_common())
        rows.append(f"| {part} | {len(codes):,} | {accepted:,} | {accepted / len(codes):.1%} | {what} |")
        named += [f"- {part} {'-'.join(key)}: {cause(one)}{_where(one)}" for key, one in rejected.items()]
    return TEXT.format(
        compiler=judges.engine.open_toolchain().compiler.name,
        rows="\n".join(rows),
        broken=broken,
        named="\n".join(named),
    )


def _where(verdict: judges.Verdict) -> str:
    return "" if verdict.failed_test is None else f", test case {verdict.failed_test + 1}"


if __name__ == "__main__":
    try:
        write_text(Path(sys.argv[2]) / "README.md", report(Path(sys.argv[1])))
    except (ComposedError, judges.JudgeError) as error:
        sys.exit(f"error: {error}")
