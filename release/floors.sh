#!/usr/bin/env bash
# Tries what go.mod says of each version that it requires:
#
#   // floor: VERSION does not build PACKAGE   a lower one that can be had
#   // floor: VERSION fails PACKAGE            the same, of its tests
#   // floor: of MODULE                        MODULE requires this version
#   // floor: the first that can be had        Go's proxy has no lower one
#   // newest: WHY, // tests                   no floor
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
wrong=0

# lower makes go.mod and go.sum with another version of one module, and says whether that is what is built.
lower() {
  cp go.mod "$place/go.mod"
  cp go.sum "$place/go.sum"
  "$go" mod edit -require="$1@$2" "$place/go.mod"
  # Other modules may need packages that the older version does not have: of no use to any program.
  "$go" mod tidy -e -modfile="$place/go.mod" >/dev/null 2>&1
  grep -q "^	$1 $2\( \|$\)" "$place/go.mod"
}

no() {
  printf '%s: %s\n' "$1" "$2" >&2
  wrong=1
}

while read -r module version _ why; do
  case $why in
  'newest: '* | tests) ;;
  'floor: of '*)
    "$go" mod graph | grep -q "^${why#floor: of }@[^ ]* $module@$version$" || no "$module" "${why#floor: of } does not require $version"
    ;;
  'floor: the first that can be had')
    first=$("$go" list -m -versions "$module" | tr ' ' '\n' | grep '^v' | grep -v -- - | head -1)
    [[ $first == "$version" ]] || no "$module" "$first can be had"
    ;;
  'floor: v'*)
    read -r _ older verb rest <<<"$why"
    package=${rest##* }
    case $verb in
    does) try=(build) ;;
    fails) try=(test -count=1) ;;
    *) no "$module" "go.mod says: $why" && continue ;;
    esac
    if ! lower "$module" "$older"; then
      no "$module" "$older is raised by what else is required"
    elif "$go" "${try[@]}" -modfile="$place/go.mod" "$package" >"$place/said" 2>&1; then
      no "$module" "with $older $package does as well"
    elif grep -q 'go.sum entry\|403 Forbidden' "$place/said"; then
      no "$module" "$older cannot be had"
    fi
    ;;
  *) no "$module" "go.mod says not why it is this version" ;;
  esac
done < <(awk '/^require \(/ { on = 1; next } /^\)/ { on = 0 } on && !/\/\/ indirect/' go.mod)
((wrong)) || echo 'go.mod: each version is the floor that it is said to be'
exit "$wrong"
