#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds what a node needs besides hack/controlplane: kubelet, kube-proxy,
# kube-scheduler and kube-controller-manager, at the version that go.mod beside
# this script pins, into the user's cache directory. About 6 minutes on 2 cores
# the first time; what is there already is not built again.
set -euo pipefail
cd "$(dirname "$0")"
. ../kubernetes.sh

if [ "$kubernetes" != "$(pinned k8s.io/kubernetes ../controlplane/go.mod)" ]; then
	say "hack/cluster/go.mod and hack/controlplane/go.mod pin different versions of Kubernetes: make them agree" >&2
	exit 1
fi
for program in kube-controller-manager kube-scheduler kube-proxy kubelet; do
	make_program "$program" "k8s.io/kubernetes/cmd/$program" k8s.io/kubernetes "$kubernetes"
done
say "the node's programs are in $out"
