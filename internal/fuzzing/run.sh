#!/usr/bin/env bash
# Usage: run.sh TIME JOBS PACKAGE...
# Runs each fuzz target of some packages for a time, some of them side by side.
#
# A package is built once for all of its targets, which the test binary lists itself. Each runs in
# one worker: two targets keep two processors busy, where one target with two workers leaves one
# idle while it starts. An input that is of interest is made smaller for a second at most, and
# not for a minute as by default, in which nothing else would be tried. What fails is left in the
# package's testdata/fuzz, and what is of interest in Go's cache, as go test does it.
set -euo pipefail

time=$1 jobs=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz

one() { # PACKAGE DIR BINARY TARGET
  local said
  if said=$(cd "$2" && "$3" -test.run '^$' -test.fuzz "^$4\$" -test.fuzztime "$time" -test.fuzzminimizetime 1s \
    -test.parallel 1 -test.fuzzcachedir "$cache/$1" </dev/null 2>&1); then
    printf 'ok    %s %s, %s\n' "$1" "$4" "$(sed -n 's/.*\(execs: [0-9]*\).*/\1/p' <<<"$said" | tail -1)"
  elif grep -q 'context deadline exceeded' <<<"$said" && ! grep -qE 'Failing input|panic|_test.go:' <<<"$said"; then
    # Before Go 1.27, the end of its own time is now and then a failure to it: go.dev/issue/75804.
    printf 'ok    %s %s, ended late\n' "$1" "$4"
  else
    printf 'FAIL  %s %s\n%s\n' "$1" "$4" "$said"
    return 1
  fi
}
export -f one
export time cache

found() { # packages with targets, and their directories
  local package dir files
  go list -f '{{.ImportPath}} {{.Dir}} {{join .TestGoFiles " "}} {{join .XTestGoFiles " "}}' "$@" |
    while read -r package dir files; do
      if [[ -n $files ]] && (cd "$dir" && grep -qE '^func Fuzz' $files); then echo "$package $dir"; fi
    done
}

while read -r package dir; do
  binary=$work/${package//\//_}
  go test -c -fuzz . -o "$binary" "$package"
  (cd "$dir" && "$binary" -test.list '^Fuzz') | sed -n "s|^Fuzz.*|$package $dir $binary &|p"
done < <(found "$@") >"$work/targets"

xargs -P "$jobs" -L 1 bash -c 'one "$@"' one <"$work/targets"
printf '%d targets, %s each\n' "$(wc -l <"$work/targets")" "$time"
