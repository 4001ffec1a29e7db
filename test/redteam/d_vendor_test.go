// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// redeemAt logs in and redeems the code while the token endpoint misbehaves.
func redeemAt(t *testing.T, h *harness.Harness, b fakevendor.Behaviour) (*harness.Response, *harness.Login) {
	t.Helper()
	l := h.Login(harness.PublicClient)
	h.Fake.Set(fakevendor.Token, b)
	defer h.Fake.Behave()
	return l.Redeem(), l
}

// wantNothingOf: nothing of the vendor's body came through.
func wantNothingOf(t *testing.T, what string, r *harness.Response, text string) {
	t.Helper()
	if strings.Contains(r.Body, text) {
		t.Errorf("%s: the vendor's body came through: %s", what, r.Body)
	}
}

func TestRedTeam_D01_ErrorInA200(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"bad_verification_code": {400, "invalid_grant"}, "invalid_grant": {400, "invalid_grant"}, "incorrect_client_credentials": {502, "server_error"},
		"invalid_client": {502, "server_error"}, "invalid_scope": {400, "invalid_scope"}, "anything_else": {502, "server_error"}, "": {502, "server_error"}, "temporarily_unavailable": {503, "temporarily_unavailable"},
	} {
		r, _ := redeemAt(t, h, fakevendor.JSON(http.StatusOK, `{"error":"`+code+`","error_description":"MARKER <b>","error_uri":"https://evil.example","access_token":"MARKER"}`))
		wantJSON(t, code, r, failure{want.status, want.code})
		wantNothingOf(t, code, r, "MARKER")
	}
}

// What says that there is no error is none (false, null, empty), where tokens come
// along with a good status.
func TestRedTeam_D02_NoError(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, none := range []string{`false`, `null`, `""`} {
		body := `{"error":` + none + `,"access_token":"a-token","token_type":"Bearer"}`
		r, _ := redeemAt(t, h, fakevendor.JSON(http.StatusOK, body))
		wantTokens(t, none, r)
		r, _ = redeemAt(t, h, fakevendor.JSON(http.StatusBadRequest, body))
		wantJSON(t, none+" with 400", r, failure{http.StatusBadGateway, "server_error"})
	}
}

func TestRedTeam_D02_NotOK(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
		v.TokenResponse.ErrorPath, v.TokenResponse.ErrorEquals, v.TokenResponse.ErrorCodePath = "ok", "false", "error"
	}))
	for body, want := range map[string]string{
		`{"ok":false}`: "server_error", `{"ok":false,"error":"invalid_code"}`: "invalid_grant", `{"ok":false,"error":"bad_client_secret"}`: "server_error",
		`{"ok":false,"access_token":"a-token","token_type":"Bearer"}`: "server_error", `{"ok":"false","access_token":"a-token","token_type":"Bearer"}`: "server_error",
	} {
		r, _ := redeemAt(t, h, fakevendor.JSON(http.StatusOK, body))
		if r.Text("error") != want || r.JSON()["access_token"] != nil || r.Status == http.StatusOK {
			t.Errorf("%s: got %d %s, want %s", body, r.Status, r.Body, want)
		}
	}
}

func TestRedTeam_D03_FormEncoded(t *testing.T) {
	for _, c := range []struct {
		format      runtimeconfig.ResponseFormat
		contentType string
		good        bool
	}{
		{runtimeconfig.FormatJSON, "application/x-www-form-urlencoded", false}, {runtimeconfig.FormatJSON, "application/json", false},
		{runtimeconfig.FormatForm, "text/html", true}, {runtimeconfig.FormatByContentType, "application/x-www-form-urlencoded; charset=utf-8", true},
		{runtimeconfig.FormatByContentType, "application/json", false}, {runtimeconfig.FormatByContentType, "", false},
	} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.TokenResponse.Format = c.format }))
		r, _ := redeemAt(t, h, fakevendor.Answer(http.StatusOK, c.contentType, "access_token=form-token&token_type=bearer&scope=read"))
		if c.good {
			wantTokens(t, string(c.format), r)
		} else {
			wantJSON(t, string(c.format)+" "+c.contentType, r, failure{http.StatusBadGateway, "server_error"})
		}
		r, _ = redeemAt(t, h, fakevendor.Answer(http.StatusOK, "application/x-www-form-urlencoded", "access_token=a-token&access_token=b-token&token_type=bearer"))
		wantJSON(t, "repeated member", r, failure{http.StatusBadGateway, "server_error"})
	}
}

