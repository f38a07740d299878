#!/usr/bin/env bash
# Builds the named programs from the last commit twice, as releases are, and compares the bytes.
# The two builds have other folders for the source, for what Go keeps and for temporary files, so
# that neither is made of what the other one left.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

commit=$(git rev-parse HEAD) # which may be another one by the time of the second build
place=$(mktemp -d)
# Go makes what it keeps read-only only in its module cache, which is not in here.
trap 'rm -rf "$place"' EXIT

for build in first some/other/second; do
  mkdir -p "$place/$build/tmp"
  git clone --quiet --no-checkout . "$place/$build/source"
  (
    cd "$place/$build/source"
    git checkout --quiet --detach "$commit"
    GOCACHE=$place/$build/kept TMPDIR=$place/$build/tmp CGO_ENABLED=0 \
      "$go" build -trimpath -buildvcs=true -ldflags=-s -o "$place/$build/bin/" "${@/#/./cmd/}"
  )
  rm -rf "$place/$build/kept" # hundreds of megabytes
done

for program; do
  if ! cmp "$place/first/bin/$program" "$place/some/other/second/bin/$program"; then
    printf '%s is not built the same twice\n' "$program" >&2
    exit 1
  fi
  (cd "$place/first/bin" && sha256sum "$program")
done
