// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/oauthbroker/oauth-broker/test/install"
)

func tools(t *testing.T) install.Tools {
	t.Helper()
	found, err := install.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLint(t *testing.T) {
	x := tools(t)
	for chart, set := range map[string]string{"oauth-broker": "publicURL=" + install.PublicURL, "oauth-broker-vendors": "vendors.github.enabled=true"} {
		cmd := exec.CommandContext(t.Context(), x.Helm, "lint", "--strict", "--kube-version", install.KubeVersion, "--set", set, filepath.Join(x.Root, "charts", chart))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("helm lint %s: %v\n%s", chart, err, out)
		}
	}
}

// everything turns on all that the chart can make.
const everything = `
publicURL: https://oauth-broker.example.com
watchNamespaces: [team-a, team-b]
image: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pullSecrets: [{name: pull}]}
redis: {existingSecret: redis}
keyRing: {kmsURL: "awskms:///alias/oauth-broker?region=eu-central-1"}
tls: {mode: CertManager, certManager: {issuerRef: {name: letsencrypt, kind: ClusterIssuer}, duration: 720h}}
extraCACertificates: company-ca
broker:
  auditLog: stdout
  registration: {mode: InitialAccessToken, existingSecret: registration}
  clientIDMetadataDocuments: true
  corsOrigins: ["https://app.example.com"]
  trustedProxies: [10.0.0.0/8]
  env: [{name: OAUTH_BROKER_RAMP_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: ramp, key: clientSecret}}}, {name: HTTPS_PROXY, value: "http://proxy.internal:3128"}]
  envFrom: [{secretRef: {name: vendor-environment}}]
  serviceAccount: {annotations: {example.com/role: broker}}
  priorityClassName: important
  autoscaling: {enabled: true}
manager: {admissionPolicy: {enabled: true}}
service: {type: LoadBalancer, externalTrafficPolicy: Local}
ingress: {enabled: true, className: nginx, tlsSecretName: public-tls}
pages: {name: Acme, logo: "data:image/png;base64,iVBORw0KGgo=", color: "#0b57d0", supportURL: "mailto:help@example.com", listVendors: false}
tracing: {endpoint: "http://collector.monitoring:4318"}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
metrics: {serviceMonitor: {enabled: true, labels: {release: prometheus}}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}
`

func valuesFile(t *testing.T, values string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTemplate_everything(t *testing.T) {
	x := tools(t)
	rendered, err := x.Template(t.Context(), "oauth-broker", "--values", valuesFile(t, everything))
	objects, err := install.Objects(rendered, err)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, o := range objects {
		count[o.GetKind()]++
	}
	for kind, want := range map[string]int{
		"CustomResourceDefinition": 3, "Deployment": 2, "Service": 3, "Ingress": 1, "Certificate": 1, "HorizontalPodAutoscaler": 1,
		"PodDisruptionBudget": 1, "NetworkPolicy": 2, "ServiceMonitor": 2, "PrometheusRule": 1, "ConfigMap": 1, "Role": 6, "ClusterRole": 1, "ValidatingAdmissionPolicy": 1, "ValidatingAdmissionPolicyBinding": 1, "Secret": 0,
	} {
		if count[kind] != want {
			t.Errorf("%d of kind %s, want %d", count[kind], kind, want)
		}
	}
	text := string(rendered)
	if n := strings.Count(text, "--keyring-kms-url=awskms:///alias/oauth-broker?region=eu-central-1"); n != 2 {
		t.Errorf("%d programs get the KMS URL, want broker and manager", n)
	}
	for _, want := range []string{
		"--redis-url=/etc/oauth-broker/redis/url", "--registration-token=/etc/oauth-broker/registration/token", "--client-id-metadata-documents",
		"--watch-namespaces=team-a,team-b", "oauth-broker@sha256:0123", "example.com/role: broker", "--cors-origin=https://app.example.com",
		"--otlp-endpoint=http://collector.monitoring:4318", "port: 4318", "--audit-log=stdout", "--brand-name=Acme", "--brand-color=#0b57d0", "--landing-vendors=false", "externalTrafficPolicy: Local", "runbook_url: \"https://github.com/oauthbroker/oauth-broker/blob/main/docs/runbooks/OAuthBrokerDown.md\"",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not rendered", want)
		}
	}
}

