#!/usr/bin/env bash
# What action.yml runs. The command's exit code is the step's. Runners of macOS have bash 3.2.
set -euo pipefail

command=(bash --noprofile --norc -eo pipefail -c "$INPUT_RUN")
decided=(env)
# Any no wins: one of the job's own, or of its runner, is not decided over.
case ${TELEMETRY_ENABLED-} in
'' | 1 | true | yes | on | TRUE | YES | ON | True | Yes | On) ;;
*) INPUT_ENABLED=false ;;
esac
if [[ $INPUT_ENABLED == true ]]; then
  # Other products have this variable for themselves, so the command does not see what was
  # decided for this one alone.
  decided=(env TELEMETRY_ENABLED=1)
  if [[ ${TELEMETRY_ENABLED+set} ]]; then
    command=(env TELEMETRY_ENABLED="$TELEMETRY_ENABLED" "${command[@]}")
  else
    command=(env -u TELEMETRY_ENABLED "${command[@]}")
  fi
fi

code=0
if type -P telemetry >/dev/null; then
  "${decided[@]}" telemetry --config "$INPUT_CONFIG" exec --name "$INPUT_NAME" -- "${command[@]}" || code=$?
  # What waits would go with the job's disk.
  "${decided[@]}" telemetry --config "$INPUT_CONFIG" flush >/dev/null 2>&1 || true
else
  "${command[@]}" || code=$?
fi
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
exit "$code"
