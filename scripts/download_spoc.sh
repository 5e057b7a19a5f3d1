#!/bin/sh
# Fetches SPoC 1.1 (Kulal et al. 2019, CC BY 4.0), pseudocode and programs with test cases, from its authors' host.
#
#   scripts/download_spoc.sh [FOLDER]       default: data/spoc
#
# Then: composed-train task=spoc task.folder=FOLDER. Whatever part of the release is missing there is done without, and said.
set -eu
FOLDER=${1:-data/spoc}
URL=https://sumith1896.github.io/spoc/data/spoc.zip
for tool in curl unzip; do
	command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
mkdir -p "$FOLDER"
ARCHIVE=$FOLDER/spoc.zip
curl --fail --location --continue-at - --output "$ARCHIVE" "$URL"
unzip -q -o "$ARCHIVE" -d "$FOLDER"
rm "$ARCHIVE"
# The archive may hold a folder of its own.
for inner in "$FOLDER"/*/; do
	if [ -d "$inner/testcases" ]; then
		mv "$inner"* "$FOLDER"/
		rmdir "$inner"
	fi
done
