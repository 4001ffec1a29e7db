#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The same as ../up.sh where Docker and kind are: a cluster in a container. The
# test talks to Services and pods by their addresses, so this machine gets a route
# to them through the node (root; Docker on Linux).
set -euo pipefail
name=${KIND_CLUSTER:-oauth-broker-e2e}
kubeconfig=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/kind-$name.kubeconfig
if [ "${1:-}" = --kubeconfig ]; then
	echo "$kubeconfig"
	exit
fi
mkdir -p "$(dirname "$kubeconfig")"
kind get clusters 2>/dev/null | grep -qx "$name" || kind create cluster --name "$name" --wait 120s
kind get kubeconfig --name "$name" >"$kubeconfig"
chmod 600 "$kubeconfig"
node=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$name-control-plane")
for net in 10.96.0.0/16 10.244.0.0/16; do
	ip route replace "$net" via "$node"
done
echo "cluster: ready: export KUBECONFIG=$kubeconfig"
