// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

// tlsSecret is a TLS Secret for a host, as a manifest.
func (s *suite) tlsSecret(namespace, name, host string) (string, error) {
	certificate, err := s.trust.Issue(host)
	if err != nil {
		return "", err
	}
	cert, key, err := authority.PEM(certificate)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: %s}\nstringData:\n  tls.crt: |\n%s  tls.key: |\n%s",
		name, namespace, indent(4, string(cert)), indent(4, string(key))), nil
}
