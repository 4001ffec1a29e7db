// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package controlplane pins the Kubernetes control plane that `make run` and
// the envtest suites start. It is a module of its own so that the product's
// go.mod never sees k8s.io/kubernetes; `make controlplane` builds the binaries.
package controlplane

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
