// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_C02_SameCallbackInParallelWithRedis(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	callback := l.AtVendor(l.Authorize())
	cookie := http.Header{"Cookie": {l.Browser.Cookies()[0].String()}}
	answers := make([]*harness.Response, 100)
	inParallel(len(answers), func(i int) { answers[i] = h.Send(http.MethodGet, callback, "", cookie) })
	wantOne(t, answers, func(r *harness.Response) bool {
		if code := r.Query("code"); code != "" {
			l.Code = code
			return true
		}
		return false
	}, func(r *harness.Response) { wantPage(t, "the others", r, http.StatusBadRequest) })
	wantTokens(t, "the one", l.Redeem())
	for n := 1; n <= 3; n++ {
		h.Pin(n)
		wantPage(t, fmt.Sprint("later at replica ", n), h.Send(http.MethodGet, callback, "", cookie), http.StatusBadRequest)
	}
}

func TestRedTeam_F06_CodeInParallelWithRedis(t *testing.T) {
	h := start(t, harness.Setup{})
	for _, client := range []string{harness.PublicClient, harness.WebClient} {
		l, before := h.Login(client), h.Fake.Count(fakevendor.Token)
		answers := make([]*harness.Response, 100)
		inParallel(len(answers), func(i int) { answers[i] = h.Token(tokenURL, l.Form(), h.Auth(client)) })
		wantOne(t, answers, func(r *harness.Response) bool { return r.Status == http.StatusOK }, func(r *harness.Response) { wantJSON(t, "the others", r, used()) })
		h.wantCalls(t, client, fakevendor.Token, before+1)
	}
}

func TestRedTeam_F16_ReplayedAssertionWithRedis(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.Login(harness.KeyClient)
	claims := h.Claims(issuer)
	stolen := harness.Assertion(h.Sign(claims))
	h.Pin(1)
	wantTokens(t, "first", h.Token(tokenURL, l.Form(), stolen))
	second := h.Login(harness.KeyClient)
	refused := failure{http.StatusUnauthorized, "invalid_client"}
	for n := 1; n <= 3; n++ {
		h.Pin(n)
		wantJSON(t, "again", h.Token(tokenURL, second.Form(), stolen), refused)
	}
	// Signed anew with the jti of before, at another issuer of the broker.
	again := maps.Clone(claims)
	again["aud"] = harness.PublicURL
	wantJSON(t, "jti again", h.Token(harness.PublicURL+"/v1/token", second.Form(), harness.Assertion(h.Sign(again))), refused)
	wantTokens(t, "a new jti", second.Redeem())
}

// A client cannot spend the jti of another, whose id begins like its own.
func TestRedTeam_F16_JTIsOfClientsAreApart(t *testing.T) {
	h := start(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Clients = append(d.Clients, d.Clients[2])
		d.Clients[3].ID, d.Clients[3].UID = harness.KeyClient+":x", "uid-x"
	}})
	l, ll := h.Login(harness.KeyClient), h.Login(harness.KeyClient+":x")
	for _, c := range []struct {
		login *harness.Login
		jti   string
	}{{l, "x:jti"}, {ll, "jti"}} {
		claims := h.Claims(issuer)
		claims["iss"], claims["sub"], claims["jti"] = c.login.Client, c.login.Client, c.jti
		wantTokens(t, c.login.Client, h.Token(tokenURL, c.login.Form(), harness.Assertion(h.Sign(claims))))
	}
}

// consenting has clients that always ask the user.
func consenting() harness.Setup {
	return harness.Setup{Edit: func(d *runtimeconfig.Document) {
		for i := range d.Clients {
			d.Clients[i].AlwaysConsent = true
		}
	}}
}

// answerOf is the form of a consent page, with a button pressed.
func answerOf(t *testing.T, page *harness.Response, action string) url.Values {
	t.Helper()
	form := url.Values{"action": {action}}
	for _, name := range []string{"id", "request"} {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(page.Body)
		if m == nil {
			t.Fatalf("no consent page: %d %s", page.Status, page.Body)
		}
		form.Set(name, m[1])
	}
	return form
}

func TestRedis_consentIsAnsweredOnce(t *testing.T) {
	h := start(t, consenting())
	l := h.NewLogin(harness.WebClient)
	form := answerOf(t, l.Authorize(), "allow")
	header := http.Header{
		"Cookie": {l.Browser.Cookies()[0].String()}, "Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {harness.PublicURL},
	}
	answers := make([]*harness.Response, 20)
	inParallel(len(answers), func(i int) {
		answers[i] = h.Send(http.MethodPost, harness.PublicURL+"/v1/consent", form.Encode(), header.Clone())
	})
	wantOne(t, answers, func(r *harness.Response) bool { return r.Query("state") != "" && r.Query("error") == "" },
		func(r *harness.Response) { wantPage(t, "the others", r, http.StatusBadRequest) })
}

