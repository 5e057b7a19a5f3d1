#!/bin/sh
# Fetches fonts.hdf5, the published font data: 56,443 faces of 62 characters in 64 x 64 pixels, about 13 GB, from the
# place that its author names (https://erikbern.com/2016/01/21/analyzing-50k-fonts-using-deep-neural-networks.html).
# The terms are his and those of the fonts. Where Google Drive refuses, open the address below in a browser.
#
#   scripts/download_fonts.sh [FILE]        default: data/fonts.hdf5
#
# Then: composed-train task=fonts profile=paper task.faces=FILE trainer=gpu. The first run converts the file chunk by chunk
# to 32 x 32 pixels (3.6 GB below data/) and never holds it in memory.
set -eu
FILE=${1:-data/fonts.hdf5}
ID=0B0GtwTQ6IF9AU3NOdzFzUWZ0aDQ
if ! command -v gdown >/dev/null; then
	echo "gdown is needed for files of this size: pip install gdown" >&2
	echo "or download https://drive.google.com/uc?id=$ID by hand to $FILE" >&2
	exit 1
fi
mkdir -p "$(dirname "$FILE")"
gdown "$ID" --output "$FILE" --continue
