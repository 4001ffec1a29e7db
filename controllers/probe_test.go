// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// proberTest is a prober whose clock and vendors a test moves.
type proberTest struct {
	*testing.T
	prober *Prober
	now    time.Time
	answer ProbeAnswer
	asked  int
}

func newProberTest(t *testing.T) *proberTest {
	t.Helper()
	numbers, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	p := &proberTest{T: t, now: time.Unix(1000, 0), answer: ProbeAnswer{Verdict: CredentialAccepted}}
	p.prober = &Prober{
		Probe:   func(context.Context, ProbeRequest) ProbeAnswer { p.asked++; return p.answer },
		Health:  &Health{Changed: func(translate.Ref) {}},
		Metrics: numbers, Now: func() time.Time { return p.now }, Random: func() float64 { return 0.5 }, // no jitter
	}
	return p
}

func credentialRef(name string) translate.Ref {
	return translate.Ref{Kind: kindCredential, Namespace: "a", Name: name}
}

func job(vendor string, sequence int64) *probeJob {
	return &probeJob{request: ProbeRequest{Vendor: &runtimeconfig.Vendor{Name: vendor}}, sequence: sequence, interval: time.Hour}
}

// step runs one reconcile and returns the wait that it asks for.
func (p *proberTest) step(name string) time.Duration {
	p.Helper()
	result, err := p.prober.Reconcile(p.Context(), credentialRef(name))
	if err != nil {
		p.Fatal(err)
	}
	return result.RequeueAfter
}

func (p *proberTest) want(what string, wait, wantWait time.Duration, asked int) {
	p.Helper()
	if wait != wantWait || p.asked != asked {
		p.Errorf("%s: waits %s after %d requests, want %s after %d", what, wait, p.asked, wantWait, asked)
	}
}

func TestProber_interval(t *testing.T) {
	p := newProberTest(t)
	set := func(sequence int64) {
		p.prober.Set(map[translate.Ref]*probeJob{credentialRef("x"): job("acme", sequence)}, nil)
	}
	set(5)
	p.want("at once", p.step("x"), time.Hour, 1)
	p.now = p.now.Add(time.Minute)
	set(5)
	p.want("unchanged", p.step("x"), 59*time.Minute, 1)
	set(6)
	p.want("changed", p.step("x"), time.Hour, 2)
	p.now = p.now.Add(time.Hour)
	p.want("due", p.step("x"), time.Hour, 3)
	p.prober.Set(nil, nil)
	p.want("gone", p.step("x"), 0, 3)
}

// TestProber_vendorAway: the wait doubles up to the interval, what the vendor
// asks for counts, and other credentials of the vendor wait, too.
func TestProber_vendorAway(t *testing.T) {
	p := newProberTest(t)
	p.answer = ProbeAnswer{Verdict: CredentialUnavailable}
	p.prober.Set(map[translate.Ref]*probeJob{credentialRef("x"): job("acme", 5)}, nil)
	for n, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		wait := p.step("x")
		p.want("away", wait, want, n+1)
		p.now = p.now.Add(wait)
	}
	p.answer = ProbeAnswer{Verdict: CredentialUnavailable, RetryAfter: 2 * time.Hour}
	p.want("asked to wait", p.step("x"), 2*time.Hour, 10)
	p.prober.Set(map[translate.Ref]*probeJob{credentialRef("x"): job("acme", 5), credentialRef("y"): job("acme", 5), credentialRef("z"): job("other", 5)}, nil)
	p.answer = ProbeAnswer{Verdict: CredentialAccepted}
	p.want("another credential of the vendor", p.step("y"), 2*time.Hour, 10)
	p.want("another vendor", p.step("z"), time.Hour, 11)
	p.now = p.now.Add(2 * time.Hour)
	p.want("back", p.step("x"), time.Hour, 12)
}