func TestRedTeam_D04_D07_D08_BadAnswers(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, b := range fakevendor.BadAnswers() {
		r, _ := redeemAt(t, h, b)
		status, code := http.StatusBadGateway, "server_error"
		switch {
		case strings.Contains(b.Name, "bad_verification_code"):
			status, code = http.StatusBadRequest, "invalid_grant"
		case strings.Contains(b.Name, "cut short"):
			status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
		}
		wantJSON(t, b.Name, r, failure{status, code})
		wantNothingOf(t, b.Name, r, "Sign in")
		if len(r.Body) > 400 || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d bytes", b.Name, len(r.Body))
		}
	}
	wantTokens(t, "the broker after all that", h.Login(harness.PublicClient).Redeem())
}

func TestRedTeam_D05_EndlessAnswers(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Transport.TimeoutSeconds, v.Transport.MaxResponseBytes = 60, 64<<10 }))
	for _, b := range []fakevendor.Behaviour{fakevendor.Endless(), fakevendor.GzipBomb()} {
		r, _ := redeemAt(t, h, b)
		wantJSON(t, b.Name, r, failure{http.StatusBadGateway, "server_error"})
	}
}

func TestRedTeam_D05_SlowAnswers(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Transport.TimeoutSeconds = 1 }))
	for _, b := range []fakevendor.Behaviour{h.Fake.Drip(10 * time.Millisecond), h.Fake.Hang()} {
		l, other := h.Login(harness.PublicClient), h.Login(harness.WebClient)
		h.Fake.SetTimes(fakevendor.Token, b, 1)
		slow := make(chan *harness.Response)
		start := time.Now()
		go func() { slow <- h.Token(tokenURL, l.Form(), harness.None(harness.PublicClient)) }()
		poll.Until(t, 10*time.Second, func() error {
			if h.Fake.Last(fakevendor.Token).Behaviour != b.Name {
				return errors.New("the slow request did not arrive")
			}
			return nil
		})
		wantTokens(t, "another login meanwhile", other.Redeem())
		wantJSON(t, b.Name, <-slow, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %s", b.Name, took)
		}
	}
}

func TestRedTeam_D06_Redirects(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, status := range []int{301, 302, 303, 307, 308} {
		sink := h.Fake.NewSink(t)
		r, l := redeemAt(t, h, fakevendor.RedirectTo(status, sink.URL+"/token"))
		wantJSON(t, http.StatusText(status), r, failure{http.StatusBadGateway, "server_error"})
		if got := sink.Requests(); len(got) != 0 {
			t.Errorf("%d was followed: %s", status, got[0].Body)
		}
		wantTokens(t, "afterwards", l.Redeem())
	}
}

func TestRedTeam_D08_TokenType(t *testing.T) {
	for _, c := range []struct {
		sent     any
		types    []string
		optional bool
		good     bool
	}{
		{"Bearer", nil, false, true}, {"bearer", nil, false, true}, {"BEARER", nil, false, true}, {"user", nil, false, false}, {"user", []string{"user"}, false, true},
		{"MAC", []string{"user"}, false, false}, {"DPoP", nil, false, false}, {nil, nil, true, true}, {nil, nil, false, false}, {"MAC", nil, true, false}, {"", nil, true, false},
	} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
			v.TokenResponse.TokenTypes, v.TokenResponse.TokenTypeOptional = c.types, c.optional
		}))
		r, _ := redeemAt(t, h, fakevendor.Member("token_type", c.sent))
		if c.good {
			wantTokens(t, "token_type", r)
		} else {
			wantJSON(t, "token_type", r, failure{http.StatusBadGateway, "server_error"})
		}
	}
}

