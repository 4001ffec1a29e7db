// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/install"
)

// TestValues_refused: what is unsafe or contradicts itself is no manifest.
func TestValues_refused(t *testing.T) {
	x := tools(t)
	for name, tt := range map[string]struct{ values, want string }{
		"no public URL":            {"publicURL: ''", "publicURL"},
		"public URL is http":       {"publicURL: http://broker.example.com", "publicURL"},
		"public URL with a path":   {"publicURL: https://broker.example.com/oauth", "publicURL"},
		"public URL ends with /":   {"publicURL: https://broker.example.com/", "publicURL"},
		"public URL with a query":  {"publicURL: https://broker.example.com?x=y", "publicURL"},
		"public URL with a user":   {"publicURL: https://me@broker.example.com", "publicURL"},
		"a misspelt value":         {"brokers: {replicas: 3}", "'brokers' not allowed"},
		"keys in values":           {"keyRing: {keys: [secret]}", "'keys' not allowed"},
		"a local key in values":    {"keyRing: {kmsURL: 'base64key://c2VjcmV0'}", "/keyRing/kmsURL"},
		"a Redis URL in values":    {"redis: {url: 'redis://:password@redis'}", "'url' not allowed"},
		"tag latest":               {"image: {tag: latest}", "image.tag: latest would change under a rollout"},
		"a digest that is none":    {"image: {digest: sha256:abc}", "/image/digest"},
		"no replica":               {"broker: {replicas: 0}", "/broker/replicas"},
		"no operator":              {"manager: {replicas: 0}", "/manager/replicas"},
		"a PDB that blocks drains": {"broker: {podDisruptionBudget: {maxUnavailable: 0}}", "maxUnavailable"},
		"less than least replicas": {"broker: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 2}}", "minReplicas is more than maxReplicas"},
		"killed while draining":    {"broker: {shutdownDelaySeconds: 60}", "terminationGracePeriodSeconds must be at least"},
		"a limit below zero":       {"broker: {limits: {addressRate: -1}}", "addressRate"},
		"half a call":              {"broker: {limits: {vendorCalls: 0.5}}", "vendorCalls"},
		"a misspelt limit":         {"broker: {limits: {adressRate: 1}}", "'adressRate' not allowed"},
		"TLS off and nothing else": {"tls: {mode: 'Off'}", "tls.mode Off needs something that ends TLS"},
		"TLS of unknown mode":      {"tls: {mode: None}", "/tls/mode"},
		"cert-manager sans issuer": {"tls: {mode: CertManager}", "missing property 'name'"},
		"TLS on and elsewhere":     {"tls: {terminatedElsewhere: true}", "/tls"},
		"ingress and gateway":      {"{ingress: {enabled: true}, gateway: {enabled: true, parentRefs: [{name: g}]}}", "ingress.enabled and gateway.enabled"},
		"ClusterIP with a policy":  {"service: {externalTrafficPolicy: Local}", "a ClusterIP has none"},
		"a route without gateway":  {"gateway: {enabled: true}", "/gateway/parentRefs"},
		"token without its Secret": {"broker: {registration: {mode: InitialAccessToken}}", "existingSecret"},
		"Secret without its mode":  {"broker: {registration: {existingSecret: t}}", "existingSecret"},
		"believe every proxy":      {"broker: {trustedProxies: [0.0.0.0/0]}", "trustedProxies"},
		"a CORS origin with path":  {"broker: {corsOrigins: ['https://app.example.com/x']}", "corsOrigins"},
		"a CORS origin over http":  {"broker: {corsOrigins: ['http://app.example.com']}", "corsOrigins"},
		"a secret in plain sight":  {"broker: {env: [{name: OAUTH_BROKER_RAMP_CLIENT_SECRET, value: oops}]}", "/broker/env/0"},
		"published into its own":   {"publishedNamespace: {name: oauth-broker-system}", "must be one of its own"},
		"a tenant in published":    {"watchNamespaces: [oauth-broker-published]", "no tenant may be"},
		"log level":                {"broker: {logLevel: trace}", "/broker/logLevel"},
		"weaker pod security":      {"broker: {securityContext: {privileged: true}}", "'securityContext' not allowed"},
		"host network":             {"broker: {hostNetwork: true}", "'hostNetwork' not allowed"},
		"a class that is no name":  {"brokerClass: My_Class", "/brokerClass"},
		"a color by name":          {"pages: {color: blue}", "/pages/color"},
		"a logo from elsewhere":    {"pages: {logo: 'https://example.com/logo.png'}", "/pages/logo"},
		"support over http":        {"pages: {supportURL: 'http://example.com'}", "/pages/supportURL"},
		"a collector with a user":  {"tracing: {endpoint: 'https://me:secret@collector:4318'}", "/tracing/endpoint"},
		"a collector over grpc":    {"tracing: {endpoint: 'collector:4317'}", "/tracing/endpoint"},
		"runbooks that end with /": {"metrics: {prometheusRule: {runbookURL: 'https://wiki.example.com/'}}", "runbookURL"},
		"a policy without vendors": {"networkPolicy: {vendorPorts: []}", "vendorPorts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := valuesFile(t, "publicURL: "+install.PublicURL)
			out, err := x.Template(t.Context(), "oauth-broker", "--values", base, "--values", valuesFile(t, tt.values))
			if err == nil {
				t.Fatalf("rendered %d bytes", len(out))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the message does not say %q:\n%v", tt.want, err)
			}
		})
	}
}

// TestVendorValues_refused: the same for the catalog.
func TestVendorValues_refused(t *testing.T) {
	x := tools(t)
	for name, tt := range map[string]struct{ values, want string }{
		"a misspelt vendor":          {"vendors: {gihtub: {enabled: true}}", "'gihtub' not allowed"},
		"a misspelt setting":         {"vendors: {github: {enable: true}}", "'enable' not allowed"},
		"a secret in values":         {"vendors: {github: {clientSecret: oops}}", "'clientSecret' not allowed"},
		"names without from":         {"vendors: {github: {allowedNamespaces: {names: [a]}}}", "missing property 'from'"},
		"from Names without names":   {"vendors: {github: {allowedNamespaces: {from: Names}}}", "missing property 'names'"},
		"from All with names":        {"vendors: {github: {trustedNamespaces: {from: All, names: [a]}}}", "trustedNamespaces"},
		"shared app where none is":   {"vendors: {auth0: {enabled: true, allowedNamespaces: {from: All}}}", "has no shared app"},
		"selector that is not asked": {"vendors: {github: {byocNamespaces: {from: All, selector: {}}}}", "byocNamespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := x.Template(t.Context(), "oauth-broker-vendors", "--values", valuesFile(t, tt.values)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want a message with %q, got %v", tt.want, err)
			}
		})
	}
}