// TestProber_share: a namespace whose vendors are slow holds two places, however many
// credentials it has, and nobody else waits for them.
func TestProber_share(t *testing.T) {
	p := newProberTest(t)
	ref := func(namespace, name string) translate.Ref {
		return translate.Ref{Kind: kindCredential, Namespace: namespace, Name: name}
	}
	shared := translate.Ref{Kind: kindVendor, Name: "acme"}
	jobs := map[translate.Ref]*probeJob{shared: job("acme", 5), ref("other", "x"): job("y", 5)}
	for _, name := range []string{"a", "b", "c"} {
		jobs[ref("slow", name)] = job("slow-"+name, 5)
	}
	p.prober.Set(jobs, nil)
	reconcile := func(r translate.Ref, asked int, wait time.Duration) {
		t.Helper()
		result, err := p.prober.Reconcile(t.Context(), r)
		if err != nil || p.asked < asked || result.RequeueAfter != wait {
			t.Errorf("%s: %d were asked about, want %d; waits %s, want %s; %v", r, p.asked, asked, result.RequeueAfter, wait, err)
		}
	}
	p.prober.Probe = func(context.Context, ProbeRequest) ProbeAnswer {
		switch p.asked++; p.asked {
		case 1: // under way, while the next one comes
			reconcile(ref("slow", "b"), 4, time.Hour)
		case 2:
			reconcile(ref("slow", "c"), 2, probeTurn)
			reconcile(ref("other", "x"), 3, time.Hour)
			reconcile(shared, 4, time.Hour)
		}
		return p.answer
	}
	reconcile(ref("slow", "a"), 4, time.Hour)
	reconcile(ref("slow", "c"), 5, time.Hour)
	if p.asked != 5 || p.prober.asking.Holders() != 0 {
		t.Errorf("%d were asked about, and %d namespaces are under way; want 5 and none", p.asked, p.prober.asking.Holders())
	}
}

// TestProber_pace: many credentials of one vendor are asked about one after the
// other, and after a restart within the interval.
func TestProber_pace(t *testing.T) {
	p := newProberTest(t)
	jobs := map[translate.Ref]*probeJob{}
	for n := range 100 {
		ref := credentialRef("new-" + string(rune('a'+n%26)) + string(rune('a'+n/26)))
		jobs[ref] = job("acme", 5)
	}
	known := credentialRef("known")
	jobs[known] = job("acme", 5)
	p.prober.Health.learn(known, health{sequence: 5, verdict: CredentialAccepted, at: p.now})
	p.prober.Set(jobs, nil)
	due := map[time.Duration]bool{}
	for ref, j := range jobs {
		after := j.due.Sub(p.now)
		switch {
		case ref == known && after != 30*time.Minute:
			t.Errorf("what is known is asked again after %s, want some part of the interval", after)
		case ref != known && (due[after] || after > 100*probeGap):
			t.Errorf("two are due at %s, or one too late", after)
		}
		due[after] = true
	}
}

func TestRefusals_collect(t *testing.T) {
	now := time.Unix(1000, 0)
	news := map[translate.Ref]health{}
	collect(news, []use{{"byoc/a/x", 5, 10}, {"shared/acme", 7, 10}, {"client/x", 1, 1}, {"", 1, 1}}, CredentialRefused, now)
	collect(news, []use{{"byoc/a/x", 5, 3}, {"shared/acme", 7, 30}}, CredentialAccepted, now)
	collect(news, []use{{"byoc/a/x", 4, 1}}, CredentialRefused, now)
	if x := news[credentialRef("x")]; x.verdict != CredentialAccepted || x.sequence != 5 {
		t.Errorf("got %+v, want accepted since", x)
	}
	if v := news[translate.Ref{Kind: kindVendor, Name: "acme"}]; v.verdict != CredentialRefused || !v.at.Equal(now.Add(-10*time.Second)) {
		t.Errorf("got %+v, want refused since", v)
	}
	if len(news) != 2 {
		t.Errorf("got news of %d objects, want 2", len(news))
	}
	for _, id := range []string{"byoc/a/x", "shared/acme"} {
		if got := itemOf(refOf(id)); got != id {
			t.Errorf("%s became %s", id, got)
		}
	}
}
