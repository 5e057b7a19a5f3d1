"""Pi(f(x)) for users of transformers: calls the two models that `composed-export huggingface RUN OUT` wrote.

    from composed.pipeline import ComposedPipeline
    print(ComposedPipeline("OUT")(["set var_1 to 5;"]))

The models are transformers' own and load without this package, too. Left out: what makes C++ of a prediction.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from composed.errors import DataError
from composed.models.composition import as_source


class ComposedPipeline:
    """`folder` holds f, and pi where there is a denoiser, each with its tokenizer.

    A prediction is greedy, as a run's are with decoding=greedy, and has the length that the run allows. Pi reads the
    tokens of f, or where it has others the text.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        paths = [path for path in (Path(folder) / "f", Path(folder) / "pi") if path.is_dir()]
        self.models = [AutoModelForSeq2SeqLM.from_pretrained(path).eval().to(device) for path in paths]
        self.tokenizers = [AutoTokenizer.from_pretrained(path) for path in paths]
        self.one_vocabulary = self.tokenizers[0].get_vocab() == self.tokenizers[-1].get_vocab()

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], *, denoise: bool = True) -> list[str]:
        """Pi(f(x)) of each text, or f(x) without `denoise` and where there is no denoiser.

        Raises DataError for a text that is longer than the model has positions for.
        """
        rows = self._predict(0, self._encode(0, texts))
        if not denoise or len(self.models) == 1:
            return self._decode(0, rows)
        if self.one_vocabulary:
            written = as_source(rows, self.tokenizers[0].pad_token_id, self.tokenizers[0].eos_token_id)
        else:
            written = self._encode(1, self._decode(0, rows))
        return self._decode(1, self._predict(1, written))

    def _encode(self, side: int, texts: Sequence[str]) -> Tensor:
        said = [" ".join(text.split()) for text in texts]
        return self.tokenizers[side](said, padding=True, return_tensors="pt").input_ids

    def _predict(self, side: int, source: Tensor) -> Tensor:
        """Rows without the token that starts them all."""
        model, pad = self.models[side], self.tokenizers[side].pad_token_id
        longest = getattr(model.config, "max_position_embeddings", None)
        if longest is not None and source.shape[1] > longest:
            raise DataError(f"a text of {source.shape[1]} tokens, and the model has positions for {longest}")
        source = source.to(model.device)
        return model.generate(input_ids=source, attention_mask=(source != pad).long())[:, 1:]

    def _decode(self, side: int, rows: Tensor) -> list[str]:
        tokenizer = self.tokenizers[side]
        unk = tokenizer.unk_token_id  # stays to be seen
        kept = [[i for i in row if i == unk or i not in tokenizer.all_special_ids] for row in rows.tolist()]
        return [" ".join(str(tokenizer.decode(row, clean_up_tokenization_spaces=False)).split()) for row in kept]
