#!/usr/bin/env bash
# Compares what the packages export with the newest release. What breaks those who import us has
# to be told in CHANGELOG.md, under Unreleased: without a Changed or a Removed there, it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
apidiff=("$go" tool "-modfile=$PWD/tools/go.mod" apidiff -m)
module=github.com/gotoolbase/telemetry

tag=$(git tag --list 'v*' --sort=-version:refname | head -1)
if [[ -z $tag ]]; then
  echo 'apidiff: there is no release yet, so nothing to compare with'
  exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$tag" | tar -x -C "$old"
(cd "$old" && "${apidiff[@]}" -w "$old/exported" "$module")

"${apidiff[@]}" "$old/exported" "$module"
broken=$("${apidiff[@]}" -incompatible "$old/exported" "$module")
told=$(awk '/^## /{unreleased = /Unreleased/} unreleased && /^### (Changed|Removed)/' CHANGELOG.md)
if [[ -n $broken && -z $told ]]; then
  printf 'apidiff: the above breaks those who use %s, and CHANGELOG.md does not tell it under Unreleased\n' "$tag" >&2
  exit 1
fi
