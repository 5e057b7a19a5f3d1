"""Writes the files beside it with fairseq 0.12.2 itself, so that tests need none:

    make fairseq && .venv/bin/python tests/fairseq/make.py

data/: a few pairs by fairseq-preprocess. checkpoint.pt: a tiny pre-norm transformer by fairseq-train.
scores.safetensors: its model's scores (before the softmax) of each id at each position of the test set's targets.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from composed.datamodules.sanstype.grammar import Grammar, generate
from composed.models import fairseq_compat

HERE = Path(__file__).parent
SIZES = {"embed-dim": 16, "ffn-embed-dim": 32, "layers": 2, "attention-heads": 2}


def write_text(folder: Path) -> None:
    """Examples whose words all occur in the training set, which makes the dictionary."""
    grammar, known = Grammar(1, 1), set()
    for split, size in (("train", 24), ("valid", 3), ("test", 2), ("ood", 2)):
        examples = []
        for example in generate(600, seed=0, split=split, grammar=grammar, ood=split == "ood"):
            words = {*example.source.split(), *example.target.split()}
            if len(examples) < size and (split == "train" or words <= known):
                examples.append(example)
                known |= words
        assert len(examples) == size
        for side, lines in (("src", [e.source for e in examples]), ("tgt", [e.target for e in examples])):
            (folder / f"{split}.{side}").write_text("".join(f"{line}\n" for line in lines))
        if split in ("test", "ood"):
            (folder / f"{split}.inp").write_text("".join("\t".join(e.inputs) + "\n" for e in examples))


def run(main, *words: str) -> None:
    sys.argv = ["fairseq", *words]
    main()


def main() -> None:
    fairseq_compat.mend()
    from fairseq import checkpoint_utils
    from fairseq_cli import preprocess, train

    os.chdir(HERE)  # paths are part of a checkpoint
    shutil.rmtree("data", ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        text = Path(place)
        write_text(text)
        prefixes = f"--trainpref {text}/train --validpref {text}/valid --testpref {text}/test,{text}/ood"
        run(preprocess.cli_main, *prefixes.split(), "--source-lang=src", "--target-lang=tgt",
            "--joined-dictionary", "--destdir=data")  # fmt: skip
        for split in ("test", "ood"):
            shutil.copy(text / f"{split}.inp", "data")
    sizes = [f"--{side}-{name}={size}" for side in ("encoder", "decoder") for name, size in SIZES.items()]
    run(train.cli_main, "data", "--save-dir=saved", *sizes, "--arch=transformer", "--share-all-embeddings",
        "--encoder-normalize-before", "--decoder-normalize-before", "--cpu", "--optimizer=adam", "--lr=0.01",
        "--max-tokens=300", "--max-update=6", "--save-interval-updates=6", "--no-epoch-checkpoints",
        "--no-last-checkpoints", "--no-save-optimizer-state", "--disable-validation", "--seed=1")  # fmt: skip
    (made,) = Path("saved").glob("checkpoint_*.pt")
    made.rename("checkpoint.pt")
    shutil.rmtree("saved")
    Path("data/preprocess.log").unlink()
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(["checkpoint.pt"])
    task.load_dataset("test")
    data = task.dataset("test")
    batch = data.collater([data[i] for i in range(len(data))])  # sources padded on the left, sorted by length
    with torch.no_grad():
        scores, _ = model.eval()(**batch["net_input"])
    save_file({"scores": scores[batch["id"].argsort()].contiguous()}, "scores.safetensors")


if __name__ == "__main__":
    main()