func TestRedTeam_D09_ExpiresIn(t *testing.T) {
	for _, c := range []struct {
		expiry fakevendor.Expiry
		want   string // "" is absent
	}{
		{fakevendor.ExpirySeconds, "3600"}, {fakevendor.ExpiryString, "3600"}, {fakevendor.ExpiryFloat, "3600"}, {fakevendor.ExpiryMilliseconds, "3600"},
		{fakevendor.ExpiryAbsent, ""}, {fakevendor.ExpiryZero, ""}, {fakevendor.ExpiryNegative, ""}, {fakevendor.ExpiryHuge, "315360000"},
	} {
		h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.Shape{Expiry: c.expiry}}, Edit: func(d *runtimeconfig.Document) {
			d.Vendors[0].TokenResponse.Milliseconds = c.expiry == fakevendor.ExpiryMilliseconds
		}})
		r := h.Login(harness.PublicClient).Redeem()
		wantTokens(t, string(c.expiry), r)
		if got := strings.Contains(r.Body, `"expires_in":`+c.want+`,`) && c.want != ""; got != (c.want != "") || c.want == "" && strings.Contains(r.Body, "expires_in") {
			t.Errorf("%s: %s, want %q", c.expiry, r.Body, c.want)
		}
	}
	h := harness.Standard(t, harness.Setup{})
	for _, odd := range []any{"NaN", "soon", true, []any{3600}, map[string]any{}, nil, "", "-1e999", "0.5"} {
		r, _ := redeemAt(t, h, fakevendor.Member("expires_in", odd))
		wantTokens(t, "expires_in", r)
		if strings.Contains(r.Body, "expires_in") {
			t.Errorf("expires_in %v came out as %s", odd, r.Body)
		}
	}
}

func TestRedTeam_D10_Scopes(t *testing.T) {
	for _, c := range []struct {
		behaviour fakevendor.Behaviour
		want      any
	}{
		{fakevendor.Behaviour{}, "read write"}, {fakevendor.Member("scope", "read"), "read"}, {fakevendor.Member("scope", []any{"read", "more"}), "read more"},
		{fakevendor.Without("scope"), nil}, {fakevendor.Member("scope", ""), ""},
	} {
		h := harness.Standard(t, harness.Setup{})
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("scope", "read write")
		l.Walk()
		h.Fake.Set(fakevendor.Token, c.behaviour)
		r := l.Redeem()
		wantTokens(t, c.behaviour.Name, r)
		if got := r.JSON()["scope"]; got != c.want {
			t.Errorf("%s: scope = %v, want %v", c.behaviour.Name, got, c.want)
		}
	}
}

func TestRedTeam_D11_NestedToken(t *testing.T) {
	shape := fakevendor.Slack()
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: shape}, Edit: func(d *runtimeconfig.Document) { slack(&d.Vendors[0], shape) }})
	wantTokens(t, "nested", h.Login(harness.PublicClient).Redeem())
	for _, b := range []fakevendor.Behaviour{
		fakevendor.Without("authed_user"), fakevendor.Member("authed_user", "text"), fakevendor.Member("authed_user", nil), fakevendor.Member("authed_user.access_token", ""),
		fakevendor.Member("authed_user", map[string]any{}), {Name: "only at the top", Edit: func(a map[string]any) { delete(a, "authed_user"); a["access_token"], a["token_type"] = "bot", "bot" }},
	} {
		r, _ := redeemAt(t, h, b)
		wantJSON(t, b.Name, r, failure{http.StatusBadGateway, "server_error"})
	}
}

// slack configures a vendor of the shape that nests the user's token.
func slack(v *runtimeconfig.Vendor, shape fakevendor.Shape) {
	v.Scopes.Separator, v.Scopes.Parameter = ",", "user_scope"
	v.TokenResponse = runtimeconfig.TokenResponse{
		Format: runtimeconfig.FormatJSON, ErrorPath: "ok", ErrorEquals: "false", ErrorCodePath: "error",
		Paths: shape.Paths, TokenTypes: []string{"user"}, ScopeSeparator: ",",
	}
}

