#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# progress.sh LABEL COMMAND [ARGUMENT...]
# Runs the command between a headline and a line with the time it took, and says
# every 15 seconds that it still works: long builds are silent otherwise. Exits
# with the command's status.
set -uo pipefail

label=$1
shift
printf '==> %s\n' "$label"
# The sleep holds none of our file descriptors, so that a reader of our output
# (make test | tee log) is not kept waiting for it at the end.
(while sleep 15 <&- >/dev/null 2>&1; do printf '    %s: %d s so far\n' "$label" "$SECONDS"; done) &
beat=$!
trap 'kill "$beat" 2>/dev/null' EXIT

"$@"
status=$?
if [ "$status" -eq 0 ]; then
	printf '    %s: done in %d s\n' "$label" "$SECONDS"
else
	printf '    %s: FAILED after %d s (exit status %d)\n' "$label" "$SECONDS" "$status"
fi
exit "$status"
