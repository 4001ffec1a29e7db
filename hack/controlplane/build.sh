#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds kube-apiserver, kubectl and etcd, at the versions that go.mod beside
# this script pins, into the user's cache directory. `make run` and the suites in
# test/integration start them. What is there already is not built again; the
# first time takes about 5 minutes on 2 cores.
#
# KUBEBUILDER_ASSETS, where it is set, names a directory that has them.
set -euo pipefail
cd "$(dirname "$0")"

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	for program in kube-apiserver etcd kubectl; do
		if [ ! -x "$KUBEBUILDER_ASSETS/$program" ]; then
			echo "controlplane: KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, and $program is not there: unset it to build, or correct it" >&2
			exit 1
		fi
	done
	echo "controlplane: using KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS"
	exit 0
fi

. ../kubernetes.sh

etcd=$(pinned go.etcd.io/etcd/server/v3 go.mod)
make_program etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 "$etcd"
make_program kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes "$kubernetes"
make_program kubectl k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes "$kubernetes"
say "kube-apiserver and kubectl $kubernetes and etcd $etcd are in $out"
