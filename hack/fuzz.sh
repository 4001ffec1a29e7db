#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [FUZZTIME]
# Runs every fuzz target of the repository for FUZZTIME (default 10s), one after
# the other: go test fuzzes one target of one package at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
while IFS=: read -r file function; do
	found=1
	hack/progress.sh "fuzz $function in ./$(dirname "$file")" \
		go test -run='^$' -fuzz="^$function\$" -fuzztime="${1:-10s}" "./$(dirname "$file")"
done < <(git ls-files -co --exclude-standard -- '*_test.go' | sort -u |
	xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' /dev/null | sed 's/:func /:/')
[ "$found" -eq 1 ] || echo 'There is no fuzz target.'
