#!/bin/sh
# Writes requirements/*.txt anew: the newest versions that the ranges of setup.cfg allow, for Linux on x86-64 and arm64 and
# every Python from 3.11 on, with the hashes of their files. Called by `make update`; PYTHON names the interpreter.
set -eu
cd "$(dirname "$0")/.."

place=build/update
test -x $place/bin/uv || {
    "${PYTHON:-python3}" -m venv --clear $place
    $place/bin/python -m pip install --quiet "uv>=0.13,<0.14"
}
# To a folder first: where something cannot be resolved, the old files stay.
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
compile() {
    $place/bin/uv --config-file requirements/uv.toml pip compile --quiet --universal --python-version 3.11 \
        --fork-strategy fewest --custom-compile-command "make update" "$@"
}
lock() {
    compile --generate-hashes --annotation-style line --no-emit-package torch "$@"
}
lock setup.cfg --extra dev --output-file "$new/dev.txt"
lock setup.cfg --constraint "$new/dev.txt" --output-file "$new/run.txt"
echo "setuptools" | lock - --constraint "$new/dev.txt" --output-file "$new/build.txt"
compile setup.cfg --no-annotate --output-file "$new/all.txt"
grep '^torch==' "$new/all.txt" >"$new/torch.txt"
sed -i "s|, -c $new/dev.txt||; s|via -c $new/dev.txt|via building|" "$new"/*.txt
mv "$new/build.txt" "$new/run.txt" "$new/torch.txt" "$new/dev.txt" requirements