// TestTemplate_namespaced: no right over the Secrets of all namespaces.
func TestTemplate_namespaced(t *testing.T) {
	for _, o := range rendered(t, tools(t), "--set", "watchNamespaces={team-a}") {
		if o.GetKind() == "ClusterRole" && strings.Contains(fmt.Sprint(o.Object["rules"]), "secrets") {
			t.Error("the ClusterRole of namespaced mode reads Secrets")
		}
	}
}

func rendered(t *testing.T, x install.Tools, args ...string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := install.Objects(x.Template(t.Context(), "oauth-broker", append([]string{"--set", "publicURL=" + install.PublicURL}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestParity holds the chart against the kustomizations, object by object. They differ in the namespace of the operator, which Helm's user
// makes, and in the labels and annotations by which Helm knows its objects.
func TestParity(t *testing.T) {
	x := tools(t)
	built := func(folder string) []*unstructured.Unstructured {
		objects, err := install.Objects(x.Build(t.Context(), folder))
		if err != nil {
			t.Fatal(err)
		}
		return objects
	}
	byName := func(objects []*unstructured.Unstructured) map[string]map[string]any {
		out := map[string]map[string]any{}
		for _, o := range objects {
			if o.GetKind() == "Namespace" && o.GetName() == install.Namespace {
				continue
			}
			out[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = withoutHelm(o)
		}
		return out
	}
	if diff := cmp.Diff(byName(rendered(t, x)), byName(built("config/default"))); diff != "" {
		t.Errorf("the chart (-) and config/default (+) differ:\n%s", diff)
	}
	policies := slices.DeleteFunc(rendered(t, x, "--set", "manager.admissionPolicy.enabled=true"), func(o *unstructured.Unstructured) bool {
		return !strings.HasPrefix(o.GetKind(), "ValidatingAdmissionPolicy")
	})
	if diff := cmp.Diff(byName(policies), byName(built("config/admission"))); diff != "" || len(policies) != 2 {
		t.Errorf("the chart's policy (-) and config/admission (+) differ, or there are %d objects instead of 2:\n%s", len(policies), diff)
	}
}

func withoutHelm(o *unstructured.Unstructured) map[string]any {
	labels := o.GetLabels()
	for _, own := range []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"} {
		delete(labels, own)
	}
	annotations := o.GetAnnotations()
	delete(annotations, "helm.sh/resource-policy")
	delete(annotations, "oauthbroker.dev/crd-version")
	if o.GetKind() == "CustomResourceDefinition" || strings.HasSuffix(o.GetKind(), "Role") {
		labels = nil // generated files without labels
	}
	if o.GetKind() == "RoleBinding" && o.GetName() == "oauth-broker" {
		labels = nil // beside its Role, in a file that `make run` uses too
	}
	if len(labels) == 0 {
		labels = nil
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	o.SetLabels(labels)
	o.SetAnnotations(annotations)
	return o.Object
}

// TestNoKeyMaterial: no rendering has a Secret, so a render makes no new key.
func TestNoKeyMaterial(t *testing.T) {
	x := tools(t)
	objects, err := install.Objects(x.Build(t.Context(), "config/default"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append(objects, rendered(t, x)...) {
		if o.GetKind() == "Secret" {
			t.Errorf("Secret %s is in a rendering", o.GetName())
		}
	}
	again := func(ctx context.Context) string {
		out, err := x.Template(ctx, "oauth-broker", "--set", "publicURL="+install.PublicURL)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if first, second := again(t.Context()), again(t.Context()); first != second {
		t.Error("two renderings differ, so GitOps would never settle")
	}
}

// TestOverlay: an overlay says the public URL, once.
func TestOverlay(t *testing.T) {
	out, err := tools(t).Build(t.Context(), "config/samples/install")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "--public-url=https://broker.example.com\n"); n != 2 {
		t.Errorf("the public URL of the overlay is in %d arguments, want 2", n)
	}
	if strings.Contains(string(out), "oauth-broker-settings") {
		t.Error("the settings are installed")
	}
}
