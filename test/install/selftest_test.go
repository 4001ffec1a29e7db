// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/oauthbroker/oauth-broker/test/install"
)

func testHooks(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := install.Objects(tools(t).TestHooks(t.Context(), append([]string{"--set", "publicURL=" + install.PublicURL}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestSelftest_hooks: `helm test` makes all of it, an install none; only the pod
// stays, for its log.
func TestSelftest_hooks(t *testing.T) {
	objects := testHooks(t)
	for _, o := range objects {
		policy := o.GetAnnotations()["helm.sh/hook-delete-policy"]
		deleted := strings.Contains(policy, "hook-succeeded")
		if o.GetAnnotations()["helm.sh/hook"] != "test" || !strings.Contains(policy, "before-hook-creation") || deleted == (o.GetKind() == "Pod") {
			t.Errorf("%s %s: annotations %v", o.GetKind(), o.GetName(), o.GetAnnotations())
		}
	}
	for _, o := range rendered(t, tools(t)) {
		if strings.Contains(o.GetName(), "selftest") {
			t.Errorf("an install makes %s %s", o.GetKind(), o.GetName())
		}
	}
}

// TestSelftest_rights: the pod may change what is its own, by name.
func TestSelftest_rights(t *testing.T) {
	for _, o := range testHooks(t, "--set", "watchNamespaces={team-a,team-b}") {
		rules, ok := o.Object["rules"].([]any)
		if !ok {
			if o.GetKind() == "BrokerClient" && o.GetNamespace() != "team-a" {
				t.Errorf("the client is in %s, which is not watched", o.GetNamespace())
			}
			continue
		}
		for _, rule := range rules {
			members, _ := rule.(map[string]any)
			names, _ := members["resourceNames"].([]any)
			verbs, _ := members["verbs"].([]any)
			if !slices.Equal(names, []any{"oauth-broker-selftest"}) || len(verbs) == 0 {
				t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), rule)
			}
			for _, verb := range verbs {
				if !slices.Contains([]any{"get", "patch"}, verb) {
					t.Errorf("%s %s: may %v", o.GetKind(), o.GetName(), verb)
				}
			}
		}
	}
}

// TestSelftest_noSecret: the hooks' Secret has the name of an app and no more, and
// the pod does not see the certificate's key.
func TestSelftest_noSecret(t *testing.T) {
	for _, o := range testHooks(t) {
		switch o.GetKind() {
		case "Secret":
			if got := fmt.Sprint(o.Object["stringData"], o.Object["data"]); got != "map[clientID:selftest-app] <nil>" {
				t.Errorf("the Secret holds %s", got)
			}
		case "Pod":
			text := fmt.Sprint(o.Object["spec"])
			if !strings.Contains(text, "tls.crt") || strings.Contains(text, "tls.key") || strings.Contains(text, "keyring") {
				t.Errorf("the pod mounts %s", text)
			}
		}
	}
}

// TestSelftest_options: TLS that is ended elsewhere, a class, no NetworkPolicy.
func TestSelftest_options(t *testing.T) {
	for _, o := range testHooks(t, "--set", "tls.mode=Off,ingress.enabled=true,brokerClass=blue,networkPolicy.enabled=false") {
		spec := fmt.Sprint(o.Object["spec"])
		switch o.GetKind() {
		case "NetworkPolicy":
			t.Error("there is a NetworkPolicy")
		case "Pod":
			if !strings.Contains(spec, "--plain-http") || strings.Contains(spec, "tls") {
				t.Errorf("the pod: %s", spec)
			}
		case "OAuthVendor", "BrokerClient":
			if !strings.Contains(spec, "brokerClass:blue") {
				t.Errorf("%s: %s", o.GetKind(), spec)
			}
		}
	}
}
