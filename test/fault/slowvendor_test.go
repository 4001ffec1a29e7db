// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// stuck makes an endpoint take requests and answer none before release.
func stuck(release <-chan struct{}) fakevendor.Behaviour {
	return fakevendor.Behaviour{Name: "stuck", Edit: func(map[string]any) { <-release }}
}

// twoVendors runs brokers before acme and other.
func twoVendors(t *testing.T, limits broker.Limits) (h *harness.Harness, other *fakevendor.Server) {
	t.Helper()
	h = harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1, Limits: limits}})
	other = h.StartVendor(fakevendor.Options{Clients: []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret, RedirectURIs: harness.Callbacks("other")}}})
	d := h.Document()
	d.Vendors = append(d.Vendors, harness.Vendor("other", other))
	d.Credentials = append(d.Credentials, harness.Shared("other", harness.App, harness.AppSecret))
	d.Vendors[0].Transport.TimeoutSeconds = 60
	for i := range d.Clients {
		d.Clients[i].Vendors = append(d.Clients[i].Vendors, runtimeconfig.AllowedVendor{Name: "other"})
	}
	h.Apply(d)
	return h, other
}

// loginAt walks a login at the vendor other.
func loginAt(h *harness.Harness) *harness.Response {
	l := h.NewLogin(harness.WebClient)
	l.Authorization, l.TokenURL = harness.PublicURL+"/v1/vendors/other/authorize", harness.PublicURL+"/v1/vendors/other/token"
	l.Walk()
	return l.Redeem()
}

// answers counts answers by status.
type answers struct {
	mu      sync.Mutex
	status  map[int]int
	retry   map[string]int
	trouble []error
}

// flood sends n equal token requests at once and returns what they will have met.
func flood(t *testing.T, h *harness.Harness, n int, form url.Values) (*answers, *sync.WaitGroup) {
	t.Helper()
	out, all := &answers{status: map[int]int{}, retry: map[string]int{}}, &sync.WaitGroup{}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	h.Auth(harness.WebClient)(form, header)
	ctx := context.WithoutCancel(t.Context())
	for range n {
		all.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
			if err == nil {
				r.Header = header.Clone()
				var answer *http.Response
				if answer, err = h.HTTP().Do(r); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
				out.add(answer, err)
			}
		})
	}
	return out, all
}

func (a *answers) add(r *http.Response, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.trouble = append(a.trouble, err)
		return
	}
	a.status[r.StatusCode]++
	if v := r.Header.Get("Retry-After"); v != "" {
		a.retry[v]++
	}
}

func (a *answers) count(status int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status[status]
}

// TestSlowVendor_doesNotSlowOthers: a vendor answers nothing while hundreds ask.
// Promised: as many calls as there are places, the rest is told 503 within
// moments, no code is lost by that, and logins at another vendor all succeed.
func TestSlowVendor_doesNotSlowOthers(t *testing.T) {
	const places, flooding, others = 64, 400, 40
	h, other := twoVendors(t, broker.Limits{VendorCalls: places})
	l := h.Login(harness.WebClient)
	first := l.Redeem()
	wantTokens(t, "before", first)
	late := h.Login(harness.WebClient)
	release := make(chan struct{})
	h.Fake.Set(fakevendor.Refresh, stuck(release))

	got, all := flood(t, h, flooding, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Text("refresh_token")}})
	poll.Until(t, patience, func() error {
		if n := h.Fake.Count(fakevendor.Refresh); n != places {
			return fmt.Errorf("%d calls at the vendor", n)
		}
		return nil
	})
	start := time.Now()
	for range others {
		wantTokens(t, "a login at another vendor", loginAt(h))
	}
	t.Logf("%d logins at another vendor took %s", others, time.Since(start).Round(time.Millisecond))
	poll.Until(t, patience, func() error {
		if n := got.count(http.StatusServiceUnavailable); n != flooding-places {
			return fmt.Errorf("%d of %d are refused", n, flooding-places)
		}
		return nil
	})
	// A code that found no place is as good as before.
	r := late.Redeem()
	wantRefusal(t, "a code", r, unavailable())
	if r.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
	}
	close(release)
	all.Wait()
	wantTokens(t, "the same code", late.Redeem())

	if n := h.Fake.Count(fakevendor.Refresh); n != places {
		t.Errorf("the vendor saw %d calls, want %d", n, places)
	}
	// On a machine that stutters a call may fail at connecting to the vendor, and
	// leave its place to another.
	shed := metric(t, h, `oauth_broker_vendor_calls_total{leg="refresh",outcome="shed",vendor="acme"}`)
	if len(got.trouble) != 0 || got.count(http.StatusOK) != places || got.retry["2"] != shed || shed < flooding-2*places {
		t.Errorf("got %v, Retry-After %v, %d shed, %v", got.status, got.retry, shed, got.trouble)
	}
	if n := other.Stats().CodesRedeemed; n != others {
		t.Errorf("the other vendor redeemed %d codes, want %d", n, others)
	}
}

// metric is the value of a series.
func metric(t *testing.T, h *harness.Harness, series string) int {
	t.Helper()
	for line := range strings.Lines(h.Metrics()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no series %s", series)
	return 0
}

// TestSlowVendor_keysToo: a vendor whose keys do not come holds no more places
// than one whose tokens do not.
func TestSlowVendor_keysToo(t *testing.T) {
	h, _ := twoVendors(t, broker.Limits{VendorCalls: 2})
	release := make(chan struct{})
	h.Fake.Set(fakevendor.JWKS, fakevendor.Behaviour{Name: "stuck", Process: true, Write: func(http.ResponseWriter, *http.Request) { <-release }})
	var all sync.WaitGroup
	for range 2 {
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("scope", "openid read")
		l.Walk()
		all.Go(func() { wantRefusal(t, "keys", l.Redeem(), badAnswer()) })
	}
	poll.Until(t, patience, func() error {
		if n := h.Fake.Count(fakevendor.Token); n != 2 || h.Fake.Count(fakevendor.JWKS) == 0 {
			return fmt.Errorf("%d token calls", n)
		}
		return nil
	})
	wantRefusal(t, "a third", h.Login(harness.WebClient).Redeem(), unavailable())
	wantTokens(t, "another vendor", loginAt(h))
	close(release)
	all.Wait()
}

// TestSlowVendor_registrations: a vendor that does not answer registrations, which
// strangers may be able to send, holds up none of its logins.
func TestSlowVendor_registrations(t *testing.T) {
	const places = 2
	h := start(t, harness.Options{Replicas: 1, Limits: broker.Limits{VendorCalls: places}}, nil)
	release := make(chan struct{})
	h.Fake.Set(fakevendor.Registration, stuck(release))
	var all sync.WaitGroup
	for range 2 * places { // half of them wait for a place
		all.Go(func() { _ = register(h) })
	}
	poll.Until(t, patience, func() error {
		if n := h.Fake.Count(fakevendor.Registration); n != places {
			return fmt.Errorf("%d registrations at the vendor", n)
		}
		return nil
	})
	wantTokens(t, "a login", h.Login(harness.WebClient).Redeem())
	close(release)
	all.Wait()
}
