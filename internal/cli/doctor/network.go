// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

const (
	// adminPort of a broker pod.
	adminPort = "9090"
	// parallel requests.
	parallel = 8
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// served is what a broker's admin port tells.
type served struct {
	Sequence int64    `json:"sequence"`
	Revision string   `json:"revision"`
	KeyIDs   []string `json:"keyIDs"`
}

// brokers asks each broker which revision and keys it has.
func (d *Doctor) brokers(ctx context.Context) {
	found := map[string]served{}
	if len(d.Admin) > 0 {
		for _, base := range d.Admin {
			body, err := d.fetch(ctx, strings.TrimRight(base, "/")+"/revision")
			d.note(found, base, body, err)
		}
	} else if d.Cluster != nil {
		d.pods(ctx, found)
	}
	d.compare(found)
}

// pods asks through the API server, which needs get on pods/proxy.
func (d *Doctor) pods(ctx context.Context, found map[string]served) {
	pods, err := d.Cluster.Pods(ctx, "broker")
	if err != nil {
		d.add(Finding{Check: "pod", Level: Problem, Message: err.Error(), Fix: "kubectl -n " + d.Cluster.Namespace + " auth can-i list pods"})
		return
	}
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue // of a rollout, or evicted: it ends or has ended, and another takes its place
		}
		if !podReady(p) {
			d.add(Finding{Check: "pod", Object: "pod/" + p.Name, Level: Problem, Message: "is not ready (" + string(p.Status.Phase) + ")", Fix: fmt.Sprintf("kubectl -n %s describe pod %s; kubectl -n %s logs %s", p.Namespace, p.Name, p.Namespace, p.Name)})
			continue
		}
		limited, cancel := context.WithTimeout(ctx, kube.Timeout)
		body, err := d.Cluster.Core.CoreV1().Pods(p.Namespace).ProxyGet("http", p.Name, adminPort, "/revision", nil).DoRaw(limited)
		cancel()
		if err != nil {
			// A NetworkPolicy that lets only the operator in is no fault.
			d.add(Finding{
				Check: "pod", Object: "pod/" + p.Name, Level: Note, Message: "its admin port cannot be asked through the API server (" + err.Error() + ")",
				Fix: fmt.Sprintf("kubectl -n %s port-forward pod/%s %s:%s &  oauth-broker doctor --broker-admin http://127.0.0.1:%s", p.Namespace, p.Name, adminPort, adminPort, adminPort),
			})
			continue
		}
		d.note(found, "pod/"+p.Name, body, nil)
	}
}

func (d *Doctor) note(found map[string]served, name string, body []byte, err error) {
	var s served
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		d.add(Finding{Check: "pod", Object: name, Level: Problem, Message: "does not say what it serves: " + err.Error(), Fix: "see the broker's log"})
		return
	}
	found[name] = s
}

// compare holds the brokers against what is published and against the key ring.
func (d *Doctor) compare(found map[string]served) {
	newest := d.install.sequence
	for _, s := range found {
		newest = max(newest, s.Sequence)
	}
	for _, name := range sorted(found) {
		s := found[name]
		switch {
		case s.Revision == "":
			d.add(Finding{Check: "pod", Object: name, Level: Problem, Message: "serves no configuration yet", Fix: "see the broker's log; its Role must let it read the published namespace"})
		case s.Sequence < newest:
			d.add(Finding{Check: "pod", Object: name, Level: Problem, Message: fmt.Sprintf("serves sequence %d, and %d is published", s.Sequence, newest), Fix: "run doctor again; if it stays behind, see the broker's log for why it refuses the newer one"})
		default:
			d.good("pod", name, "serves sequence %d", s.Sequence)
		}
		d.keys(name, s.KeyIDs)
	}
}

// keys holds those that a broker has against the ring. A key that does not seal yet
// may be on its way.
func (d *Doctor) keys(broker string, has []string) {
	var lacks []string
	for _, key := range d.install.ring.Status(d.Now()) {
		switch {
		case slices.Contains(has, key.ID):
		case key.State == keyring.Waiting:
			d.add(Finding{Check: "key-ring", Object: broker, Level: Note, Message: fmt.Sprintf("has not got the key %s of %s yet, which seals from %s on", key.ID, key.List, key.SealFrom.Format(time.RFC3339)), Fix: "run doctor again before that: a mounted Secret takes up to two minutes to arrive"})
		default:
			lacks = append(lacks, key.ID)
		}
	}
	if len(lacks) > 0 {
		d.add(Finding{Check: "key-ring", Object: broker, Level: Problem, Message: "lacks the keys " + strings.Join(lacks, ", ") + ": it cannot open what others sealed with them", Fix: "a mounted Secret takes up to two minutes to arrive; after that restart the pod"})
	}
}

