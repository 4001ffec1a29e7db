// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/pflag"

	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
)

// clusterFlags adds the flags that kubectl has, too.
func clusterFlags(s *pflag.FlagSet, o *kube.Options) {
	s.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig file; by default what kubectl uses")
	s.StringVar(&o.Context, "context", "", "context of the kubeconfig")
	s.StringVarP(&o.Namespace, "namespace", "n", kube.DefaultNamespace, "namespace of the install")
}
