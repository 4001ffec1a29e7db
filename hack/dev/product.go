// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// keyRingSecret is the Secret that the operator keeps the sealing keys in.
const keyRingSecret = "oauth-broker-keyring"

// startProduct starts the manager, takes the key ring that it makes, and starts
// two brokers.
func (d *demo) startProduct(ctx context.Context) error {
	err := d.spawn("manager", d.binary("manager"),
		"--public-url", d.ports.publicURL(), "--namespace", operatorNamespace, "--published-namespace", publishedNamespace,
		"--broker-admin", d.ports.adminURL(0)+","+d.ports.adminURL(1), "--key-ring-secret", keyRingSecret, "--kubeconfig", d.cluster.manager,
		"--metrics-bind-address", "0", "--health-probe-bind-address", fmt.Sprintf("127.0.0.1:%d", d.ports.health))
	if err != nil {
		return err
	}
	ring := filepath.Join(d.dir, keyring.DataKey)
	if err := until(ctx, "the key ring Secret", func(ctx context.Context) (bool, error) { return d.saveKeyRing(ctx, ring) }); err != nil {
		return err
	}
	d.fact("manager", "runs, and made the key ring (Secret %s/%s)", operatorNamespace, keyRingSecret)
	if err := d.newTrust(); err != nil {
		return err
	}
	for i := range d.ports.brokers {
		if err := d.startBroker(i, ring); err != nil {
			return err
		}
	}
	for i := range d.ports.brokers {
		if err := until(ctx, brokerName(i)+" to be ready", func(ctx context.Context) (bool, error) { return d.brokerReady(ctx, i) }); err != nil {
			return err
		}
		d.fact(brokerName(i), "ready on %s", d.ports.brokerAddress(i))
	}
	d.fact("public URL of both", "%s (each connection goes to the next one)", d.ports.publicURL())
	return nil
}

// saveKeyRing copies the ring to a file, as a mounted Secret is one in a pod.
func (d *demo) saveKeyRing(ctx context.Context, file string) (bool, error) {
	var s corev1.Secret
	err := d.cluster.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: keyRingSecret}, &s)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading it: %w", err)
	case len(s.Data[keyring.DataKey]) == 0:
		return false, nil
	}
	if err := os.WriteFile(file, s.Data[keyring.DataKey], 0o600); err != nil {
		return false, fmt.Errorf("writing it: %w", err)
	}
	return true, nil
}

// brokerName is what people call a broker, counted from 1.
func brokerName(i int) string { return fmt.Sprintf("broker %d", i+1) }

func (d *demo) startBroker(i int, ring string) error {
	name := brokerName(i)
	cert, key, err := d.issue(fmt.Sprintf("broker-%d", i+1))
	if err != nil {
		return fmt.Errorf("making the certificate of %s: %w", name, err)
	}
	return d.spawn(name, d.binary("broker"), "serve",
		"--public-url", d.ports.publicURL(), "--listen", d.ports.brokerAddress(i), "--tls-cert", cert, "--tls-key", key,
		"--admin-listen", fmt.Sprintf("127.0.0.1:%d", d.ports.admins[i]), "--keyring", ring,
		"--published-namespace", publishedNamespace, "--kubeconfig", d.cluster.broker, "--shutdown-delay", "0s")
}

func (d *demo) brokerReady(ctx context.Context, i int) (bool, error) {
	answer, err := get(ctx, d.ports.adminURL(i)+"/readyz")
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode == http.StatusOK, nil
}

// sequence asks a broker's admin port what it serves.
func (d *demo) sequence(ctx context.Context, i int) (int64, error) {
	answer, err := get(ctx, d.ports.adminURL(i)+"/revision")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	var revision struct {
		Sequence int64 `json:"sequence"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&revision); err != nil {
		return 0, fmt.Errorf("reading /revision of broker %d: %w", i+1, err)
	}
	return revision.Sequence, nil
}

func get(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return send(r)
}

// send sends a request to what runs on this machine.
func send(r *http.Request) (*http.Response, error) {
	return (&http.Client{Timeout: 20 * time.Second}).Do(r)
}

// handOver prints what to try by hand.
func (d *demo) handOver() {
	issuer := d.ports.publicURL() + "/v1/vendors/zitadel"
	d.title("Everything stays up until Ctrl-C. To try by hand:")
	d.fact("broker", "%s", d.ports.publicURL())
	d.fact("provider", "%s (user %s, password %s)", d.provider.issuer, userName, userPassword)
	d.fact("admin ports", "%s  %s  (/metrics, /healthz, /readyz, /revision)", d.ports.adminURL(0), d.ports.adminURL(1))
	for _, p := range d.processes {
		d.fact(p.name, "pid %d, log %s", p.cmd.Process.Pid, p.log)
	}
	d.fact("CA certificate", "%s", d.caFile())
	d.line("")
	if d.envFile == "" {
		d.line("%s", strings.ReplaceAll(strings.TrimSpace(d.environment()), "\n", "\n    "))
	} else {
		d.line(". %s    # KUBECONFIG, PATH (kubectl, oauth-broker), BROKER, and the CA for curl", d.envFile)
	}
	d.line("oauth-broker login --broker %s --vendor zitadel --client-id acme.cli --ca-file %s", d.ports.publicURL(), d.caFile())
	d.line("oauth-broker doctor --broker %s --broker-admin %s,%s --ca-file %s", d.ports.publicURL(), d.ports.adminURL(0), d.ports.adminURL(1), d.caFile())
	d.line("kubectl get oauthbroker -A")
	d.line("kubectl edit oauthvendor zitadel")
	d.line("kill %d   # a broker; logins go on at the other one", d.processes[len(d.processes)-1].cmd.Process.Pid)
	d.line("curl --cacert %s %s", d.caFile(), metadataURL(issuer))
}

// environment is what a shell needs to use this install as if it were a cluster
// somewhere: the guides' commands work in it as they are printed.
func (d *demo) environment() string {
	return fmt.Sprintf("export KUBECONFIG=%s\nexport PATH=%s:%s:$PATH\nexport BROKER=%s\nexport BROKER_ADMIN=%s,%s\nexport BROKER_LOGS=%s\nexport CURL_CA_BUNDLE=%s\n",
		d.cluster.admin, filepath.Dir(d.cluster.kubectl), filepath.Dir(d.binary("broker")), d.ports.publicURL(), d.ports.adminURL(0), d.ports.adminURL(1),
		filepath.Join(d.dir, "broker-*.log"), d.caFile())
}
