"""What is raced: our transformer, fairseq's and Hugging Face BART, same sizes, same batches, one process each.

    PYTHON benchmarks/contenders.py NAME SETUP.json     with PYTHON of the environment that has NAME

Reads one request per line, {"do": "train", "precision": "bf16", ...}, does it and answers {"cpu", "wall", "tokens"} in
a line, with {"memory": true} also the bytes that the process took at most above what it had: so one process can let
them take turns. This file must run where only a peer is installed.
"""

import ctypes
import json
import os
import sys
import time
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PAD, BOS, EOS = 0, 1, 2


class Contender:
    """One model and its optimiser; sources and targets are padded on the right and end in EOS."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.sizes, self.dropouts, self.vocabulary = setup["sizes"], setup["dropouts"], setup["vocabulary"]
        self.batches, self.denoising = self.read(setup["batches"]), self.read(setup.get("denoising", []))
        torch.manual_seed(0)
        self.model = self.build()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 2e-3 if "learned" in setup else 1e-4, fused=True)
        for batch in self.read(setup.get("learned", [])):
            self.train("bf16", [batch])
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-4

    @staticmethod
    def read(batches: Any) -> list[tuple[Tensor, Tensor]]:
        return [(torch.tensor(source), torch.tensor(target)) for source, target in batches]

    def build(self) -> Any:
        raise NotImplementedError

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Summed over the target's tokens."""
        raise NotImplementedError

    def decode(self, source: Tensor, length: int, sample: bool) -> None:
        """One row of exactly `length` tokens for each source."""
        raise NotImplementedError

    def train(self, precision: str, batches: list[tuple[Tensor, Tensor]], term: Any = None) -> int:
        """One update, whose gradient is accumulated over the batches."""
        self.model.train()
        self.optimizer.zero_grad()
        tokens = 0
        for source, target in batches:
            count = int((target != PAD).sum())
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = self.loss(source, target)
                if term is not None:
                    loss = loss + term(source, target)
            (loss / count).backward()
            tokens += count
        self.optimizer.step()
        return tokens

    def answer(self, request: dict[str, Any]) -> int:
        """Does what is asked; returns the tokens it took."""
        if request["do"] == "train":
            return self.train(request["precision"], self.batches)
        self.model.eval()
        source = self.batches[0][0]
        bf16 = torch.autocast("cpu", torch.bfloat16) if request["precision"] == "bf16" else nullcontext()
        with torch.no_grad(), bf16:
            self.decode(source, request["length"], request["do"] == "sample")
        return len(source) * request["length"]


class Composed(Contender):
    def build(self) -> Any:
        from composed.models.composition import freeze
        from composed.models.transformer import Transformer

        names = ("dropout", "attention_dropout", "activation_dropout")
        self.denoiser = freeze(Transformer(self.vocabulary, **self.sizes))
        return Transformer(self.vocabulary, **self.sizes, **dict(zip(names, self.dropouts, strict=True)))

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        return self.model.nll(source, target).sum()

    def decode(self, source: Tensor, length: int, sample: bool) -> None:
        numbers = torch.rand(len(source), length, dtype=torch.float64) if sample else None
        assert self.model.decode(source, 1, length, numbers, min_length=length).shape[1] == length

    def answer(self, request: dict[str, Any]) -> int:
        if request["do"] == "composed":
            from composed.models.estimators import reinforce, rloo
            from composed.models.sequence import Draws

            estimator = reinforce(1) if request["samples"] == 1 else rloo(request["samples"])

            def term(source: Tensor, target: Tensor) -> Tensor:
                return estimator.surrogate(
                    self.model, self.denoiser, source, target, draws=Draws(max_length=2 * target.shape[1])
                ).sum()

            return self.train(request["precision"], self.batches, term)
        if request["do"] == "denoising":
            return self.train(request["precision"], self.denoising)
        if request["do"] == "matmul":
            dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[request["precision"]]
            square = torch.ones(1024, 1024, dtype=dtype)
            for _ in range(10):
                square @ square
            return 10 * 2 * 1024**3  # floating-point operations
        if request["do"] == "count":
            from torch.utils.flop_counter import FlopCounterMode

            with FlopCounterMode(display=False) as counter:
                self.train("fp32", self.batches)
            return counter.get_total_flops()
        return super().answer(request)


