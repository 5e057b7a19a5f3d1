"""What decodes in decoding_race.py: our compiled engine and CTranslate2, of the same weights, one process each.

    PYTHON benchmarks/decoding_contenders.py NAME SETUP.json     with PYTHON of the environment that has NAME

Reads one request per line, {"do": "greedy", "precision": "fp32", ...}, and answers {"cpu", "wall", "tokens", "rows"} in
a line. This file must run where only the peer is installed.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

BOS, EOS, BEAMS = 1, 2, 5


class Composed:
    def __init__(self, setup: dict[str, Any]) -> None:
        import composed  # noqa: F401  (sets how threads wait, before torch loads)

        # isort: split
        import torch
        from safetensors.torch import load_file

        from composed.models.transformer import Transformer

        torch.set_num_threads(setup["threads"])
        self.model = Transformer(setup["vocabulary"], **setup["sizes"]).eval()
        self.model.load_state_dict(load_file(setup["weights"]))
        self.sources = [torch.tensor(row) for row in setup["sources"]]
        self.length = setup["length"]

    def answer(self, request: dict[str, Any]) -> list[list[int]]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        from composed.models.sequence import Draws

        source = pad_sequence(self.sources, batch_first=True)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=request["precision"] == "bf16"):
            if request["do"] == "sample":
                rows = self.model.sample(source, draws=Draws(self.length))
            else:
                rows = self.model.predict(source, max_length=self.length, beams=BEAMS if request["do"] == "beam" else 1)
        return [row[: row.index(EOS)] if EOS in row else row for row in rows.tolist()]


class CTranslate2:
    """Loads a folder in the format of transformers by the converter of its own."""

    def __init__(self, setup: dict[str, Any]) -> None:
        import ctranslate2

        self.package, self.length, self.folder = ctranslate2, setup["length"], Path(setup["huggingface"])
        self.sources = [[f"t{one}" for one in row[:-1]] + ["</s>"] for row in setup["sources"]]
        # What the converter asks of a Pegasus that newer versions of transformers do not write.
        edit(self.folder / "config.json", normalize_before=True, normalize_embedding=False)
        for precision in setup["peer_precisions"]:
            made = self.folder / precision
            ctranslate2.converters.TransformersConverter(str(self.folder)).convert(str(made), quantization=precision)
            edit(made / "config.json", decoder_start_token="<s>")  # Pegasus starts with a pad, and ours does not
        self.loaded: dict[tuple[str, int, int], Any] = {}

    def answer(self, request: dict[str, Any]) -> list[list[int]]:
        ways = {
            "greedy": {"beam_size": 1},
            "beam": {"beam_size": BEAMS},
            "sample": {"sampling_topk": 0, "beam_size": 1},
        }
        rows = self.translator(request).translate_batch(
            self.sources,
            max_batch_size=request["batch"],
            max_decoding_length=self.length,
            max_input_length=0,
            **ways[request["do"]],
        )
        return [[int(token[1:]) if token[0] == "t" else 3 for token in row.hypotheses[0]] for row in rows]

    def translator(self, request: dict[str, Any]) -> Any:
        key = request["precision"], request["inter"], request["intra"]
        if key not in self.loaded:
            precision, inter, intra = key
            self.loaded[key] = self.package.Translator(
                str(self.folder / precision), compute_type=precision, inter_threads=inter, intra_threads=intra
            )
        return self.loaded[key]


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def main() -> None:
    name, path = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    setup = json.loads(Path(path).read_text())
    contender = {"composed": Composed, "ctranslate2": CTranslate2}[name](setup)
    print(json.dumps({}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        if "inter" in request:
            contender.translator(request)  # which is loaded once
        cpu, wall = time.process_time(), time.perf_counter()
        rows = contender.answer(request)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        tokens = sum(min(len(row) + 1, contender.length) for row in rows)  # with their ends
        print(json.dumps({"cpu": cpu, "wall": wall, "tokens": tokens, "rows": rows}), file=answers)


if __name__ == "__main__":
    main()
