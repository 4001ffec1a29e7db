// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// shaped is an endpoint with this token response.
func shaped(r runtimeconfig.TokenResponse) Endpoint {
	if r.Format == "" {
		r.Format = runtimeconfig.FormatJSON
	}
	if r.ScopeSeparator == "" {
		r.ScopeSeparator = " "
	}
	return Endpoint{Vendor: &runtimeconfig.Vendor{Name: "acme", TokenResponse: r}}
}

func answered(status int, contentType, body string) answer {
	return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

func slackShape() runtimeconfig.TokenResponse {
	return runtimeconfig.TokenResponse{
		ErrorPath: "ok", ErrorEquals: "false", ErrorCodePath: "error", ScopeSeparator: ",", TokenTypes: []string{"user"},
		Paths: map[string]string{"access_token": "authed_user.access_token", "token_type": "authed_user.token_type", "scope": "authed_user.scope", "refresh_token": "authed_user.refresh_token"},
	}
}

func TestParse_tokens(t *testing.T) {
	for name, c := range map[string]struct {
		shape             runtimeconfig.TokenResponse
		contentType, body string
		want              string // access token, refresh token, scopes, expires_in
	}{
		"standard":     {runtimeconfig.TokenResponse{}, "application/json", `{"access_token":"a","token_type":"bearer","refresh_token":"r","scope":"x y","expires_in":3600}`, "a r x y 3600"},
		"nulls":        {runtimeconfig.TokenResponse{}, "", `{"access_token":"a","token_type":"Bearer","refresh_token":null,"id_token":null,"scope":null}`, "a  - -"},
		"no error":     {runtimeconfig.TokenResponse{}, "", `{"access_token":"a","token_type":"Bearer","error":false}`, "a  - -"},
		"null error":   {runtimeconfig.TokenResponse{}, "", `{"access_token":"a","token_type":"Bearer","error":null}`, "a  - -"},
		"empty":        {runtimeconfig.TokenResponse{}, "", `{"access_token":"a","token_type":"Bearer","refresh_token":"","id_token":"","error":"","scope":null}`, "a  - -"},
		"scope list":   {runtimeconfig.TokenResponse{}, "", `{"access_token":"a","token_type":"Bearer","scope":["x","y"]}`, "a  x y -"},
		"commas":       {runtimeconfig.TokenResponse{ScopeSeparator: ","}, "", `{"access_token":"a","token_type":"Bearer","scope":"x,y z"}`, "a  x y z -"},
		"form":         {runtimeconfig.TokenResponse{Format: runtimeconfig.FormatByContentType}, "application/x-www-form-urlencoded", `access_token=a%2B&token_type=bearer&scope=x`, "a+  x -"},
		"text":         {runtimeconfig.TokenResponse{Format: runtimeconfig.FormatByContentType}, "text/plain; charset=utf-8", `access_token=a&token_type=bearer&expires_in=60`, "a  - 60"},
		"milliseconds": {runtimeconfig.TokenResponse{Milliseconds: true}, "", `{"access_token":"a","token_type":"Bearer","expires_in":"3600000"}`, "a  - 3600"},
		"no type":      {runtimeconfig.TokenResponse{TokenTypeOptional: true}, "", `{"access_token":"a"}`, "a  - -"},
		"nested":       {slackShape(), "", `{"ok":true,"access_token":"bot","authed_user":{"access_token":"a","token_type":"user","scope":"x,y","refresh_token":"r"}}`, "a r x y -"},
		"inside":       {runtimeconfig.TokenResponse{Paths: map[string]string{"access_token": "access_token.value", "expires_in": "access_token.ttl", "token_type": "access_token.type"}}, "", `{"access_token":{"value":"a","ttl":60,"type":"Bearer"}}`, "a  - 60"},
	} {
		got, err := shaped(c.shape).parse(answered(200, c.contentType, c.body), time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		scope := "-"
		if got.HasScope {
			scope = strings.Join(got.Scope, " ")
		}
		expires := "-"
		if v := got.Members.Get("expires_in"); v != "" {
			expires = v
		}
		if s := got.AccessToken.Reveal() + " " + got.RefreshToken.Reveal() + " " + scope + " " + expires; s != c.want {
			t.Errorf("%s: %q, want %q", name, s, c.want)
		}
		if name == "nested" && got.Members.Get("ok") != "true" {
			t.Errorf("%s: a member is lost", name)
		}
	}
}

func TestParse_failures(t *testing.T) {
	later := answer{status: 503, header: http.Header{"Retry-After": {"7"}}, body: `{"error":"busy"}`}
	for name, c := range map[string]struct {
		shape  runtimeconfig.TokenResponse
		answer answer
		want   Outcome
	}{
		"invalid_grant":         {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":"invalid_grant"}`), OutcomeGrantRefused},
		"in a 200":              {runtimeconfig.TokenResponse{}, answered(200, "", `{"error":"bad_verification_code"}`), OutcomeGrantRefused},
		"invalid_client":        {runtimeconfig.TokenResponse{}, answered(401, "", `{"error":"invalid_client"}`), OutcomeCredentialRefused},
		"401 without a body":    {runtimeconfig.TokenResponse{}, answered(401, "", ``), OutcomeCredentialRefused},
		"invalid_scope":         {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":"invalid_scope"}`), OutcomeScopeRefused},
		"invalid_target":        {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":"invalid_target"}`), OutcomeTargetRefused},
		"another error":         {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":"x"}`), OutcomeRefused},
		"error is true":         {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a","token_type":"Bearer","error":true}`), OutcomeRefused},
		"error is a number":     {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a","token_type":"Bearer","error":0}`), OutcomeRefused},
		"error says false":      {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a","token_type":"Bearer","error":"false"}`), OutcomeRefused},
		"no error, no token":    {runtimeconfig.TokenResponse{}, answered(200, "", `{"error":false,"token_type":"Bearer"}`), OutcomeMalformed},
		"no error, with 400":    {runtimeconfig.TokenResponse{}, answered(400, "", `{"access_token":"a","token_type":"Bearer","error":false}`), OutcomeMalformed},
		"error is an object":    {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":{"code":1}}`), OutcomeRefused},
		"400 without a body":    {runtimeconfig.TokenResponse{}, answered(400, "", ``), OutcomeMalformed},
		"302 with a token":      {runtimeconfig.TokenResponse{}, answered(302, "", `{"access_token":"a","token_type":"Bearer"}`), OutcomeMalformed},
		"404 with a token":      {runtimeconfig.TokenResponse{}, answered(404, "", `{"access_token":"a","token_type":"Bearer"}`), OutcomeMalformed},
		"500 and invalid_grant": {runtimeconfig.TokenResponse{}, answered(500, "", `{"error":"invalid_grant"}`), OutcomeUnavailable},
		"429 and invalid_grant": {runtimeconfig.TokenResponse{}, answered(429, "", `{"error":"invalid_grant"}`), OutcomeUnavailable},
		"503":                   {runtimeconfig.TokenResponse{}, later, OutcomeUnavailable},
		"not ok":                {slackShape(), answered(200, "", `{"ok":false}`), OutcomeMalformed},
		"not ok, with a code":   {slackShape(), answered(200, "", `{"ok":false,"error":"invalid_code"}`), OutcomeGrantRefused},
		"no nested token":       {slackShape(), answered(200, "", `{"ok":true,"access_token":"bot","token_type":"user"}`), OutcomeMalformed},
		"wrong type":            {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a","token_type":"MAC"}`), OutcomeMalformed},
		"no type":               {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a"}`), OutcomeMalformed},
		"token with CRLF":       {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a\r\nb","token_type":"Bearer"}`), OutcomeMalformed},
		"refresh token no text": {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"a","token_type":"Bearer","refresh_token":7}`), OutcomeMalformed},
		"empty access token":    {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"","token_type":"Bearer","refresh_token":"r"}`), OutcomeMalformed},
		"empty error, with 400": {runtimeconfig.TokenResponse{}, answered(400, "", `{"access_token":"a","token_type":"Bearer","error":""}`), OutcomeMalformed},
		"sign in again":         {runtimeconfig.TokenResponse{}, answered(400, "", `{"error":"interaction_required","suberror":"basic_action"}`), OutcomeGrantRefused},
		"HubSpot":               {runtimeconfig.TokenResponse{ErrorPath: "status", ErrorEquals: "BAD_REFRESH_TOKEN", ErrorCodePath: "status"}, answered(400, "", `{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`), OutcomeGrantRefused},
		"Square":                {runtimeconfig.TokenResponse{ErrorPath: "message", ErrorEquals: "Invalid refresh token", ErrorCodePath: "message"}, answered(401, "", `{"message":"Invalid refresh token","type":"service.not_authorized"}`), OutcomeGrantRefused},
		"Auth0, wrong secret":   {runtimeconfig.TokenResponse{}, answered(401, "", `{"error":"access_denied","error_description":"Unauthorized"}`), OutcomeCredentialRefused},
		"Auth0, no access":      {runtimeconfig.TokenResponse{}, answered(403, "", `{"error":"access_denied"}`), OutcomeRefused},
		"huge token":            {runtimeconfig.TokenResponse{}, answered(200, "", `{"access_token":"`+strings.Repeat("a", 64<<10+1)+`","token_type":"Bearer"}`), OutcomeMalformed},
		"form, twice":           {runtimeconfig.TokenResponse{Format: runtimeconfig.FormatForm}, answered(200, "", `access_token=a&access_token=b&token_type=bearer`), OutcomeMalformed},
	} {
		got, err := shaped(c.shape).parse(c.answer, time.Now())
		var ve *Error
		if !errors.As(err, &ve) || ve.Outcome != c.want || got != nil {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	var ve *Error
	if _, err := shaped(runtimeconfig.TokenResponse{}).parse(later, time.Now()); !errors.As(err, &ve) || !ve.NotSent || ve.RetryAfter != 7*time.Second {
		t.Errorf("503: %+v", ve)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-1": 0, "x": 0, "1.5": 2 * time.Second, "2.0": 2 * time.Second, "NaN": 0, "Inf": 0, "600": 10 * time.Minute, "601": 10 * time.Minute, "99999999999999999999": 0,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0, now.Add(time.Hour).Format(http.TimeFormat): 10 * time.Minute,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", v, got, want)
		}
	}
}

func TestFixExpiry(t *testing.T) {
	for v, want := range map[string]string{
		"3600": "3600", `"3600"`: "3600", "3600.9": "3600", "1": "1", "0.5": "", "0": "", "-1": "", "1e18": "315360000", `"Inf"`: "315360000", `"NaN"`: "", "null": "", `"soon"`: "", "{}": "", "true": "", "1e999": "",
	} {
		m := oauth.Object{{Name: "expires_in", Value: v}}
		shaped(runtimeconfig.TokenResponse{}).fixExpiry(&m)
		if got := m.Get("expires_in"); got != want {
			t.Errorf("expires_in %s became %q, want %q", v, got, want)
		}
	}
	var m oauth.Object
	if shaped(runtimeconfig.TokenResponse{}).fixExpiry(&m); len(m) != 0 {
		t.Error("an absent expires_in was made up")
	}
}

func FuzzTokenResponse(f *testing.F) {
	f.Add(200, "application/json", `{"access_token":"a","token_type":"Bearer","expires_in":"60","scope":["x"]}`)
	f.Add(200, "text/plain", `access_token=a&token_type=bearer`)
	f.Add(200, "", `{"ok":true,"authed_user":{"access_token":"a","token_type":"user"}}`)
	f.Add(400, "application/json", `{"error":"invalid_grant"}`)
	shapes := []runtimeconfig.TokenResponse{
		{}, {Format: runtimeconfig.FormatForm}, {Format: runtimeconfig.FormatByContentType, TokenTypeOptional: true, Milliseconds: true}, slackShape(),
	}
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		for _, shape := range shapes {
			got, err := shaped(shape).parse(answered(status, contentType, body), time.Now())
			if err != nil {
				continue
			}
			token := got.AccessToken.Reveal()
			if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r < 0x20 || r > 0x7e }) || status < 200 || status > 299 {
				t.Errorf("a success with the token %q and status %d", token, status)
			}
			b, err := json.Marshal(got.Members)
			var out map[string]any // a struct would take names of another case, which are other members
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			if err != nil || d.Decode(&out) != nil || out["access_token"] != token || out["token_type"] == nil || out["token_type"] == "" {
				t.Errorf("the answer would be %s (%v)", b, err)
			}
			if v, ok := out["expires_in"]; ok {
				number, _ := v.(json.Number)
				if n, err := number.Int64(); err != nil || n < 1 {
					t.Errorf("expires_in = %v", v)
				}
			}
			if got.HasScope && slices.Contains(got.Scope, " ") {
				t.Errorf("scope = %q", got.Scope)
			}
		}
	})
}
