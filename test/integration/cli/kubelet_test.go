// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/install"
)

// kubelet stands before the real API server and answers the two requests that
// an API server hands to kubelets and pods, for a pod that is the running
// broker: its log, and its admin port. make e2e asks real ones.
func (w *world) kubelet(pod string, log func(previous bool) string) (kubeconfig string) {
	w.t.Helper()
	target, err := url.Parse(plane.Config.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	transport, err := rest.TransportFor(plane.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	next := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		base := "/api/v1/namespaces/" + install.Namespace + "/pods/"
		switch r.URL.Path {
		case base + pod + "/log":
			if r.URL.Query().Get("container") != "broker" || r.URL.Query().Get("sinceSeconds") == "" {
				http.Error(out, "which container, and since when?", http.StatusBadRequest)
				return
			}
			_, _ = io.WriteString(out, log(r.URL.Query().Get("previous") == "true"))
		case base + "http:" + pod + ":9090/proxy/revision":
			answer, err := (&http.Client{Timeout: binary.Patience}).Get("http://" + w.Admin + "/revision")
			if err != nil {
				http.Error(out, err.Error(), http.StatusBadGateway)
				return
			}
			defer answer.Body.Close()
			_, _ = io.Copy(out, answer.Body)
		default:
			next.ServeHTTP(out, r)
		}
	}))
	w.t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	config.CurrentContext = "c"
	kubeconfig = w.Path("kubelet.kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		w.t.Fatal(err)
	}
	return kubeconfig
}

// readyPod is a broker's pod that was restarted once.
func (w *world) readyPod(name string) {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/component": "broker"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "broker", Image: "broker"}}},
	}
	if err := plane.Client.Create(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "broker", RestartCount: 1}},
	}
	if err := plane.Client.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
}

// endedPod is one that a rollout stopped and that was not removed yet.
func (w *world) endedPod(name string) {
	w.t.Helper()
	w.readyPod(name)
	ended := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: name}}
	patch := []byte(`{"status":{"phase":"Succeeded","conditions":[{"type":"Ready","status":"False","reason":"PodCompleted"}]}}`)
	if err := plane.Client.Status().Patch(w.t.Context(), ended, client.RawPatch(types.MergePatchType, patch)); err != nil {
		w.t.Fatal(err)
	}
}

// podsThroughTheAPI: doctor asks the pod what it serves, and explain finds a code
// in the log of the container before its last restart.
func (w *world) podsThroughTheAPI() {
	w.readyPod("oauth-broker-0")
	w.endedPod("oauth-broker-old")
	answer, err := w.HTTP().Get(w.PublicURL + "/v1/vendors/acme/authorize?client_id=nobody")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	id := regexp.MustCompile(`[A-Z2-7]{26}`).FindString(string(page))
	w.broker.LogHas(id)
	kubeconfig := w.kubelet("oauth-broker-0", func(previous bool) string {
		if previous {
			return w.broker.Log()
		}
		return "no JSON\n"
	})
	r := w.program(kubeconfig).Run("explain", id)
	if r.Code != 0 || !strings.Contains(r.Stdout, "unknown client") || !strings.Contains(r.Stdout, "oauth-broker-0") {
		w.t.Errorf("explain: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	r = w.program(kubeconfig).Run("doctor", "--ca-file", w.ca)
	if r.Code != 0 || !regexp.MustCompile(`OK +pod +pod/oauth-broker-0: serves sequence \d+`).MatchString(r.Stdout) || strings.Contains(r.Stdout, "oauth-broker-old") {
		w.t.Errorf("doctor: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestKubeconfig_wrong: what cannot be reached is said, and is no finding.
func TestKubeconfig_wrong(t *testing.T) {
	w := &world{t: t, Install: &binary.Install{T: t, Dir: t.TempDir()}}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: "http://127.0.0.1:1"}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	config.CurrentContext = "c"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"doctor"}, {"vendors", "list"}, {"explain", "ZFOVH5TKCB2YRYJBV6J2YJ3ELM"}} {
		r := w.program(file).Run(args...)
		if r.Code != 1 || !strings.Contains(r.Stderr, "connection refused") || r.Stdout != "" {
			t.Errorf("%v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
		}
	}
	if r := w.program(os.DevNull).Run("doctor", "--kubeconfig", "/nonexistent"); r.Code != 1 || !strings.Contains(r.Stderr, "kubeconfig") {
		t.Errorf("a missing kubeconfig: exit code %d\n%s", r.Code, r.Stderr)
	}
}
