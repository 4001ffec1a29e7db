// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// misbehaviour is one thing that a vendor does, at whichever leg.
type misbehaviour struct {
	fakevendor.Behaviour
	// kind decides what is promised.
	kind kind
}

type kind int

const (
	// silent: nobody knows whether the vendor acted.
	silent kind = iota
	// later: the vendor says that it did not act.
	later
	// broken: the vendor reports a fault of its own.
	broken
	// nonsense: an answer that means nothing.
	nonsense
	// garbled: status 200 with a body that means nothing.
	garbled
)

func misbehaviours(v *fakevendor.Server, elsewhere string) []misbehaviour {
	page := fakevendor.Answer(http.StatusOK, "text/html", "<!doctype html><title>Sign in</title>")
	truncated := fakevendor.JSON(http.StatusOK, `{"access_token":"a","token_type":"Bear`)
	all := []misbehaviour{
		{v.Hang(), silent}, {v.Drip(50 * time.Millisecond), silent}, {fakevendor.ResetConnection(), silent}, {fakevendor.CutShort(), silent},
		{fakevendor.RetryLater(http.StatusServiceUnavailable, "7"), later}, {fakevendor.RetryLater(http.StatusTooManyRequests, "7"), later},
		{page, garbled}, {truncated, garbled}, {fakevendor.JSON(http.StatusOK, ""), garbled},
		{fakevendor.JSON(http.StatusOK, "[]"), garbled}, {fakevendor.Endless(), nonsense}, {fakevendor.GzipBomb(), nonsense},
	}
	for _, status := range []int{500, 502, 504} {
		all = append(all, misbehaviour{fakevendor.Answer(status, "text/html", "<b>error</b>"), broken})
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		all = append(all, misbehaviour{fakevendor.RedirectTo(status, elsewhere), nonsense})
	}
	return all
}

// leg is one kind of call to a vendor.
type leg struct {
	name     string
	endpoint fakevendor.Endpoint
	// read is true where a call only reads, so that net/http may make it twice, and
	// equal ones are made once.
	read bool
	// prepare makes what one call needs, and returns that call.
	prepare func(t *testing.T, h *harness.Harness) func() *harness.Response
	// want is the promise.
	want map[kind]refusal
	// after judges the same call once the vendor is well again.
	after func(t *testing.T, what string, k kind, r *harness.Response)
}

func legs(server *redis.Server) []leg {
	usual := map[kind]refusal{silent: unavailable(), later: unavailable(), broken: unavailable(), nonsense: badAnswer(), garbled: badAnswer()}
	works := func(t *testing.T, what string, _ kind, r *harness.Response) {
		t.Helper()
		if r.Status >= 300 {
			t.Errorf("%s, when the vendor is well again: %d %.300s", what, r.Status, r.Body)
		}
	}
	return []leg{
		{
			name: "code", endpoint: fakevendor.Token, want: usual,
			prepare: func(_ *testing.T, h *harness.Harness) func() *harness.Response {
				return h.Login(harness.WebClient).Redeem
			},
			// Only a vendor that says that it did not act leaves the code usable.
			after: func(t *testing.T, what string, k kind, r *harness.Response) {
				t.Helper()
				if k == later {
					wantTokens(t, what+", the same code again", r)
				} else {
					wantRefusal(t, what+", the same code again", r, used())
				}
			},
		},
		{
			name: "keys", endpoint: fakevendor.JWKS, read: true,
			want: map[kind]refusal{silent: badAnswer(), later: badAnswer(), broken: badAnswer(), nonsense: badAnswer(), garbled: badAnswer()},
			prepare: func(_ *testing.T, h *harness.Harness) func() *harness.Response {
				h.Clock.Advance(11 * time.Second) // so that the keys may be read again
				l := h.NewLogin(harness.WebClient)
				l.Params.Set("scope", "openid read")
				l.Walk()
				h.Fake.SetTimes(fakevendor.Token, fakevendor.UnknownKey(), 1) // the keys are read again
				return l.Redeem
			},
			after: func(t *testing.T, what string, _ kind, r *harness.Response) {
				t.Helper()
				wantRefusal(t, what+", the same code again", r, used()) // the vendor redeemed it
			},
		},
		{
			name: "refresh", endpoint: fakevendor.Refresh, want: usual, after: works,
			prepare: func(t *testing.T, h *harness.Harness) func() *harness.Response {
				l := h.Login(harness.WebClient)
				first := l.Redeem()
				wantTokens(t, "login", first)
				return func() *harness.Response { return l.Refresh(first.Text("refresh_token")) }
			},
		},
		{
			name: "revoke", endpoint: fakevendor.Revocation, after: works,
			// A token that may still be valid is never reported as revoked. The status
			// alone tells (RFC 7009 section 2.2).
			want: map[kind]refusal{silent: unavailable(), later: unavailable(), broken: unavailable(), nonsense: unavailable(), garbled: {status: http.StatusOK}},
			prepare: func(_ *testing.T, h *harness.Harness) func() *harness.Response {
				token := h.Login(harness.WebClient).Redeem().Text("refresh_token")
				return func() *harness.Response { return ofToken(h, "/revoke", token) }
			},
		},
		{
			name: "introspect", endpoint: fakevendor.Introspection, want: usual, after: works,
			prepare: func(_ *testing.T, h *harness.Harness) func() *harness.Response {
				token := h.Login(harness.WebClient).Redeem().Text("refresh_token")
				return func() *harness.Response { return ofToken(h, "/introspect", token) }
			},
		},
		{
			name: "register", endpoint: fakevendor.Registration, want: usual, after: works,
			prepare: func(_ *testing.T, h *harness.Harness) func() *harness.Response {
				h.Clock.Advance(time.Minute) // slower than the limit of registrations
				server.Advance(time.Minute)
				return func() *harness.Response { return register(h) }
			},
		},
	}
}