// push pushes the request of a login, and gives the address that authorizes it.
func push(t *testing.T, h rig, l *harness.Login) string {
	t.Helper()
	pushed := h.Token(issuer+"/par", l.Params, h.Auth(l.Client))
	uri := pushed.Text("request_uri")
	if pushed.Status != http.StatusCreated || uri == "" {
		t.Fatalf("par: %d %s", pushed.Status, pushed.Body)
	}
	return l.Authorization + "?" + url.Values{"client_id": {l.Client}, "request_uri": {uri}}.Encode()
}

func TestRedis_pushedRequestIsUsedOnce(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	address := push(t, h, l)
	answers := make([]*harness.Response, 30)
	inParallel(len(answers), func(i int) { answers[i] = h.Browser().Get(address) })
	wantOne(t, answers, func(r *harness.Response) bool { return r.Location != nil },
		func(r *harness.Response) { wantPage(t, "the others", r, http.StatusBadRequest) })
	second := h.NewLogin(harness.WebClient)
	second.Finish(second.Browser.Get(push(t, h, second)))
	wantTokens(t, "another", second.Redeem())
}

// A take outlives what was taken also where replicas' clocks differ.
func TestRedis_clocksMayDiffer(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	h.Clock.Advance(-30 * time.Second) // a replica behind the one that made the code
	wantTokens(t, "first", l.Redeem())
	h.later(85 * time.Second) // not expired by its clock
	wantJSON(t, "second", l.Redeem(), used())
	h.wantCalls(t, "second", fakevendor.Token, 1)
}

// What failed before the take took nothing, and what the vendor did not act on
// is given back; after any other outcome the code stays taken.
func TestRedis_takesAreReleasedOnlyWithoutEffect(t *testing.T) {
	h := start(t, harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Vendors[0].Transport.TimeoutSeconds = 1 }})
	for _, b := range []fakevendor.Behaviour{fakevendor.RetryLater(http.StatusTooManyRequests, "1"), fakevendor.RetryLater(http.StatusServiceUnavailable, ""), fakevendor.JSON(503, `{"error":"temporarily_unavailable"}`)} {
		l := h.Login(harness.WebClient)
		h.Fake.SetTimes(fakevendor.Token, b, 1)
		wantJSON(t, b.Name, l.Redeem(), away())
		wantTokens(t, b.Name+", again", l.Redeem())
		wantJSON(t, b.Name+", a third time", l.Redeem(), used())
	}
	for _, b := range []fakevendor.Behaviour{
		h.Fake.Hang(), fakevendor.ResetConnection(), fakevendor.ResetConnection().Processed(), fakevendor.CutShort().Processed(),
		fakevendor.JSON(500, `{"error":"server_error"}`), fakevendor.Answer(502, "text/html", "<b>bad gateway</b>"), fakevendor.JSON(400, `{"error":"temporarily_unavailable"}`),
	} {
		l := h.Login(harness.WebClient)
		h.Fake.SetTimes(fakevendor.Token, b, 1)
		wantJSON(t, b.Name, l.Redeem(), away())
		before := h.Fake.Count(fakevendor.Token)
		wantJSON(t, b.Name+", again", l.Redeem(), used())
		h.wantCalls(t, b.Name+", again", fakevendor.Token, before)
	}
}

// A vendor that cannot be reached got nothing: the code can be used again.
func TestRedis_releasedWhereNothingWasSent(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	good := h.Document()
	d := h.Document()
	d.Vendors[0].Target.Endpoints.Token = "https://127.0.0.1:1/token"
	h.Apply(d)
	wantJSON(t, "no connection", l.Redeem(), away())
	d = h.Document()
	d.Vendors[0].Transport.CABundle = ""
	h.Apply(d)
	wantJSON(t, "TLS fails", l.Redeem(), away())
	d = h.Document()
	d.Vendors[0].ClientAuth.Method = runtimeconfig.AuthPrivateKeyJWT
	h.Apply(d)
	if r := l.Redeem(); r.Status != http.StatusBadGateway {
		t.Errorf("a request that cannot be made: %d %s", r.Status, r.Body)
	}
	h.Apply(good)
	wantTokens(t, "afterwards", l.Redeem())
	if strings.Contains(h.Logs(), "not released") {
		t.Error("a release failed")
	}
}

func TestRedis_refusedRequestsTakeNothing(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	for name, value := range map[string]string{"code_verifier": strings.Repeat("A", 43), "redirect_uri": "https://app.example/other"} {
		form := l.Form()
		form.Set(name, value)
		wantJSON(t, name, l.Send(form), used())
	}
	wantJSON(t, "another client", h.Token(tokenURL, l.Form(), h.Auth(harness.WebClient)), used())
	wantTokens(t, "afterwards", l.Redeem())
}
