// SPDX-License-Identifier: Apache-2.0

// Package selftest is what `helm test` runs in a pod: a real login through the
// installed brokers, at a vendor that the pod itself plays.
//
// The chart's test hooks make an OAuthVendor, a Secret and a BrokerClient, and
// let the pod change these and nothing else. The pod makes a certificate and an
// app secret in its memory, writes its own address and both into vendor and
// Secret, waits until the operator says that every broker serves them, and then
// logs in and refreshes through the brokers' Service. So it also shows that an
// edit goes live. No key material is in any template, and all of it is gone with
// the hooks.
package selftest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/login"
)

// Test is one self-test. All fields are required.
type Test struct {
	// PublicURL of the broker.
	PublicURL string
	// Vendor is the name of the OAuthVendor and of its Secret, Client that of the
	// BrokerClient with its namespace.
	Vendor string
	Client types.NamespacedName
	// Namespace of the Secret.
	Namespace string
	// Listen is the emulator's address, Host how the brokers reach it.
	Listen, Host string
	// HTTP reaches the broker; the emulator's certificate is added to it.
	HTTP    *http.Client
	Objects client.Client
	Now     func() time.Time
	// Out tells how it goes.
	Out io.Writer
}

// appID is the client id at the emulator.
const appID = "selftest-app"

// Run does the test.
func (t *Test) Run(ctx context.Context) error {
	vendor := newEmulator(appID, t.PublicURL+"/v1/callback")
	base, ca, stop, err := t.serve(ctx, vendor)
	if err != nil {
		return err
	}
	defer stop()
	t.say("the vendor is this pod: %s", base)
	if err := t.configure(ctx, vendor, base, ca); err != nil {
		return err
	}
	result, err := t.logIn(ctx, ca)
	if err != nil {
		return err
	}
	for name, token := range map[string]map[string]any{"login": result.Token, "refresh": result.Refreshed} {
		access, _ := token["access_token"].(string)
		if !vendor.gave(access) {
			return fmt.Errorf("%s: the access token is not the vendor's", name)
		}
		if refresh, _ := token["refresh_token"].(string); strings.HasPrefix(refresh, "refresh-") {
			return fmt.Errorf("%s: the vendor's refresh token came unsealed", name)
		}
	}
	t.say("a login and a refresh through %s: the vendor's real access tokens came, the refresh token sealed", t.PublicURL)
	return nil
}

func (t *Test) say(format string, args ...any) { _, _ = fmt.Fprintf(t.Out, format+"\n", args...) }

// serve starts the emulator.
func (t *Test) serve(ctx context.Context, vendor *emulator) (base, ca string, stop func(), err error) {
	cert, ca, err := certificate(t.Host, t.Now())
	if err != nil {
		return "", "", nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", t.Listen)
	if err != nil {
		return "", "", nil, fmt.Errorf("listening: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", "", nil, fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: vendor.handler(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return "https://" + net.JoinHostPort(t.Host, port), ca, func() { _ = server.Close() }, nil
}

// configure writes address, certificate and app secret, and waits until every
// broker serves them.
func (t *Test) configure(ctx context.Context, vendor *emulator, base, ca string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: t.Vendor}}
	if err := t.patch(ctx, secret, map[string]any{"stringData": map[string]string{oauthv1alpha1.SecretKeyClientID: vendor.clientID, oauthv1alpha1.SecretKeyClientSecret: vendor.clientSecret}}); err != nil {
		return err
	}
	o := &oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: t.Vendor}}
	if err := t.patch(ctx, o, map[string]any{"spec": map[string]any{
		"endpoints": map[string]string{"authorization": base + "/authorize", "token": base + "/token"},
		"transport": map[string]string{"caBundle": ca},
	}}); err != nil {
		return err
	}
	began := t.Now()
	err := t.until(ctx, func() (string, error) {
		if err := t.Objects.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return "", fmt.Errorf("reading the OAuthVendor: %w", err)
		}
		if seen := o.Status.ObservedSecret; seen == nil || seen.ResourceVersion != secret.ResourceVersion {
			return "the operator has not seen the Secret " + t.Namespace + "/" + t.Vendor + " as it is now", nil
		}
		return notReady("OAuthVendor "+o.Name, o.Generation, o.Status.Conditions), nil
	})
	if err != nil {
		return err
	}
	c := &oauthv1alpha1.BrokerClient{}
	err = t.until(ctx, func() (string, error) {
		if err := t.Objects.Get(ctx, t.Client, c); err != nil {
			return "", fmt.Errorf("reading the BrokerClient: %w", err)
		}
		return notReady("BrokerClient "+t.Client.String(), c.Generation, c.Status.Conditions), nil
	})
	if err == nil {
		t.say("every broker serves vendor and client, %s after the edit", t.Now().Sub(began).Round(time.Millisecond))
	}
	return err
}