class Fairseq(Contender):
    def build(self) -> Any:
        sys.path.insert(0, str(Path(__file__).parents[1] / "src/neighbours"))
        import fairseq_compat

        fairseq_compat.mend()
        from fairseq.data import Dictionary
        from fairseq.models.transformer import TransformerModel, base_architecture

        self.dictionary = Dictionary()  # <s> 0, <pad> 1, </s> 2, <unk> 3
        for symbol in range(4, self.vocabulary):
            self.dictionary.add_symbol(f"t{symbol}")
        task = Namespace(source_dictionary=self.dictionary, target_dictionary=self.dictionary)
        sizes = {"embed_dim": "width", "layers": "layers", "attention_heads": "heads", "ffn_embed_dim": "feedforward"}
        settings = {
            f"{side}_{theirs}": self.sizes[ours] for side in ("encoder", "decoder") for theirs, ours in sizes.items()
        }
        dropout, attention, activation = self.dropouts
        args = Namespace(
            **settings,
            dropout=dropout,
            attention_dropout=attention,
            activation_dropout=activation,
            encoder_normalize_before=True,
            decoder_normalize_before=True,
            share_all_embeddings=True,
            max_source_positions=4000,
            max_target_positions=4000,
        )
        base_architecture(args)
        return TransformerModel.build_model(args, task)

    def inputs(self, source: Tensor, target: Tensor | None) -> tuple[dict[str, Tensor], Tensor | None]:
        """In fairseq's ids (pad 1), sources padded on the left, a row's first input `</s>`."""
        lengths = (source != PAD).sum(1)
        padded = torch.full_like(source, 1)
        for row, length in enumerate(lengths.tolist()):
            padded[row, source.shape[1] - length :] = source[row, :length]
        net = {"src_tokens": padded, "src_lengths": lengths}
        if target is None:
            return net, None
        target = target.masked_fill(target == PAD, 1)
        net["prev_output_tokens"] = torch.cat([torch.full_like(target[:, :1], EOS), target[:, :-1]], 1)
        net["prev_output_tokens"].masked_fill_(net["prev_output_tokens"] == EOS, 1)[:, 0] = EOS
        return net, target

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        net, target_ids = self.inputs(source, target)
        scores = self.model.get_normalized_probs(self.model(**net), log_probs=True)
        return F.nll_loss(scores.view(-1, scores.shape[-1]), target_ids.view(-1), ignore_index=1, reduction="sum")

    def decode(self, source: Tensor, length: int, sample: bool) -> None:
        from fairseq.search import Sampling
        from fairseq.sequence_generator import SequenceGenerator

        search = Sampling(self.dictionary) if sample else None
        generator = SequenceGenerator(
            [self.model], self.dictionary, beam_size=1, max_len_b=length, min_len=length, search_strategy=search
        )
        rows = generator.forward({"net_input": self.inputs(source, None)[0]})
        assert all(len(row[0]["tokens"]) == length + 1 for row in rows)


class Bart(Contender):
    """Post-norm and learned positions, else of our sizes."""

    def build(self) -> Any:
        from transformers import BartConfig, BartForConditionalGeneration

        sizes, (dropout, attention, activation) = self.sizes, self.dropouts
        config = BartConfig(
            vocab_size=self.vocabulary,
            d_model=sizes["width"],
            **{f"{side}_layers": sizes["layers"] for side in ("encoder", "decoder")},
            **{f"{side}_attention_heads": sizes["heads"] for side in ("encoder", "decoder")},
            **{f"{side}_ffn_dim": sizes["feedforward"] for side in ("encoder", "decoder")},
            activation_function="relu",
            dropout=dropout,
            attention_dropout=attention,
            activation_dropout=activation,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            forced_eos_token_id=None,
        )
        return BartForConditionalGeneration(config)

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        labels = target.masked_fill(target == PAD, -100)
        given = self.model(input_ids=source, attention_mask=(source != PAD).long(), labels=labels)
        return given.loss * (target != PAD).sum()

    def decode(self, source: Tensor, length: int, sample: bool) -> None:
        self.model.generate(
            input_ids=source,
            attention_mask=(source != PAD).long(),
            min_new_tokens=length,
            max_new_tokens=length,
            num_beams=1,
            do_sample=sample,
        )


def idle_memory() -> int:
    """Bytes that the process holds, once it gave back what it does not use; its peak is counted from here."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(which))


def main() -> None:
    name, path = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    setup = json.loads(Path(path).read_text())
    torch.set_num_threads(setup["threads"])
    contender = {"composed": Composed, "quick": Composed, "fairseq": Fairseq, "bart": Bart}[name](setup)
    print(json.dumps({"torch": torch.__version__}), file=answers)
    for line in sys.stdin:
        before = idle_memory()
        cpu, wall = time.process_time(), time.perf_counter()
        tokens = contender.answer(request := json.loads(line))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        most = {"bytes": memory("VmHWM") - before} if request.get("memory") else {}
        print(json.dumps({"cpu": cpu, "wall": wall, "tokens": tokens, **most}), file=answers)


if __name__ == "__main__":
    main()
