// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/install"
)

// TestCluster goes through the life of an install, one step after the other: what
// is wrong at each is found, and gone after it was mended.
func TestCluster(t *testing.T) {
	w := newWorld(t)
	t.Run("doctor finds nothing", func(t *testing.T) { w.on(t).nothingThere() })
	t.Run("explain finds no pods", func(t *testing.T) { w.on(t).explainWithoutPods() })
	w.t = t
	w.deploy()
	w.start()
	t.Run("doctor finds bad objects", func(t *testing.T) { w.on(t).badObjects() })
	t.Run("doctor is content", func(t *testing.T) { w.on(t).goodObjects() })
	t.Run("doctor knows keys that wait", func(t *testing.T) { w.on(t).newKeys() })
	t.Run("vendors", func(t *testing.T) { w.on(t).vendors() })
	t.Run("helm test", func(t *testing.T) { w.on(t).selftest() })
	t.Run("pods through the API server", func(t *testing.T) { w.on(t).podsThroughTheAPI() })
	t.Run("explain asks for logs", func(t *testing.T) { w.on(t).explainWithPods() })
}

func (w *world) on(t *testing.T) *world {
	w.t = t
	return w
}

func (w *world) nothingThere() {
	r := w.doctor(1)
	r.has(w.t, "ok", "api-server", "")
	r.has(w.t, "ok", "clock", "", "agree")
	r.has(w.t, "ok", "crds", "oauthvendors")
	r.has(w.t, "note", "deployment", "manager", install.Namespace)
	r.has(w.t, "problem", "secret", "oauth-broker-keyring", "does not exist")
	r.has(w.t, "problem", "pod", "http://"+w.Admin, "does not say what it serves")
	r.has(w.t, "note", "broker-url", "", "--broker https://")
	// Without --broker-admin the Deployments are missed.
	text := w.program(w.admin).Run("doctor", "-n", "default")
	if text.Code != 1 || !regexp.MustCompile(`PROBLEM\s+deployment\s+broker: namespace default has no Deployment`).MatchString(text.Stdout) {
		w.t.Errorf("exit code %d\n%s%s", text.Code, text.Stdout, text.Stderr)
	}
}

func (w *world) explainWithoutPods() {
	r := w.program(w.admin).Run("explain", "ZFOVH5TKCB2YRYJBV6J2YJ3ELM")
	if r.Code != 1 || !strings.Contains(r.Stderr, "has no broker pods") {
		w.t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
}

// deploy makes the Deployments of the chart, as if their pods were ready.
func (w *world) deploy() {
	w.t.Helper()
	objects, err := install.Objects(w.tools.Template(w.t.Context(), "oauth-broker", "--set", "publicURL="+w.PublicURL))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &d); err != nil {
			w.t.Fatal(err)
		}
		if err := plane.Client.Create(w.t.Context(), &d); err != nil {
			w.t.Fatal(err)
		}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 2, ReadyReplicas: 2}
		if err := plane.Client.Status().Update(w.t.Context(), &d); err != nil {
			w.t.Fatal(err)
		}
	}
}

const vendorTemplate = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme}
spec:
  display: {name: Acme Files, setupURL: https://acme.example/apps}
  issuer: %[1]s
  endpoints: {authorization: %[1]s/authorize, token: %[1]s/token}
  callback: {path: Vendor}
  credentials: {secretRef: {name: acme-app}, allowedNamespaces: {from: Names, names: [default]}}
  transport:
    caBundle: |
%[2]s
`

const clientManifest = `---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: default}
spec:
  redirectURIs: ["https://app.example/callback"]
  authentication: {method: ClientSecret, secretRef: {name: web-client}}
  vendors: [{name: acme}]
