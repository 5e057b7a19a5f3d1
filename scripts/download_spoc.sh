#!/bin/sh
# Fetches SPoC 1.1 (Kulal et al. 2019, CC BY 4.0), pseudocode and programs with test cases, from its authors' host.
#
#   scripts/download_spoc.sh [FOLDER] [URL]       default: data/spoc; URL of a copy elsewhere
#
# Then: composed-train task=spoc task.folder=FOLDER. Whatever part of the release is missing there is done without, and
# said. A download that was interrupted goes on.
set -eu
FOLDER=${1:-data/spoc}
URL=${2:-https://sumith1896.github.io/spoc/data/spoc.zip}
for tool in curl unzip; do
	command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
mkdir -p "$FOLDER"
ARCHIVE=$FOLDER/spoc.zip
if ! [ -e "$ARCHIVE" ]; then
	curl --fail --location --continue-at - --output "$ARCHIVE.part" "$URL"
	mv "$ARCHIVE.part" "$ARCHIVE"
fi
unzip -q -o "$ARCHIVE" -d "$FOLDER" || { rm "$ARCHIVE"; echo "$URL is damaged; try again" >&2; exit 1; }
rm "$ARCHIVE"
# The archive may hold a folder of its own.
for inner in "$FOLDER"/*/; do
	if [ -d "$inner/testcases" ]; then
		mv "$inner"* "$FOLDER"/
		rmdir "$inner"
	fi
done
