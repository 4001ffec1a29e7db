#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# npm-ci.sh DIRECTORY: installs what DIRECTORY/package-lock.json names, unless it
# is there. Debian's nodejs and npm are installed where npm is missing.
set -euo pipefail
cd "$1"

# A copy of the lock is written last, so it tells of a whole installation.
installed=node_modules/.oauth-broker-installed
if cmp -s package-lock.json "$installed"; then
	exit 0
fi
command -v npm >/dev/null || "$OLDPWD/hack/debian.sh" nodejs npm
npm ci --loglevel=error
cp package-lock.json "$installed"
