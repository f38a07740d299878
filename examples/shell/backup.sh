#!/bin/sh
# Backup packs a folder. It does the same where the program telemetry is not installed.
set -eu
config=$(dirname "$0")/backup.yaml

usage() { # what follows is for telemetry
	if command -v telemetry >/dev/null; then telemetry --config "$config" "$@"; fi
}
run() { # run NAME COMMAND...: recorded as NAME, without arguments
	name=$1
	shift
	if command -v telemetry >/dev/null; then
		telemetry --config "$config" exec --name "$name" -- "$@"
	else
		"$@"
	fi
}

if [ "$1" = telemetry ]; then
	shift
	usage "$@"
	exit
fi
usage ask
run pack tar -czf "$1.tar.gz" "$1"
run test gzip -t "$1.tar.gz"
echo "$1.tar.gz is ready."