// TestMatrix: every misbehaviour at every leg, over HTTP, with Redis, so that the
// broker takes codes itself. Promised: the right error, no second call, no
// redirect followed, the code spent or not as it must be, and nothing left over.
func TestMatrix(t *testing.T) {
	server := redis.Start(t)
	h := start(t, harness.Options{Redis: server.URL()}, nil)
	sink := h.Fake.NewSink(t)
	wantTokens(t, "before", h.Login(harness.WebClient).Redeem())
	patient, hasty := h.Document(), h.Document()
	for d, seconds := range map[*runtimeconfig.Document]int{&patient: 30, &hasty: 1} {
		everyLeg(d, h.Fake)
		d.Vendors[0].Transport.TimeoutSeconds = seconds
	}
	before := leftovers(t)
	for _, l := range legs(server) {
		for _, m := range misbehaviours(h.Fake, sink.URL+"/elsewhere") {
			t.Run(l.name+" "+m.Name, func(t *testing.T) {
				call := l.prepare(t, h)
				calls := h.Fake.Count(l.endpoint)
				h.Fake.Set(l.endpoint, m.Behaviour)
				if m.kind == silent {
					h.Apply(hasty)
				}
				r := call()
				h.Apply(patient)
				if early := l.read && m.kind == silent && r.Status == http.StatusServiceUnavailable; !early { // the call before it took all the time
					wantRefusal(t, l.name, r, l.want[m.kind])
				}
				if m.kind == later && l.name != "keys" && r.Header.Get("Retry-After") != "7" {
					t.Errorf("Retry-After is %q, and the vendor said 7", r.Header.Get("Retry-After"))
				}
				if got := h.Fake.Count(l.endpoint) - calls; got != 1 && !l.read || got > 2 {
					t.Errorf("the vendor saw %d calls, want 1", got)
				}
				h.Fake.Behave()
				l.after(t, l.name, m.kind, call())
			})
		}
	}
	if got := sink.Requests(); len(got) != 0 {
		t.Errorf("a redirect was followed: %s", got[0].Path)
	}
	wantTokens(t, "after all that", h.Login(harness.WebClient).Redeem())
	wantNothingLeft(t, before)
}

// TestMatrix_discovery: the same for the operator's leg. Promised: a problem in
// plain words, no endpoints, no redirect followed.
func TestMatrix_discovery(t *testing.T) {
	fake := fakevendor.New(fakevendor.Options{}).Start(t)
	sink := fake.NewSink(t)
	spec := &oauthv1alpha1.OAuthVendorSpec{
		Issuer: oauthv1alpha1.EndpointURL(fake.Issuer()), Discovery: &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOpenIDConnect},
		Transport: &oauthv1alpha1.Transport{TimeoutSeconds: 30, CABundle: string(fake.CAPEM())},
	}
	client := &discovery.Client{}
	if d := client.Discover(t.Context(), spec); d.Problem != "" {
		t.Fatal(d.Problem)
	}
	before := leftovers(t)
	for _, m := range misbehaviours(fake, sink.URL+"/elsewhere") {
		t.Run(m.Name, func(t *testing.T) {
			calls := fake.Count(fakevendor.Discovery)
			fake.Set(fakevendor.Discovery, m.Behaviour)
			spec.Transport.TimeoutSeconds = 30
			if m.kind == silent {
				spec.Transport.TimeoutSeconds = 1
			}
			if d := client.Discover(t.Context(), spec); d.Problem == "" || d.Endpoints != nil {
				t.Errorf("got %+v", d)
			}
			if got := fake.Count(fakevendor.Discovery) - calls; got != 1 {
				t.Errorf("the vendor saw %d calls, want 1", got)
			}
		})
	}
	fake.Behave()
	spec.Transport.TimeoutSeconds = 30
	if d := client.Discover(t.Context(), spec); d.Problem != "" {
		t.Errorf("when the vendor is well again: %s", d.Problem)
	}
	if got := sink.Requests(); len(got) != 0 {
		t.Errorf("a redirect was followed: %s", got[0].Path)
	}
	wantNothingLeft(t, before)
}

// left is what a process holds.
type left struct{ goroutines, files int }

func leftovers(t *testing.T) left {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return left{runtime.NumGoroutine(), len(files)}
}

// spare is how much more may be there than before: connections that idle, two
// goroutines and one file at each end. One thing left behind by each of the
// misbehaviours would be more.
const spare = 16

func wantNothingLeft(t *testing.T, before left) {
	t.Helper()
	poll.Until(t, patience, func() error {
		now := leftovers(t)
		if now.goroutines > before.goroutines+spare || now.files > before.files+spare {
			return fmt.Errorf("%d goroutines and %d files, before %d and %d", now.goroutines, now.files, before.goroutines, before.files)
		}
		return nil
	})
}
