#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# debian.sh PACKAGE...: installs Debian packages, or says that they are missing.
set -euo pipefail

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
	echo "please install: $* (as root on Debian this is done for you)" >&2
	exit 1
fi
echo "installing $*"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
