#!/bin/sh
# Installs fairseq 0.12.2 into an environment, made where it is missing: `make fairseq` into .venv, for
# model=fairseq_transformer; by default into one of its own, with Hugging Face transformers and CTranslate2, as
# the benchmarks' peers.
# It compiles C++ for some minutes.
# Usage: scripts/install_fairseq.sh [FOLDER]    default: build/peers/fairseq; PYTHON names the interpreter
set -eu

folder=${1:-build/peers/fairseq}
python=${PYTHON:-python3}
test -x "$folder/bin/python" || "$python" -m venv "$folder"

# Built in an environment without torch: with it, its setup.py would build extensions whose sources the release lacks,
# and training and generating need none of them.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "setuptools<80" wheel "numpy>=2.0,<3" cython
"$work/venv/bin/python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work" "fairseq==0.12.2"

# The torch that .venv has: what is there stays, and a comparison needs the same kernels.
torch=$(cat requirements/torch.txt)
pip="$folder/bin/python -m pip install --quiet"
$pip "$torch" "numpy>=2.0,<3" "hydra-core>=1.3.8,<1.4" "omegaconf>=2.3,<2.4" cffi cython bitarray regex "sacrebleu>=1.4.12" tqdm
test "$folder" = .venv || $pip "transformers>=4.50,<6" "ctranslate2>=4.8,<4.9"
$pip --no-deps "$work"/fairseq-*.whl  # its pins are old releases
"$folder/bin/python" -c "import importlib.metadata as m; print('fairseq', m.version('fairseq'), 'in $folder')"
