// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins the programs of a real single-node Kubernetes; build.sh
// builds them. It is a module of its own: nothing of the product depends on it.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
