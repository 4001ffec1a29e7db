#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Removes the cluster of up.sh and the routes to it.
set -euo pipefail
name=${KIND_CLUSTER:-oauth-broker-e2e}
for net in 10.96.0.0/16 10.244.0.0/16; do
	ip route del "$net" 2>/dev/null || true # went with the node's network already
done
kind delete cluster --name "$name"
rm -f "${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/kind-$name.kubeconfig"
