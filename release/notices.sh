#!/usr/bin/env bash
# Prints the licences of all that the named programs link, on any of the systems that are
# released for, and of Go: most ask to be passed on with every copy.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

print() { # what, directory
  printf '\n%s\n%s\n' "$1" "${1//?/=}"
  find "$2" -maxdepth 1 -type f \
    \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname '*-license' -o -iname 'unlicense*' -o -iname 'notice*' \) \
    ! -iname '*-logo' -print0 | LC_ALL=C sort -z |
    while IFS= read -r -d '' file; do
      printf '\n'
      cat "$file"
    done
}

printf 'The licences of what %s %s made of.\n' "$*" "$( (($# > 1)) && echo are || echo is)"
print Go "$("$go" env GOROOT)"
for system in linux darwin windows; do
  GOOS=$system CGO_ENABLED=0 "$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}' "${@/#/./cmd/}"
done | LC_ALL=C sort -u | while IFS=$'\t' read -r module dir; do print "$module" "$dir"; done
