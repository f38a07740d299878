#!/usr/bin/env bash
# Compares what the packages export with the newest release. What breaks those who import us has
# to be told in CHANGELOG.md, under Unreleased: without a Changed or a Removed there, it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
module=github.com/gotoolbase/telemetry

# A v0.2.0-rc.1 comes before v0.2.0.
tag=$(git -c versionsort.suffix=- for-each-ref --count=1 --sort=-version:refname --format='%(refname:short)' 'refs/tags/v*')
if [[ -z $tag ]]; then
  echo 'apidiff: there is no release yet, so nothing to compare with'
  exit 0
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

tools=$PWD/tools/go.mod
apidiff() { # without a line for each package that nobody can import
  local code=0
  "${GO:-go}" tool -modfile="$tools" apidiff -m "$@" 2>"$place/problems" || code=$?
  grep -v '^Ignoring internal package' "$place/problems" >&2 || true
  return "$code"
}

mkdir "$place/old"
git archive "$tag" | tar -x -C "$place/old"
(cd "$place/old" && apidiff -w "$place/exported" "$module")
changes=$(apidiff "$place/exported" "$module")
printf 'apidiff: since %s\n%s\n' "$tag" "${changes:-nothing changed for those who import us}"

if [[ $changes == *'Incompatible changes:'* ]] &&
  ! awk '/^## /{ unreleased = /Unreleased/ } unreleased && /^### (Changed|Removed)/ { told = 1 } END { exit !told }' CHANGELOG.md; then
  echo 'apidiff: what is incompatible is not told in CHANGELOG.md, under Unreleased' >&2
  exit 1
fi