---
apiVersion: v1
kind: Secret
metadata: {name: web-client, namespace: default}
stringData: {secret: wrong-key-0123456789-0123456789-01}
`

const secrets = `---
apiVersion: v1
kind: Secret
metadata: {name: acme-app, namespace: ` + install.Namespace + `}
stringData: {clientID: app, clientSecret: an-app-secret-0123456789}
---
apiVersion: v1
kind: Secret
metadata: {name: web-client, namespace: default}
stringData: {clientSecret: a-client-secret-0123456789-0123456789}
`

func (w *world) badObjects() {
	vendor := fakevendor.New(fakevendor.Options{}).Start(w.t)
	w.apply(fmt.Sprintf(vendorTemplate, vendor.Issuer(), regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSpace(string(vendor.CAPEM())), "      ")) + clientManifest)
	w.ready("False")
	r := w.doctor(1)
	r.has(w.t, "ok", "deployment", "deployment/oauth-broker-manager", "2 of 2")
	r.has(w.t, "ok", "secret", install.Namespace+"/oauth-broker-keyring", "keyring.json")
	r.has(w.t, "ok", "key-ring", "", "1 keys, the newest is 0 days old")
	r.has(w.t, "problem", "secret", install.Namespace+"/oauth-broker-tls", "create secret tls oauth-broker-tls")
	r.has(w.t, "problem", "object", "oauthvendor/acme", "ResolvedRefs=False, SecretNotFound")
	r.has(w.t, "problem", "secret", install.Namespace+"/acme-app", "kubectl -n "+install.Namespace+" create secret generic acme-app --from-literal=clientID=...")
	r.has(w.t, "problem", "object", "brokerclient default/web", "--from-file=clientSecret=FILE")
	r.has(w.t, "problem", "secret", "default/web-client", "lacks the keys clientSecret")
	r.has(w.t, "ok", "vendor-host", vendor.Issuer(), "can be reached")
	r.has(w.t, "ok", "broker-url", w.PublicURL, "is ready")
	r.has(w.t, "ok", "redirect-uri", w.PublicURL+"/v1/callback/acme", "https://acme.example/apps")
	if text := r.String(); strings.Contains(text, "wrong-key-0123456789") {
		w.t.Errorf("a Secret's value is shown:\n%s", text)
	}
}

// ready waits until both objects have been looked at.
func (w *world) ready(status string) {
	w.t.Helper()
	for _, o := range []client.Object{
		&oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, &oauthv1alpha1.BrokerClient{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}},
	} {
		binary.Eventually(w.t, func() error {
			if err := plane.Client.Get(w.t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
				return err
			}
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
			if err != nil {
				return err
			}
			conditions, _, _ := unstructured.NestedSlice(content, "status", "conditions")
			for _, c := range conditions {
				if m, ok := c.(map[string]any); ok && m["type"] == "Ready" && m["status"] == status {
					return nil
				}
			}
			return fmt.Errorf("%s is not Ready=%s: %v", o.GetName(), status, conditions)
		})
	}
}

func (w *world) goodObjects() {
	w.apply(secrets)
	tls := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "oauth-broker-tls"}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": w.read("tls.crt"), "tls.key": w.read("tls.key")}}
	if err := plane.Client.Create(w.t.Context(), tls); err != nil {
		w.t.Fatal(err)
	}
	w.ready("True")
	r := w.doctor(0)
	r.has(w.t, "ok", "object", "oauthvendor", "1 of 1 are ready")
	r.has(w.t, "ok", "object", "brokerclient", "1 of 1 are ready")
	r.has(w.t, "ok", "pod", "http://"+w.Admin, "serves sequence")
	r.has(w.t, "note", "certificate", w.PublicURL, "expires on")
	r.has(w.t, "note", "certificate", "oauth-broker-tls", "expires on")
	r.has(w.t, "ok", "clock", "", "the broker and this machine agree")
}

// newKeys are in the Secret and not in the broker's file, as before a kubelet wrote it.
func (w *world) newKeys() {
	var s corev1.Secret
	if err := plane.Client.Get(w.t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "oauth-broker-keyring"}, &s); err != nil {
		w.t.Fatal(err)
	}
	before := s.Data[keyring.DataKey]
	for delay, want := range map[time.Duration]struct {
		code  int
		level string
		text  string
	}{time.Hour: {0, "note", "has not got the key"}, 0: {1, "problem", "lacks the keys"}} {
		ring, err := keyring.Parse(before)
		if err != nil {
			w.t.Fatal(err)
		}
		ring, _ = ring.Rotate(time.Now(), delay)
		b, err := keyring.Encode(ring)
		if err != nil {
			w.t.Fatal(err)
		}
		w.setRing(&s, b)
		w.doctor(want.code).has(w.t, want.level, "key-ring", "http://"+w.Admin, want.text)
	}
	w.setRing(&s, before)
}

func (w *world) setRing(s *corev1.Secret, ring []byte) {
	w.t.Helper()
	s.Data[keyring.DataKey] = ring
	if err := plane.Client.Update(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) vendors() {
	p := w.program(w.admin)
	list := p.Run("vendors", "list")
	if list.Code != 0 || !regexp.MustCompile(`acme +Acme Files +True +`+regexp.QuoteMeta(w.PublicURL)+`/v1/callback/acme`).MatchString(list.Stdout) {
		w.t.Errorf("exit code %d\n%s%s", list.Code, list.Stdout, list.Stderr)
	}
	show := p.Run("vendors", "show", "acme")
	if show.Code != 0 || !strings.Contains(show.Stdout, w.PublicURL+"/v1/vendors/acme") {
		w.t.Errorf("exit code %d\n%s%s", show.Code, show.Stdout, show.Stderr)
	}
	if r := p.Run("vendors", "show", "nobody"); r.Code != 1 {
		w.t.Errorf("an unknown vendor: exit code %d", r.Code)
	}
}

// selftest makes the chart's test hooks, and runs what the pod would, with the
// rights of the pod's ServiceAccount.
func (w *world) selftest() {
	objects, err := install.Objects(w.tools.TestHooks(w.t.Context(), "--set", "publicURL="+w.PublicURL))
	if err != nil {
		w.t.Fatal(err)
	}
	var hooks strings.Builder
	var args []string
	for _, o := range objects {
		if o.GetKind() != "Pod" {
			b, err := yaml.Marshal(o.Object)
			if err != nil {
				w.t.Fatal(err)
			}
			hooks.WriteString("---\n" + string(b))
			continue
		}
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod); err != nil {
			w.t.Fatal(err)
		}
		args = pod.Spec.Containers[0].Args
	}
	w.apply(hooks.String())
	there := strings.NewReplacer("$(POD_IP)", "127.0.0.1", "=:8443", "=127.0.0.1:0", "/etc/oauth-broker/tls/tls.crt", w.Path("tls.crt"))
	for i, arg := range args {
		args[i] = there.Replace(arg)
	}
	host, port, _ := strings.Cut(w.Public, ":")
	p := w.program(w.kubeconfig("selftest", "system:serviceaccount:"+install.Namespace+":oauth-broker-selftest"))
	p.Env = append(p.Env, "OAUTH_BROKER_SERVICE_HOST="+host, "OAUTH_BROKER_SERVICE_PORT="+port)
	for range 2 { // a second run must not stumble over the first
		r := p.Run(args...)
		if r.Code != 0 || !strings.Contains(r.Stdout, "a login and a refresh through "+w.PublicURL) {
			w.t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
	// Where the operator cannot use what it is given, the test says why.
	broken := append([]string{}, args...)
	for i, arg := range broken {
		if strings.HasPrefix(arg, "--client=") {
			broken[i] = "--client=default/oauth-broker-selftest"
		}
	}
	r := p.Run(append(broken, "--timeout=20s")...)
	if r.Code != 1 || !strings.Contains(r.Stderr, "BrokerClient") {
		w.t.Errorf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// explainWithPods gets as far as a control plane without kubelets goes.
func (w *world) explainWithPods() {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "oauth-broker-1", Labels: map[string]string{"app.kubernetes.io/component": "broker"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "broker", Image: "broker"}}},
	}
	if err := plane.Client.Create(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
	r := w.program(w.admin).Run("explain", "ZFOVH5TKCB2YRYJBV6J2YJ3ELM")
	if r.Code != 1 || !strings.Contains(r.Stderr+r.Stdout, "oauth-broker-") && !strings.Contains(r.Stderr, "no log has") {
		w.t.Errorf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	// And doctor says of a pod that it is not ready.
	report := w.program(w.admin).Run("doctor", "--ca-file", w.ca)
	if report.Code != 1 || !strings.Contains(report.Stdout, "pod/oauth-broker-1: is not ready (Pending)") {
		w.t.Errorf("exit code %d\n%s%s", report.Code, report.Stdout, report.Stderr)
	}
}
