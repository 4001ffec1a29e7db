// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// nullBroker is the baseline: what any program between client and vendor has to
// do, and nothing else. It has the broker's addresses, listener and outbound
// transport, and makes the same redirects and the same one call to the vendor.
//
// It checks nothing: no client, no redirect URI, no PKCE, no state, no issuer, no
// ID token. It seals nothing, sets no cookie, makes no random value (its verifier
// is a constant, and the client's state and redirect URI travel in the clear in
// the vendor's state), reads no configuration, writes no log, counts nothing, and
// hands the vendor's answer on byte for byte. Its tokens are nobody's business:
// whoever has the code gets them.
type nullBroker struct {
	client   *http.Client
	vendor   string
	callback string
}

const (
	nullVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	nullChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// serveNull is the null broker's process. listen names its own address and the
// vendor's, apart by a comma.
func serveNull(ctx context.Context, dir, listen string) error {
	listen, vendor, ok := strings.Cut(listen, ",")
	if !ok {
		return errors.New("-listen needs the vendor's address, too")
	}
	trust, err := trusting(dir)
	if err != nil {
		return err
	}
	n := &nullBroker{client: outbound(trust), vendor: "https://" + vendor, callback: "https://" + listen + "/v1/callback"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/vendors/{vendor}/authorize", n.authorize)
	mux.HandleFunc("GET /v1/callback", n.back)
	mux.HandleFunc("POST /v1/vendors/{vendor}/token", n.token)
	mux.HandleFunc("GET /memory", counted)
	return serveTLS(ctx, dir, listen, mux)
}

// outbound is a client like the one that the broker calls vendors with.
func outbound(trust *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:   trust,
			ForceAttemptHTTP2: true, MaxIdleConns: 256, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
		},
	}
}

func (n *nullBroker) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to := url.Values{
		"client_id": {appID}, "redirect_uri": {n.callback}, "response_type": {"code"}, "scope": {q.Get("scope")}, "nonce": {q.Get("nonce")},
		"code_challenge": {nullChallenge}, "code_challenge_method": {"S256"}, "state": {q.Get("state") + " " + q.Get("redirect_uri")},
	}
	w.Header().Set("Location", n.vendor+"/authorize?"+to.Encode())
	w.WriteHeader(http.StatusFound)
}

func (n *nullBroker) back(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	state, uri, _ := strings.Cut(q.Get("state"), " ")
	w.Header().Set("Location", uri+"?"+url.Values{"code": {q.Get("code")}, "state": {state}}.Encode())
	w.WriteHeader(http.StatusFound)
}

func (n *nullBroker) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "not a form", http.StatusBadRequest)
		return
	}
	form := url.Values{"grant_type": {r.PostForm.Get("grant_type")}}
	if refresh := r.PostForm.Get("refresh_token"); refresh != "" {
		form.Set("refresh_token", refresh)
	} else {
		form.Set("code", r.PostForm.Get("code"))
		form.Set("redirect_uri", n.callback)
		form.Set("code_verifier", nullVerifier)
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, n.vendor+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		http.Error(w, "no request", http.StatusInternalServerError)
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(appID, appSecret)
	resp, err := n.client.Do(req)
	if err != nil {
		http.Error(w, "the vendor is away", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		http.Error(w, "the vendor broke off", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(body)
}

// counted tells what the Go runtime counted, under the names that the broker's
// metrics have.
func counted(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := json.Marshal(map[string]float64{"go_memstats_mallocs_total": float64(m.Mallocs), "go_memstats_alloc_bytes_total": float64(m.TotalAlloc)})
	if err != nil {
		http.Error(w, "not encoded", http.StatusInternalServerError)
		return
	}
	answerJSON(w, b)
}