func TestRedTeam_D12_RetryLater(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for sent, want := range map[string]string{"7": "7", "": "", "-5": "", "soon": "", "999999999999": "", "86400": "600", h.Clock.Now().Add(time.Hour).UTC().Format(http.TimeFormat): "600"} {
			before := h.Fake.Count(fakevendor.Token)
			r, l := redeemAt(t, h, fakevendor.RetryLater(status, sent))
			wantJSON(t, sent, r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
			if got := r.Header.Get("Retry-After"); got != want {
				t.Errorf("Retry-After %q became %q, want %q", sent, got, want)
			}
			wantCalls(t, "the broker does not retry", h.Fake, before+1)
			wantTokens(t, "the client's own retry", l.Redeem())
		}
	}
	for _, status := range []int{500, 502, 504} {
		r, _ := redeemAt(t, h, fakevendor.Answer(status, "text/html", "<b>MARKER</b>"))
		wantJSON(t, "5xx", r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		wantNothingOf(t, "5xx", r, "MARKER")
	}
}

func TestRedTeam_D13_NoBlindRetry(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Transport.TimeoutSeconds = 1 }))
	for _, b := range []fakevendor.Behaviour{h.Fake.Hang(), fakevendor.ResetConnection(), fakevendor.ResetConnection().Processed(), fakevendor.CutShort().Processed()} {
		before := h.Fake.Count(fakevendor.Token)
		r, _ := redeemAt(t, h, b)
		wantJSON(t, b.Name, r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		wantCalls(t, b.Name, h.Fake, before+1)
	}
}

func TestRedTeam_D14_OneWayOfAuthentication(t *testing.T) {
	for _, c := range []struct{ configured, accepted string }{{"client_secret_basic", fakevendor.MethodPost}, {"client_secret_post", fakevendor.MethodBasic}} {
		h := harness.Standard(t, harness.Setup{
			Vendor: fakevendor.Options{Clients: []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret, Methods: []string{c.accepted}, RedirectURIs: harness.Callbacks("acme")}}},
			Edit: func(d *runtimeconfig.Document) {
				d.Vendors[0].ClientAuth.Method = runtimeconfig.ClientAuthMethod(c.configured)
			},
		})
		wantJSON(t, c.configured, h.Login(harness.PublicClient).Redeem(), failure{http.StatusBadGateway, "server_error"})
		wantCalls(t, c.configured, h.Fake, 1)
		last := h.Fake.Last(fakevendor.Token)
		if basic := last.Header.Get("Authorization") != ""; basic == last.Form.Has("client_secret") {
			t.Errorf("%s: the secret was sent in both ways, or in none", c.configured)
		}
	}
}

func TestRedTeam_D15_OddCredentials(t *testing.T) {
	for _, raw := range []bool{false, true} {
		id, value := "a:p%p+é ü", `s:e%2Fc+r&e=t é "\`+"0123456789"
		if raw {
			id = "app%p+é" // a raw Basic id cannot hold a colon
		}
		h := harness.Standard(t, harness.Setup{
			Vendor: fakevendor.Options{RawBasic: raw, Clients: []fakevendor.Client{{ID: id, Secret: value, RedirectURIs: harness.Callbacks("acme")}}},
			Edit: func(d *runtimeconfig.Document) {
				d.Credentials[0] = harness.Shared("acme", id, value)
				d.Vendors[0].ClientAuth.RawBasic = raw
			},
		})
		wantTokens(t, "odd credentials", h.Login(harness.PublicClient).Redeem())
		if got := h.Fake.Last(fakevendor.Token).ClientID; got != id {
			t.Errorf("the vendor saw client %q, want %q", got, id)
		}
	}
}

// The harness searches log, metrics and answers after every test; this one makes
// the vendor echo every secret that it was sent.
func TestRedTeam_D16_EchoedSecrets(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, status := range []int{200, 400, 401, 500} {
		r, l := redeemAt(t, h, fakevendor.Behaviour{Name: "echo", Write: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":"` + harness.AppSecret + `","error_description":"` + r.PostForm.Encode() + `"}`))
		}})
		if r.Status < 400 || r.Text("error") == "" || r.Header.Get("X-Echo") != "" {
			t.Errorf("%d: got %d %s", status, r.Status, r.Body)
		}
		h.CheckNoSecrets(t)
		_ = l
	}
}

func TestRedTeam_D17_TLS(t *testing.T) {
	for _, mode := range []fakevendor.TLSMode{fakevendor.TLSUntrusted, fakevendor.TLSWrongName, fakevendor.TLSOld} {
		good := harness.Standard(t, harness.Setup{})
		bad := good.StartVendor(fakevendor.Options{TLS: mode, Clients: []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret}}})
		d := good.Document()
		d.Vendors[0].Target.Endpoints.Token = bad.URL(fakevendor.Token)
		d.Vendors[0].Transport.CABundle = string(bad.CAPEM())
		good.Apply(d)
		wantJSON(t, string(mode), good.Login(harness.PublicClient).Redeem(), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		wantUntouched(t, bad)
	}
}
