#!/usr/bin/env bash
# Make the environments that speed.py measures against: FOLDER/5.23 and FOLDER/4.37.2.
#
#     tests/benchmarks/make_peers.sh FOLDER
set -euo pipefail
for version in 5.23 4.37.2; do
    python3 -m venv "$1/$version"
    "$1/$version/bin/pip" install --quiet torch==2.13.0 pillow
done
"$1/5.23/bin/pip" install --quiet transformers==5.23.0
"$1/4.37.2/bin/pip" install --quiet transformers==4.37.2 numpy
