#!/bin/sh
# Installs the benchmark's peers, fairseq 0.12.2 and Hugging Face transformers, into an environment of their own:
# fairseq pins a Hydra that does not run on Python 3.11, so it cannot live in .venv. It compiles C++ for some minutes.
# Usage: scripts/install_fairseq.sh [FOLDER]    default: build/peers/fairseq; PYTHON names the interpreter
set -eu

folder=${1:-build/peers/fairseq}
"${PYTHON:-python3}" -m venv "$folder"
pip="$folder/bin/python -m pip install --quiet"

# The same torch as .venv, where there is one: a comparison of engines needs the same kernels below them.
torch="torch>=2.11,<2.14"
if test -x .venv/bin/python; then
    torch="torch==$(.venv/bin/python -c 'import torch; print(torch.__version__.split("+")[0])')"
fi
# --no-deps: its pins are old releases. Built before torch is there: the release lacks the sources of the extensions
# that it would build with torch, and training and generating need none of them.
$pip "setuptools<80" wheel "numpy>=2.0,<3" cython
$pip --no-deps --no-build-isolation "fairseq==0.12.2"
$pip "$torch" "hydra-core>=1.3.8,<1.4" "omegaconf>=2.3,<2.4" cffi bitarray regex "sacrebleu>=1.4.12" tqdm "transformers>=4.50,<6"
"$folder/bin/python" -c "import importlib.metadata as m; print('fairseq', m.version('fairseq'), 'in $folder')"