func sorted(found map[string]served) []string {
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fetch is a GET that must answer 200.
func (d *Doctor) fetch(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	answer, err := d.HTTP.Do(r)
	if err != nil {
		return nil, reach.Why(err, address)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return body, nil
}

// publicURL reaches the broker as clients do.
func (d *Doctor) publicURL(ctx context.Context) {
	if d.PublicURL == "" {
		d.add(Finding{Check: "broker-url", Level: Note, Message: "the public URL is not known, so it is not tried", Fix: "oauth-broker doctor --broker https://broker.example.com"})
		return
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(d.PublicURL, "/")+"/readyz", nil)
	if err != nil {
		d.add(Finding{Check: "broker-url", Object: d.PublicURL, Level: Problem, Message: "is no URL", Fix: "--broker https://broker.example.com"})
		return
	}
	answer, err := d.HTTP.Do(r)
	if err != nil {
		why := reach.Why(err, d.PublicURL)
		d.add(Finding{Check: "broker-url", Object: d.PublicURL, Level: Problem, Message: why.What, Fix: why.Fix})
		return
	}
	_ = answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		d.good("broker-url", d.PublicURL, "answers and is ready")
	case http.StatusServiceUnavailable:
		d.add(Finding{Check: "broker-url", Object: d.PublicURL, Level: Problem, Message: "answers 503: no broker is ready behind it", Fix: "see the broker's pods and log"})
	default:
		d.add(Finding{Check: "broker-url", Object: d.PublicURL, Level: Problem, Message: fmt.Sprintf("/readyz answers %d: this is something else than a broker, or a proxy that does not pass every path on", answer.StatusCode), Fix: "look at DNS, ingress and gateway"})
	}
	d.clock("the broker", answer.Header.Get("Date"))
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		d.expiry(d.PublicURL, answer.TLS.PeerCertificates[0].NotAfter)
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// reachVendors tries the hosts of vendors from this machine. A failure is a note:
// the brokers may have another way out.
func (d *Doctor) reachVendors(ctx context.Context, vendors []oauthv1alpha1.OAuthVendor) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	results := make([][]Finding, len(vendors))
	for i := range vendors {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = d.reachVendor(ctx, &vendors[i])
		})
	}
	wg.Wait()
	for _, findings := range results {
		for _, f := range findings {
			d.add(f)
		}
	}
}

func (d *Doctor) reachVendor(ctx context.Context, v *oauthv1alpha1.OAuthVendor) []Finding {
	var origins []string
	for _, endpoint := range endpointsOf(v) {
		u, err := url.Parse(string(endpoint))
		if err != nil || strings.Contains(u.Host, "{") || u.Host == "" {
			continue // a tenant's host
		}
		if origin := u.Scheme + "://" + u.Host + "/"; !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	hc := d.HTTP
	if ca := v.Spec.Transport; ca != nil && ca.CABundle != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(ca.CABundle))
		hc = &http.Client{
			Timeout: d.HTTP.Timeout, CheckRedirect: d.HTTP.CheckRedirect,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		}
	}
	var out []Finding
	for _, origin := range origins {
		f := Finding{Check: "vendor-host", Object: origin, Level: OK, Message: "can be reached from this machine (" + v.Name + ")"}
		if err := head(ctx, hc, origin); err != nil {
			why := reach.Why(err, origin)
			f.Level, f.Message = Note, why.What+", from this machine ("+v.Name+")"
			f.Fix = "if brokers cannot either: DNS, firewall, networkPolicy.vendorPorts of the chart, HTTPS_PROXY in broker.env; a private CA: spec.transport.caBundle"
		}
		out = append(out, f)
	}
	return out
}

// head asks for the root of a host: any answer at all will do.
func head(ctx context.Context, hc *http.Client, origin string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, origin, nil)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	answer, err := hc.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// endpointsOf are the two that a login needs, as written or as discovered.
func endpointsOf(v *oauthv1alpha1.OAuthVendor) []oauthv1alpha1.EndpointURL {
	e := v.Spec.Endpoints
	if e == nil && v.Status.Discovery != nil {
		e = v.Status.Discovery.Endpoints
	}
	if e == nil {
		return []oauthv1alpha1.EndpointURL{v.Spec.Issuer}
	}
	return []oauthv1alpha1.EndpointURL{e.Authorization, e.Token}
}
