#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# load.sh FILE.tar...: imports images (of hack/image) into the cluster of up.sh.
set -euo pipefail
run=${CLUSTER_RUN:-${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/cluster/run}
for file in "$@"; do
	ctr -a "$run/containerd/c.sock" -n k8s.io images import --snapshotter native "$file"
done
