// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// kubectl runs the real one as an administrator.
type kubectl struct{ binary, kubeconfig string }

func newKubectl(t *testing.T) kubectl {
	t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	user, err := plane.Env.AddUser(envtest.User{Name: "kubectl", Groups: []string{"system:masters"}}, rest.CopyConfig(plane.Config))
	if err != nil {
		t.Fatal(err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return kubectl{filepath.Join(assets, "kubectl"), path}
}

func (k kubectl) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.binary, append([]string{"--kubeconfig", k.kubeconfig}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pods stands for broker pods behind a Service: an EndpointSlice with their
// names, and admin ports that say what a test wants. The API server refuses
// loopback addresses in a slice, so the operator's client goes a way round.
func (in *install) pods(names ...string) (map[string]*admin, func(*controllers.Options, *rest.Config)) {
	admins, reach := map[string]*admin{}, map[string]string{}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: in.system, Name: "broker-1", Labels: map[string]string{discoveryv1.LabelServiceName: "broker"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: new("admin"), Port: new(int32(9090))}},
	}
	for n, name := range names {
		admins[name] = in.newAdmin()
		address := fmt.Sprintf("10.9.8.%d", n+1)
		reach[address+":9090"] = admins[name].Listener.Addr().String()
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: in.system, Name: name},
		})
	}
	if len(names) > 0 {
		in.create(slice)
	}
	return admins, func(o *controllers.Options, _ *rest.Config) {
		o.BrokerService = "broker"
		o.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, reach[address])
		}}}
	}
}

// TestKubectlWait: `kubectl wait --for=condition=Programmed` is a gate. It stays
// shut while pods disagree, and status names the pod that lags.
func TestKubectlWait(t *testing.T) {
	in := newInstall(t)
	k := newKubectl(t)
	pods, service := in.pods("broker-fast", "broker-stuck")
	vendor := in.vendor()
	wait := func(timeout string) (string, error) {
		return k.run(t.Context(), "wait", "--for=condition=Programmed", "oauthvendor/"+vendor.Name, "--timeout="+timeout)
	}
	in.start(service)
	in.create(vendor)

	// The pods disagree: one has the new sequence, one nothing.
	eventually(t, func() error {
		index, _, err := in.index()
		if err == nil {
			pods["broker-fast"].set(true, index.Sequence)
		}
		return err
	})
	eventually(t, func() error { return condition(vendor, "Programmed", "False", "Pending") })
	if out, err := wait("1s"); err == nil {
		t.Errorf("the gate opened while a pod was behind: %s", out)
	}
	eventually(t, func() error { return in.programmedSays(vendor, "Pod broker-stuck", "Pending") })
	if err := in.programmedSays(vendor, "broker-fast", "Pending"); err == nil {
		t.Error("status names the pod that has it, too")
	}

	// One that does not answer is told apart.
	pods["broker-stuck"].set(false, 0)
	eventually(t, func() error { return in.programmedSays(vendor, "Pod broker-stuck (no answer", "Pending") })

	// The gate opens when the last one has it.
	index, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	pods["broker-stuck"].set(true, index.Sequence)
	if out, err := wait("30s"); err != nil {
		t.Errorf("the gate stayed shut: %v %s", err, out)
	}

	// A change shuts it again: wait looks at the generation.
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.Scopes = &oauthv1alpha1.Scopes{Default: []oauthv1alpha1.ScopeToken{"read"}}
	})
	eventually(t, func() error { return condition(vendor, "Programmed", "False", "Pending") })
	if out, err := wait("1s"); err == nil {
		t.Errorf("the gate opened for an old generation: %s", out)
	}
}

func TestKubectlWait_noPods(t *testing.T) {
	in := newInstall(t)
	k := newKubectl(t)
	_, service := in.pods()
	in.start(service)
	vendor := in.vendor()
	in.create(vendor)
	eventually(t, func() error { return in.programmedSays(vendor, "Deployment", "NoBrokerReady") })
	if out, err := k.run(t.Context(), "wait", "--for=condition=Programmed", "oauthvendor/"+vendor.Name, "--timeout=1s"); err == nil {
		t.Errorf("the gate opened without pods: %s", out)
	}
}

// programmedSays checks reason and a part of the message of Programmed=False.
func (in *install) programmedSays(v *oauthv1alpha1.OAuthVendor, part, reason string) error {
	if err := condition(v, "Programmed", "False", reason); err != nil {
		return err
	}
	for _, c := range v.Status.Conditions {
		if c.Type == "Programmed" && !strings.Contains(c.Message, part) {
			return fmt.Errorf("message %q lacks %q", c.Message, part)
		}
	}
	return nil
}
