#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# load.sh FILE.tar...: loads images (of hack/image) into the cluster of up.sh.
set -euo pipefail
for file in "$@"; do
	kind load image-archive "$file" --name "${KIND_CLUSTER:-oauth-broker-e2e}"
done
