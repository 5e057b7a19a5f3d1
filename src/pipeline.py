"""Pi(f(x)) for users of transformers: calls the two models that `composed-export huggingface RUN OUT` wrote.

    from composed.pipeline import ComposedPipeline
    print(ComposedPipeline("OUT")(["set var_1 to 5;"]))

The models are transformers' own and load without this package, too. Left out: what makes C++ of a prediction.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


class ComposedPipeline:
    """`folder` holds f, and pi where there is a denoiser, each with its tokenizer.

    A prediction is greedy, as a run's are with task.beams=1, and has the length that the run allows.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        paths = [path for path in (Path(folder) / "f", Path(folder) / "pi") if path.is_dir()]
        self.models = [AutoModelForSeq2SeqLM.from_pretrained(path).eval().to(device) for path in paths]
        self.tokenizers = [AutoTokenizer.from_pretrained(path) for path in paths]

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], *, denoise: bool = True) -> list[str]:
        """Pi(f(x)) of each text, or f(x) without `denoise` and where there is no denoiser."""
        said = [" ".join(text.split()) for text in texts]
        for model, tokenizer in list(zip(self.models, self.tokenizers, strict=True))[: 2 if denoise else 1]:
            given = tokenizer(said, padding=True, return_tensors="pt").to(model.device)
            rows: Tensor = model.generate(input_ids=given.input_ids, attention_mask=given.attention_mask)
            unk = tokenizer.unk_token_id  # stays to be seen
            kept = [[i for i in row if i == unk or i not in tokenizer.all_special_ids] for row in rows.tolist()]
            said = [" ".join(str(tokenizer.decode(row, clean_up_tokenization_spaces=False)).split()) for row in kept]
        return said
