// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// post sends a token request that the behaviour answers.
func (p *party) post(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.vendor.URL(fakevendor.Token), strings.NewReader("grant_type=authorization_code"))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.vendor.Client().Do(r)
}

func TestBadAnswers_haveNamesAndAnswer(t *testing.T) {
	p := start(t, fakevendor.Options{})
	seen := map[string]bool{}
	for _, b := range fakevendor.BadAnswers() {
		if b.Name == "" {
			t.Error("a behaviour has no name")
		}
		seen[b.Name] = true
		p.vendor.Set(fakevendor.Token, b)
		_, _ = p.login() // x/oauth2 is more tolerant than a broker may be
		if got := p.vendor.Last(fakevendor.Token).Behaviour; got != b.Name {
			t.Errorf("%s: the answer came from %q", b.Name, got)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d different names", len(seen))
	}
	p.vendor.Behave()
	p.mustLogin()
}

func TestRetryLater_leavesTheCodeAlone(t *testing.T) {
	p := start(t, fakevendor.Options{})
	verifier := oauth2.GenerateVerifier()
	code := p.authorize(oauth2.S256ChallengeOption(verifier)).Get("code")
	p.vendor.SetTimes(fakevendor.Token, fakevendor.RetryLater(http.StatusServiceUnavailable, "7"), 1)
	_, err := p.config.Exchange(p.ctx, code, oauth2.VerifierOption(verifier))
	var failure *oauth2.RetrieveError
	if !errors.As(err, &failure) || failure.Response.StatusCode != 503 || failure.Response.Header.Get("Retry-After") != "7" {
		t.Errorf("error = %v", err)
	}
	if _, err := p.config.Exchange(p.ctx, code, oauth2.VerifierOption(verifier)); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func TestProcessed_spendsTheCode(t *testing.T) {
	p := start(t, fakevendor.Options{})
	p.vendor.SetTimes(fakevendor.Token, fakevendor.ResetConnection().Processed(), 1)
	if _, err := p.login(); err == nil {
		t.Error("no error from a reset connection")
	}
	if got := p.vendor.Stats().CodesRedeemed; got != 1 {
		t.Errorf("codes redeemed = %d", got)
	}
}

func TestHangAndDrip_endWithTheClient(t *testing.T) {
	p := start(t, fakevendor.Options{})
	for _, b := range []fakevendor.Behaviour{p.vendor.Hang(), p.vendor.Drip(time.Millisecond)} {
		p.vendor.Set(fakevendor.Token, b)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		answer, err := p.post(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error = %v", b.Name, err)
		}
		cancel()
	}
}

func TestEndless_isLargerThanAnyLimit(t *testing.T) {
	p := start(t, fakevendor.Options{})
	for _, b := range []fakevendor.Behaviour{fakevendor.Endless(), fakevendor.GzipBomb()} {
		p.vendor.Set(fakevendor.Token, b)
		answer, err := p.post(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 8<<20)); n != 8<<20 || err != nil {
			t.Errorf("%s: read %d bytes: %v", b.Name, n, err)
		}
		answer.Body.Close()
	}
}

func TestRedirectTo_sinkRecords(t *testing.T) {
	p := start(t, fakevendor.Options{})
	sink := p.vendor.NewSink(t)
	p.vendor.Set(fakevendor.Token, fakevendor.RedirectTo(http.StatusTemporaryRedirect, sink.URL+"/token"))
	careless := p.vendor.Client()
	careless.CheckRedirect = nil
	p.ctx = context.WithValue(t.Context(), oauth2.HTTPClient, careless)
	if _, err := p.login(); err != nil {
		t.Fatal(err)
	}
	if got := sink.Requests(); len(got) != 1 || !strings.Contains(string(got[0].Body), "code_verifier") {
		t.Errorf("the sink got %d requests", len(got))
	}
}

func TestCallback_misbehaviours(t *testing.T) {
	p := start(t, fakevendor.Options{IssuerParameter: true})
	pkce := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	for name, c := range map[string]struct {
		behaviour fakevendor.Behaviour
		good      func(url.Values) bool
	}{
		"deny":     {fakevendor.Deny(), func(v url.Values) bool { return v.Get("error") == "access_denied" && !v.Has("code") }},
		"two iss":  {fakevendor.CallbackParameter("iss", "a", "b"), func(v url.Values) bool { return len(v["iss"]) == 2 && v.Has("code") }},
		"no state": {fakevendor.CallbackParameter("state"), func(v url.Values) bool { return !v.Has("state") }},
	} {
		p.vendor.Set(fakevendor.Authorize, c.behaviour)
		if got := p.authorize(pkce); !c.good(got) {
			t.Errorf("%s: callback = %v", name, got)
		}
	}
}

func TestTLS_isRefusedWhereItShouldBe(t *testing.T) {
	for _, mode := range []fakevendor.TLSMode{fakevendor.TLSUntrusted, fakevendor.TLSWrongName, fakevendor.TLSOld} {
		vendor := fakevendor.New(fakevendor.Options{TLS: mode}).Start(t)
		if vendor.CAPEM() == nil {
			t.Errorf("%s: no CA", mode)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, vendor.URL(fakevendor.Discovery), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := vendor.Client().Do(r); err == nil {
			answer.Body.Close()
			t.Errorf("%s: accepted", mode)
		}
	}
}

func TestPlainHTTP_works(t *testing.T) {
	p := start(t, fakevendor.Options{TLS: fakevendor.PlainHTTP})
	if !strings.HasPrefix(p.vendor.Issuer(), "http://127.0.0.1:") {
		t.Errorf("issuer = %s", p.vendor.Issuer())
	}
	if err := p.verify(p.mustLogin()); err != nil {
		t.Error(err)
	}
}
