// SPDX-License-Identifier: Apache-2.0

// Package catalog_test applies the vendor catalog with kubectl to a real API
// server and lets the operator judge it.
package catalog_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/test/catalog"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

var plane controlplane.Plane

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	os.Exit(controlplane.Main(m, &plane))
}

// kubectl runs the binary that was built with the control plane.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	user, err := plane.Env.AddUser(envtest.User{Name: "platform", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), append([]string{"--kubeconfig", file}, args...)...) // #nosec G204 -- our own binary
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestCatalog_appliesAndIsAccepted is the catalog's life on a cluster: applied
// in one go, accepted, waiting for Secrets that it names, and served once one
// of them is there.
func TestCatalog_appliesAndIsAccepted(t *testing.T) {
	folder := filepath.Join(controlplane.Root(), "config", "vendors")
	out := kubectl(t, "apply", "-k", folder)
	vendors := catalog.Vendors(t)
	if got := strings.Count(out, " created"); got != len(vendors) {
		t.Fatalf("kubectl created %d of %d:\n%s", got, len(vendors), out)
	}
	if again := kubectl(t, "apply", "-k", folder); strings.Count(again, " unchanged") != len(vendors) {
		t.Errorf("a second apply changes something:\n%s", again)
	}
	system := startOperator(t)
	for _, v := range vendors {
		accepted := condition(t, v.Name, oauthv1alpha1.ConditionAccepted)
		if accepted.Status != metav1.ConditionTrue {
			t.Errorf("%s: Accepted is %s/%s: %s", v.Name, accepted.Status, accepted.Reason, accepted.Message)
		}
		resolved := condition(t, v.Name, oauthv1alpha1.ConditionResolvedRefs)
		switch {
		case v.Spec.Credentials == nil && resolved.Status != metav1.ConditionTrue:
			t.Errorf("%s: ResolvedRefs is %s/%s: %s", v.Name, resolved.Status, resolved.Reason, resolved.Message)
		case v.Spec.Credentials != nil && (resolved.Reason != oauthv1alpha1.ReasonSecretNotFound ||
			!strings.Contains(resolved.Message, system+"/"+v.Name+"-oauth") || !strings.Contains(resolved.Message, oauthv1alpha1.SecretKeyClientID)):
			t.Errorf("%s: ResolvedRefs is %s/%s: %s: want the Secret and its keys", v.Name, resolved.Status, resolved.Reason, resolved.Message)
		}
	}
	secretArrives(t, system)
}

func secretArrives(t *testing.T, system string) {
	t.Helper()
	app := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "github-oauth"},
		StringData: map[string]string{oauthv1alpha1.SecretKeyClientID: "app", oauthv1alpha1.SecretKeyClientSecret: "CANARY-0123456789"},
	}
	if err := plane.Client.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	poll.Until(t, time.Minute, func() error {
		if c := condition(t, "github", oauthv1alpha1.ConditionResolvedRefs); c.Status != metav1.ConditionTrue {
			return fmt.Errorf("github does not resolve its Secret: %s", c.Message)
		}
		return nil
	})
}

// startOperator runs the operator for the broker class of the catalog; what
// discovery would find comes from the catalog's test data. It returns the
// operator's namespace.
func startOperator(t *testing.T) string {
	t.Helper()
	system, err := plane.Namespace(t.Context(), "system")
	if err != nil {
		t.Fatal(err)
	}
	published, err := plane.Namespace(t.Context(), "published")
	if err != nil {
		t.Fatal(err)
	}
	discovered := catalog.Discovered(t)
	own := controllers.Options{
		PublicURL: "https://broker.example", Namespace: system, PublishedNamespace: published, BrokerClass: "default",
		KeyRingSecret: "oauth-broker-keyring", Now: time.Now, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Discover: func(_ context.Context, v *oauthv1alpha1.OAuthVendor) translate.Discovered { return discovered[v.Name] },
	}
	scheme := runtime.NewScheme()
	if err := controllers.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	m, err := ctrl.NewManager(controllers.RestConfig(plane.Config), controllers.ManagerOptions(ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}}, own))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := controllers.Setup(m, own); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("operator: %v", err)
		}
	})
	return system
}

// condition waits for a vendor to have a settled condition: one that does not
// speak of discovery under way.
func condition(t *testing.T, vendor, kind string) metav1.Condition {
	t.Helper()
	var got metav1.Condition
	poll.Until(t, time.Minute, func() error {
		v := &oauthv1alpha1.OAuthVendor{}
		if err := plane.Client.Get(t.Context(), client.ObjectKey{Name: vendor}, v); err != nil {
			t.Fatal(err)
		}
		c := meta.FindStatusCondition(v.Status.Conditions, kind)
		if c == nil || c.Reason == oauthv1alpha1.ReasonDiscoveryPending {
			return fmt.Errorf("%s has no condition %s", vendor, kind)
		}
		got = *c
		return nil
	})
	return got
}