func (t *Test) patch(ctx context.Context, o client.Object, change map[string]any) error {
	b, err := json.Marshal(change)
	if err == nil {
		err = t.Objects.Patch(ctx, o, client.RawPatch(types.MergePatchType, b))
	}
	if err != nil {
		return fmt.Errorf("changing %T %s: %w", o, o.GetName(), err)
	}
	return nil
}

// notReady is why an object is not ready; empty where it is.
func notReady(name string, generation int64, conditions []metav1.Condition) string {
	ready := kube.FindCondition(conditions, oauthv1alpha1.ConditionReady)
	if ready == nil || ready.ObservedGeneration != generation {
		return "the operator has not looked at " + name + " as it is now: does it run?"
	}
	if ready.Status == metav1.ConditionTrue {
		return ""
	}
	for _, c := range conditions {
		if c.Status != metav1.ConditionTrue && c.Type != oauthv1alpha1.ConditionReady {
			return name + " has " + c.Type + "=" + string(c.Status) + ", " + c.Reason + ": " + c.Message
		}
	}
	return name + " is not ready: " + ready.Message
}

// until polls; a problem that stays is the error.
func (t *Test) until(ctx context.Context, check func() (problem string, err error)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		problem, err := check()
		switch {
		case err == nil && problem == "":
			return nil
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil:
			last = problem
		}
		select {
		case <-ctx.Done():
			return errors.New("in vain: " + last)
		case <-tick.C:
		}
	}
}

// logIn is a client and its browser. The browser follows every redirect, up to
// the loopback address where the client waits.
func (t *Test) logIn(ctx context.Context, ca string) (*login.Result, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making the browser: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	browser := &http.Client{Jar: jar, Timeout: t.HTTP.Timeout, Transport: &split{
		broker: strings.TrimPrefix(strings.TrimPrefix(t.PublicURL, "https://"), "http://"), toBroker: t.HTTP.Transport,
		toOthers: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	}}
	flow := login.Flow{
		Broker: t.PublicURL, Vendor: t.Vendor, ClientID: t.Client.Namespace + "." + t.Client.Name, RedirectURI: "http://127.0.0.1/callback",
		Refresh: true, HTTP: t.HTTP, Open: func(ctx context.Context, address string) error {
			go visit(ctx, browser, address, t.Out)
			return nil
		},
	}
	return flow.Run(ctx)
}

// visit follows the redirects; where it ends elsewhere than at the client, that
// is said.
func visit(ctx context.Context, browser *http.Client, address string, out io.Writer) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	answer, err := browser.Do(r)
	if err != nil {
		_, _ = fmt.Fprintln(out, "the browser:", err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 2<<10)) // what there is of it
		_, _ = fmt.Fprintf(out, "the browser: %s%s answered %d: %s\n", answer.Request.URL.Host, answer.Request.URL.Path, answer.StatusCode, body)
	}
}

// split sends requests to the broker one way, and all others another.
type split struct {
	broker             string
	toBroker, toOthers http.RoundTripper
}

func (s *split) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == s.broker {
		return s.toBroker.RoundTrip(r)
	}
	return s.toOthers.RoundTrip(r)
}

// Via sends every request for a host to a fixed address instead, with the host's
// name in TLS and HTTP, as a load balancer in front of it would: in plain http
// where something before the brokers ends TLS.
type Via struct {
	Address string
	Plain   bool
	Next    *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (v *Via) RoundTrip(r *http.Request) (*http.Response, error) {
	next := v.Next.Clone()
	next.Proxy, next.DisableKeepAlives = nil, true
	next.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, v.Address)
	}
	if v.Plain && r.URL.Scheme == "https" {
		r = r.Clone(r.Context())
		r.Host, r.URL.Scheme = r.URL.Host, "http"
	}
	return next.RoundTrip(r)
}
